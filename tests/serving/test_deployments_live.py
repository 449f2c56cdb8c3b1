"""A running container under changes: how exactly it splits, how soon a withdrawn version is silent, and no table."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from http.client import HTTPConnection
from statistics import median

import numpy as np
import pytest

from contract import service
from contract.deployment import Weight, bucket, replace
from localcloud.moto_server import MotoServer
from ops.demo_model import INPUT, NAME, DemoModel
from ops.rollout import transitions
from serving.rpc import open_inference_pb2 as pb
from tests.serving.conftest import StartContainer
from tests.serving.deployments import V1, V2, World, holds, shared_equally, version_for, wait_until
from tests.serving.process import PATIENCE_SECONDS, Container, read
from tests.serving.test_grpc_container import INFER, channel_of

USERS = 4000
# Quantile of the normal distribution for an interval that holds 99.9% of the outcomes.
DEVIATIONS = 3.29
ROLLBACKS = 20
REFRESH_MS = int(os.environ.get("ROLLBACK_REFRESH_MS", "200"))
"""Set it to the default of the container to measure that."""
JSON = {"Content-Type": "application/json"}


class Asking:
    """Asks over one connection that stays open."""

    def __init__(self, container: Container, model: DemoModel) -> None:
        self._connection: HTTPConnection = container.connect()
        self._body = json.dumps({"instances": model.holdout_rows[:1]})

    def version(self, user: str) -> str:
        self._connection.request("POST", service.PREDICT_PATH, self._body, {**JSON, service.USER_HEADER: user})
        answer = read(self._connection)
        assert answer.status == 200, answer
        return answer.headers[service.MODEL_VERSION_HEADER.lower()]

    def close(self) -> None:
        self._connection.close()


def test_four_thousand_users_are_split_as_the_weights_say_and_only_ever_move_to_the_growing_version(
    start_deployed: StartContainer, first: DemoModel, world: World
) -> None:
    container = start_deployed()
    wait_until(lambda: holds(container, V1))
    asking = Asking(container, first)
    # Always the same: of samples drawn anew, one in a few hundred would lie outside the intervals by chance.
    drawn = random.Random(7)
    users = [f"{drawn.getrandbits(64):016x}" for _ in range(USERS)]
    on_second: set[str] = set()
    for percent in (10, 25, 50):
        shares = (Weight(version=V2, percent=percent), Weight(version=V1, percent=100 - percent))
        world.change(lambda record, shares=shares: replace(record, weights=shares))
        probe = _first(users, lambda user, below=percent * 100: below - 1000 <= bucket(NAME, user.encode()) < below)
        wait_until(lambda: holds(container, V1, V2))
        wait_until(lambda probe=probe: asking.version(probe) == "1.1.0")
        answers = {user: asking.version(user) for user in users}
        assert answers == {user: asking.version(user) for user in users}
        share = percent / 100
        count = Counter(answers.values())["1.1.0"]
        print(f"{percent}%: {count} of {USERS} users")
        assert abs(count - USERS * share) <= DEVIATIONS * (USERS * share * (1 - share)) ** 0.5
        now = {user for user, version in answers.items() if version == "1.1.0"}
        assert on_second <= now
        on_second = now
    asking.close()


def test_grpc_predict_and_the_inference_protocol_choose_alike(start_deployed: StartContainer, first: DemoModel) -> None:
    container = start_deployed(shared_equally, SERVEML_GRPC_PORT="0")
    wait_until(lambda: holds(container, V1, V2))
    row = first.holdout_rows[0]
    tensor = {"name": INPUT, "datatype": "FP32", "shape": [1, len(row)], "data": row}
    message = pb.ModelInferRequest(
        model_name=NAME,
        inputs=[pb.ModelInferRequest.InferInputTensor(name=INPUT, datatype="FP32", shape=[1, len(row)])],
        raw_input_contents=[np.array(row, np.float32).tobytes()],
    )
    chosen: set[str] = set()
    with channel_of(container) as channel:
        infer = channel.unary_unary(
            INFER,
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        for number in range(30):
            user = f"user-{number}"
            metadata = ((service.USER_HEADER.lower(), user),)
            answer, call = infer.with_call(message, metadata=metadata, timeout=PATIENCE_SECONDS, wait_for_ready=True)
            expected = "1.1.0" if bucket(NAME, user.encode()) < 5000 else "1.0.0"
            over_http = container.call(
                "POST",
                f"/v2/models/{NAME}/infer",
                json.dumps({"inputs": [tensor]}),
                {**JSON, service.USER_HEADER: user},
            )
            assert over_http.json["model_version"] == expected
            assert version_for(container, first, user) == expected
            assert answer.model_version == expected
            assert dict(call.trailing_metadata())[service.MODEL_VERSION_HEADER.lower()] == expected
            chosen.add(expected)
    assert chosen == {"1.0.0", "1.1.0"}


def test_a_kept_answer_of_one_version_is_never_given_for_another(
    start_deployed: StartContainer, first: DemoModel
) -> None:
    container = start_deployed(shared_equally, SERVEML_RESPONSE_CACHE="local")
    wait_until(lambda: holds(container, V1, V2))
    bodies: dict[str, set[bytes]] = {"1.0.0": set(), "1.1.0": set()}
    for number in range(60):
        headers = {service.USER_HEADER: f"user-{number % 20}"}
        answer = container.predict({"instances": first.holdout_rows[:1]}, headers)
        bodies[answer.headers[service.MODEL_VERSION_HEADER.lower()]].add(answer.body)
    assert [len(answers) for answers in bodies.values()] == [1, 1]
    assert bodies["1.0.0"] != bodies["1.1.0"]
    page = container.call("GET", service.METRICS_PATH, probes=True).body.decode()
    hits = next(line for line in page.splitlines() if line.startswith("response_cache_total{") and '"hit"' in line)
    assert float(hits.rpartition(" ")[2]) > 0


def test_a_withdrawn_version_is_silent_soon_after_the_write_on_every_worker(
    start_deployed: StartContainer, first: DemoModel, world: World
) -> None:
    container = start_deployed(**{service.ENV_DEPLOYMENTS_REFRESH_MS: str(REFRESH_MS)}, SERVEML_WORKERS="2")
    wait_until(lambda: holds(container, V1))
    # A quarter more is the longest pause between two reads.
    longest = REFRESH_MS / 1000 * 1.25
    took: list[float] = []
    for _ in range(ROLLBACKS):
        world.try_version(V2, 2)
        wait_until(lambda: all(version_for(container, first) == "1.1.0" for _ in range(20)))
        world.change(transitions.roll_back)
        written = last = time.monotonic()
        while time.monotonic() - written < longest + 0.5:
            # Each call is a new connection, which either worker may take.
            if version_for(container, first) == "1.1.0":
                last = time.monotonic()
        took.append(last - written)
    took.sort()
    print(
        f"{REFRESH_MS} ms between reads: withdrawn version's last answer {median(took) * 1000:.0f} ms after the write ",
        end="",
    )
    print(f"(median of {ROLLBACKS}), {took[-1] * 1000:.0f} ms at most")
    assert took[-1] < longest + 0.4
    assert version_for(container, first) == "1.0.0"


@pytest.mark.usefixtures("both_versions")
def test_the_split_goes_on_while_the_table_is_away_and_is_followed_again_afterwards(
    start: StartContainer, first: DemoModel
) -> None:
    with MotoServer() as server:
        world = World(server.endpoint)
        world.create(V1)
        world.change(shared_equally)
        container = start(**world.variables, AWS_ENDPOINT_URL_DYNAMODB=server.endpoint)
        wait_until(lambda: holds(container, V1, V2))
        users = [f"user-{number}" for number in range(50)]
        before = {user: version_for(container, first, user) for user in users}
        assert set(before.values()) == {"1.0.0", "1.1.0"}
    container.wait_for_line("what was read last stays")
    assert {user: version_for(container, first, user) for user in users} == before
    assert container.call("GET", service.READY_PATH, probes=True).status == 200
    with MotoServer(server.port) as again:
        restored = World(again.endpoint, table=world.table)
        restored.create(V2)
        container.wait_for_line("the deployments can be read again")
        wait_until(lambda: {version_for(container, first, user) for user in users} == {"1.1.0"})


def test_a_user_whose_id_is_empty_is_nobody_and_of_a_long_one_the_beginning_counts(
    start_deployed: StartContainer, first: DemoModel
) -> None:
    container = start_deployed(shared_equally)
    wait_until(lambda: holds(container, V1, V2))
    assert {version_for(container, first, "") for _ in range(60)} == {"1.0.0", "1.1.0"}
    beginning = "u" * 256
    assert len({version_for(container, first, beginning + end) for end in "abcdefghijklmnopqrst"}) == 1


def _first(users: list[str], fits: Callable[[str], bool]) -> str:
    return next(user for user in users if fits(user))
