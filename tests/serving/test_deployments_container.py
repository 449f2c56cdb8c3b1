"""A container that follows deployment records: whom it answers with what, how soon it changes, and what it reports."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from contract import deployment as documents
from contract import registry, service
from contract.deployment import Deployment, Gates, Stage, Weight, replace
from contract.objects import Version
from ops.demo_model import INPUT, NAME, DemoModel
from ops.rollout import transitions
from ops.rollout.records import Records
from tests.lifecycle.table import create_table
from tests.serving.conftest import CREDENTIALS, Publish, StartContainer
from tests.serving.process import Container

FOLLOWED_SECONDS = 5.0
V1, V2, V3 = Version(1, 0, 0), Version(1, 1, 0), Version(1, 2, 0)
STAGES = (Stage(percent=10), Stage(percent=50), Stage(percent=100))
Change = Callable[[Deployment], Deployment]


class World:
    """A table of its own, and what the tests do with it."""

    def __init__(self, endpoint: str, table: str | None = None) -> None:
        self.dynamodb: Any = boto3.client(
            "dynamodb",
            endpoint_url=endpoint,
            region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        self.table = table or f"deployments-{uuid.uuid4()}"
        create_table(self.dynamodb, self.table)
        self.records = Records(self.dynamodb, self.table)
        self.variables = {
            service.ENV_DEPLOYMENTS_TABLE: self.table,
            service.ENV_DEPLOYMENTS_REFRESH_MS: "200",
        }

    def create(self, version: Version) -> None:
        now = datetime.now(UTC)
        self.records.create(transitions.new(NAME, version, by="ada", now=now), action="created", reason="test")

    def change(self, make: Change) -> Deployment:
        return self.records.change(NAME, make, by="ada", action="test", reason="test")

    def try_version(self, version: Version, stage: int) -> Deployment:
        def make(record: Deployment) -> Deployment:
            now = datetime.now(UTC)
            started = transitions.start_canary(
                record, version, canary_id="trial", stages=STAGES, gates=Gates(), by="ada", now=now
            )
            return transitions.enter_stage(started, stage, now)

        return self.change(make)


@pytest.fixture
def world(endpoint: str) -> World:
    return World(endpoint)


def version_for(container: Container, model: DemoModel, user: str | None = None) -> str:
    headers = {} if user is None else {service.USER_HEADER: user}
    answer = container.predict({"instances": model.holdout_rows[:1]}, headers)
    assert answer.status == 200, answer
    return answer.headers[service.MODEL_VERSION_HEADER.lower()]


def wait_until(holds: Callable[[], bool], seconds: float = FOLLOWED_SECONDS) -> float:
    """How long it took; fails when it takes longer than that."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


def holds(container: Container, *versions: Version) -> bool:
    index = container.call("POST", "/v2/repository/index", "{}", {"Content-Type": "application/json"}).json
    ready = {entry["version"] for entry in index if entry["state"] == "READY"}
    return {str(version) for version in versions} <= ready


def test_a_record_is_served_in_place_of_the_highest_release(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.0.0")
    assert version_for(container, first) == "1.0.0"
    assert not holds(container, V2)


def test_without_a_record_the_highest_release_is_served_until_there_is_one(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.1.0")
    assert version_for(container, first) == "1.1.0"
    world.create(V1)
    wait_until(lambda: version_for(container, first) == "1.0.0")


def test_users_are_split_by_the_weights_and_stay_where_they_are_as_the_share_grows(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.0.0")
    world.try_version(V2, 0)
    wait_until(lambda: holds(container, V1, V2))
    users = [f"user-{number}" for number in range(1000)]
    before = {user: version_for(container, first, user) for user in users}
    assert before == {user: version_for(container, first, user) for user in users}
    assert _within(Counter(before.values())["1.1.0"], len(users), 0.1)
    world.change(lambda record: transitions.enter_stage(record, 1, datetime.now(UTC)))
    moved = next(user for user in users if documents.bucket("trial", user.encode()) in range(1000, 5000))
    wait_until(lambda: version_for(container, first, moved) == "1.1.0")
    after = {user: version_for(container, first, user) for user in users}
    assert _within(Counter(after.values())["1.1.0"], len(users), 0.5)
    assert all(after[user] == "1.1.0" for user in users if before[user] == "1.1.0")
    nameless = Counter(version_for(container, first) for _ in range(600))
    assert _within(nameless["1.1.0"], 600, 0.5)


def test_every_protocol_chooses_alike_and_a_version_that_is_named_answers_whatever_its_share(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.0.0")
    world.try_version(V2, 1)
    wait_until(lambda: holds(container, V1, V2))
    row = first.holdout_rows[0]
    tensor = {"name": INPUT, "datatype": "FP32", "shape": [1, len(row)], "data": row}
    wait_until(lambda: len({version_for(container, first, f"user-{number}") for number in range(20)}) == 2)

    def inferred(path: str, user: str) -> str:
        answer = container.call(
            "POST", path, f'{{"inputs": [{_json(tensor)}]}}', {"Content-Type": "application/json", "X-User-ID": user}
        )
        assert answer.status == 200, answer
        return str(answer.json["model_version"])

    for number in range(20):
        user = f"user-{number}"
        assert inferred(f"/v2/models/{NAME}/infer", user) == version_for(container, first, user)
        assert inferred(f"/v2/models/{NAME}/versions/1.1.0/infer", user) == "1.1.0"


def test_a_rollback_takes_effect_within_seconds_on_every_worker(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    container = start(**world.variables, SERVEML_WORKERS="2")
    container.wait_for_line("serving breast-cancer 1.0.0")
    for _ in range(3):
        world.try_version(V2, 2)
        wait_until(lambda: all(version_for(container, first) == "1.1.0" for _ in range(20)))
        world.change(transitions.roll_back)
        # Each call is a new connection, which either worker may take.
        wait_until(lambda: all(version_for(container, first) == "1.0.0" for _ in range(20)))


def test_workers_report_what_they_hold_until_they_stop(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    container = start(**world.variables, SERVEML_WORKERS="2")
    container.wait_for_line("serving breast-cancer 1.0.0")
    record = world.try_version(V2, 0)

    def told() -> bool:
        reports = world.records.reports(NAME)
        return {report.worker for report in reports} == {0, 1} and all(
            (report.revision, set(report.loaded)) == (record.revision, {V1, V2}) for report in reports
        )

    wait_until(told)
    assert {(report.region, report.pod) for report in world.records.reports(NAME)} == {("us-east-1", "pod-1")}
    container.signal(15)
    assert container.wait() == 0
    assert world.records.reports(NAME) == []


def test_what_the_bucket_lacks_is_answered_for_by_the_stable_version_and_said_why(
    start: StartContainer, upload: Publish, first: DemoModel, world: World
) -> None:
    upload(first)
    world.create(V1)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.0.0")
    world.try_version(V3, 1)
    wait_until(lambda: any("1.2.0" in report.refused for report in world.records.reports(NAME)))
    (report,) = world.records.reports(NAME)
    assert report.refused == {"1.2.0": "breast-cancer 1.2.0 is not in the bucket: publish it"}
    assert {version_for(container, first, f"user-{number}") for number in range(20)} == {"1.0.0"}
    page = container.call("GET", "/metrics", probes=True).body.decode()
    fallbacks = next(line for line in page.splitlines() if line.startswith("model_fallbacks_total{"))
    assert fallbacks.startswith('model_fallbacks_total{model="breast-cancer",model_version="1.2.0"}')
    assert float(fallbacks.rpartition(" ")[2]) > 0


def test_a_record_that_cannot_be_read_leaves_the_last_one_in_force(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.0.0")
    key = registry.deployment(documents.DEFAULT_TENANT, NAME)
    world.dynamodb.put_item(
        TableName=world.table, Item={**key.item, registry.DOCUMENT_ATTRIBUTE: {"S": '{"weights": []}'}}
    )
    container.wait_for_line("is refused, what was read last stays")
    assert version_for(container, first) == "1.0.0"


def test_a_restart_goes_on_with_the_record_that_was_read_last_while_the_table_is_away(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.0.0")
    assert version_for(container, first) == "1.0.0"
    container.signal(15)
    assert container.wait() == 0
    # Nothing listens there.
    container = start(**world.variables, AWS_ENDPOINT_URL_DYNAMODB="http://127.0.0.1:9")
    container.wait_for_line("serving breast-cancer 1.0.0")
    assert version_for(container, first) == "1.0.0"
    page = container.call("GET", "/metrics", probes=True).body.decode()
    assert float(next(line for line in page.splitlines() if line.startswith("deployments_away_total ")).split()[1]) > 0


def test_a_container_is_ready_once_it_holds_every_version_that_is_to_answer(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    world.change(
        lambda record: replace(record, weights=(Weight(version=V2, percent=50), Weight(version=V1, percent=50)))
    )
    container = start(**world.variables)
    wait_until(lambda: container.call("GET", service.READY_PATH, probes=True).status == 200)
    assert holds(container, V1, V2)


def test_copies_of_requests_go_to_the_version_on_trial_and_are_compared(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel, world: World
) -> None:
    upload(first)
    upload(second)
    world.create(V1)
    container = start(**world.variables)
    container.wait_for_line("serving breast-cancer 1.0.0")
    now = datetime.now(UTC)
    stages = (Stage(percent=0, shadow_percent=100), Stage(percent=100))
    world.change(
        lambda record: transitions.enter_stage(
            transitions.start_canary(record, V2, canary_id="c", stages=stages, gates=Gates(), by="ada", now=now), 0, now
        )
    )

    def compared() -> float:
        assert version_for(container, first) == "1.0.0"
        page = container.call("GET", "/metrics", probes=True).body.decode()
        counted = [line for line in page.splitlines() if line.startswith("model_shadow_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in counted if 'model_version="1.1.0"' in line)

    wait_until(lambda: compared() > 5)


def _within(count: int, trials: int, share: float) -> bool:
    """Inside the binomial 99.9% interval, by its normal approximation."""
    return abs(count - trials * share) <= 3.29 * math.sqrt(trials * share * (1 - share)) + 1


def _json(value: object) -> str:
    return json.dumps(value)
