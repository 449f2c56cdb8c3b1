"""Parts that settings or a model's metadata switch on, as a client of the running container meets them."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract import service
from contract.features import FeatureColumn
from ops.demo_model import INPUT, NAME, DemoModel
from tests.serving import feast_items
from tests.serving.conftest import Publish, StartContainer
from tests.serving.feast_store import FeastStore
from tests.serving.process import PATIENCE_SECONDS, Container
from tests.serving.redis_process import PASSWORD, RedisServer, need_redis_server

SERVING = f"serving {NAME} 1.0.0"


def sample(container: Container, name: str) -> float:
    """One value of the page of metrics; the name may hold wildcards."""
    page = container.call("GET", "/metrics", probes=True).body.decode()
    return sum(float(value) for value in re.findall(rf"^{name} (\S+)$", page, re.MULTILINE))


def test_features_of_entities_are_looked_up_and_give_the_answer_that_their_rows_give(
    start: StartContainer, upload: Publish, first: DemoModel, endpoint: str
) -> None:
    store = FeastStore(endpoint)
    names = [f"f{column}" for column in range(30)]
    columns = [FeatureColumn(view="customer", feature=name) for name in names]
    rows = first.holdout_rows[:3]
    for customer, row in enumerate(rows, start=17):
        values = {name: feast_items.double(value) for name, value in zip(names, row, strict=True)}
        store.put("customer", feast_items.item({"customer_id": customer}, values))
    features = feast_items.features(store.project, *columns)
    upload(replace(first, metadata=replace(first.metadata, features=features)))
    container = start(SERVEML_FEATURES_DEADLINE_MS="10000")
    container.wait_for_line(SERVING)

    looked_up = container.predict({"entities": {"customer_id": [17, 18, 19]}})
    assert (looked_up.status, looked_up.json) == (200, container.predict({"instances": rows}).json)
    unknown = container.predict({"entities": {"customer_id": [17, 404]}})
    assert (unknown.status, unknown.json["error"]["code"]) == (422, "feature_missing")
    assert "404" not in unknown.json["error"]["message"]
    wrong = container.predict({"entities": {"customer_id": [17, "x"]}})
    assert (wrong.status, wrong.json["error"]["field"]) == (400, "entities.customer_id[1]")
    assert container.predict({"entities": {}, "instances": rows}).status == 400
    assert sample(container, r'feature_lookup_duration_seconds_count\{outcome="ok"\}') == 1


def test_without_features_in_its_metadata_a_model_takes_no_entities(
    start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    upload(first)
    container = start()
    container.wait_for_line(SERVING)
    refused = container.predict({"entities": {"customer_id": [17]}})
    assert (refused.status, refused.json["error"]["code"]) == (400, "unknown_field")


def test_many_callers_of_a_queued_model_are_answered_together_and_each_its_own(
    start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    upload(first)
    container = start(SERVEML_EXECUTION="queued", SERVEML_MAX_WAIT_MS="10000")
    container.wait_for_line(SERVING)
    rows = first.holdout_rows[:40]
    at_once = threading.Barrier(len(rows))

    def ask(row: list[float]) -> Any:
        at_once.wait()
        return container.predict({"instances": [row]}).json["outputs"]["probabilities"][0]

    with ThreadPoolExecutor(len(rows)) as pool:
        answers = list(pool.map(ask, rows))
    together = container.predict({"instances": rows}).json["outputs"]["probabilities"]
    assert answers == [pytest.approx(row, rel=1e-5) for row in together]
    assert sample(container, "model_batch_rows_sum") == 2 * len(rows)
    assert container.call("POST", f"/v2/models/{NAME}/infer", _infer(rows[0])).json["outputs"][0]["shape"] == [1]


def _infer(row: list[float]) -> bytes:
    values = ",".join(map(str, row))
    return f'{{"inputs":[{{"name":"{INPUT}","shape":[1,30],"datatype":"FP32","data":[{values}]}}]}}'.encode()


def hits(container: Container, level: str) -> float:
    return sample(container, rf'response_cache_total\{{level="{level}",outcome="hit"\}}')


def test_the_same_body_is_computed_once_and_a_new_version_computes_it_anew(
    start: StartContainer, upload: Publish, first: DemoModel, second: DemoModel
) -> None:
    upload(first)
    container = start(SERVEML_RESPONSE_CACHE="local")
    container.wait_for_line(SERVING)
    body = {"instances": first.holdout_rows[:2]}
    answers = [container.predict(body) for _ in range(3)]
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert hits(container, "local") == 2
    infer = _infer(first.holdout_rows[0])
    assert len({container.call("POST", f"/v2/models/{NAME}/infer", infer).body for _ in range(2)}) == 1
    assert hits(container, "local") == 3
    assert container.predict({"instances": "x"}).status == container.predict({"instances": "x"}).status == 400
    text = {"Content-Type": "text/plain"}
    assert container.predict(body, text).status == 415
    assert hits(container, "local") == 3

    upload(second)
    container.wait_for_line(f"serving {NAME} 1.1.0")
    assert container.predict(body).json["model_version"] == "1.1.0"
    assert hits(container, "local") == 3


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[RedisServer, dict[str, str]]]:
    """A server, and the container's variables for it."""
    server = RedisServer(need_redis_server())
    password = tmp_path / "redis-password"
    password.write_text(PASSWORD)
    yield (
        server,
        {
            service.ENV_RESPONSE_CACHE: "redis",
            service.ENV_REDIS_URL: f"redis://127.0.0.1:{server.port}",
            service.ENV_REDIS_PASSWORD_FILE: str(password),
            service.ENV_REDIS_TIMEOUT_MS: "1000",
        },
    )
    server.kill()


def test_what_one_container_computed_another_finds_in_redis_and_neither_needs_it(
    start: StartContainer, upload: Publish, first: DemoModel, redis: tuple[RedisServer, dict[str, str]]
) -> None:
    server, variables = redis
    upload(first)
    one, two = start(**variables), start(**variables)
    for container in (one, two):
        container.wait_for_line(SERVING)
    body = {"instances": first.holdout_rows[:2]}
    computed = one.predict(body)
    # Writes are not waited for; those behind one connection are done in their order.
    one.predict({"instances": first.holdout_rows[2:4]})
    one.predict({"instances": first.holdout_rows[2:4]})
    assert two.predict(body).body == computed.body
    assert hits(two, "redis") == 1

    server.kill()
    for container in (one, two):
        assert container.predict({"instances": first.holdout_rows[4:6]}).status == 200
        assert not [line for line in container.lines if PASSWORD in line]


def test_a_server_that_has_more_to_do_than_it_can_says_so_at_once_and_its_probes_do_not(
    start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    upload(first)
    container = start(SERVEML_MAX_WAIT_MS="1", SERVEML_MAX_ROWS="1000")
    container.wait_for_line(SERVING)
    rows = [first.holdout_rows[0]] * 1000
    body = ('{"instances": ' + str(rows) + "}").encode()
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    clients = [socket.create_connection(("127.0.0.1", container.port), timeout=20) for _ in range(16)]
    for client in clients:
        client.sendall(head.encode() + body[:-1])
    # All become whole at once: however slow the machine, the next ones wait while one is answered.
    for client in clients:
        client.sendall(body[-1:])
    statuses: list[bytes] = []
    for client in clients:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(65536)
        statuses.append(answer.split(b" ", 2)[1])
        assert answer.startswith(b"HTTP/1.1 200") or b"retry-after: 1\r\n" in answer
        client.close()
    # The first may be refused too: reading all the bodies was a long turn.
    assert b"503" in statuses
    assert set(statuses) <= {b"200", b"503"}
    assert container.call("GET", "/health", probes=True).status == 200
    deadline = time.monotonic() + PATIENCE_SECONDS
    while container.predict({"instances": rows[:1]}).status != 200:
        assert time.monotonic() < deadline, "it does not recover"
