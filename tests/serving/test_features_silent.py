"""A feature store that is silent, away, or answers what is none, over the real client."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest

from serving.messages import Refused
from tests.serving.conftest import CREDENTIALS
from tests.serving.feast_items import column
from tests.serving.feast_store import PATIENCE_SECONDS, Counted, FeastStore, lookup_of, refused, run
from tests.serving.feast_stub import MARKER, PLAN, SHORT_MS


@pytest.fixture
def feast(endpoint: str) -> FeastStore:
    return FeastStore(endpoint)


@pytest.fixture
def environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def point_at(url: str = endpoint) -> None:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)

    return point_at


class Silent:
    """A listener that accepts connections and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    listener = Silent()
    yield listener
    listener.close()


def test_a_store_that_never_answers_holds_up_nobody_and_is_then_left_alone(
    silent: Silent, environment: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    environment(silent.url)
    counted = Counted()
    lookup = lookup_of(None, deadline_ms=SHORT_MS, counted=counted)
    assert not lookup.open(PLAN)
    requests = 40

    async def test() -> tuple[list[Refused], int, Refused]:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.005)
                turns += 1

        other = asyncio.ensure_future(others())
        refusals = await asyncio.gather(
            *(refused(lookup.rows(PLAN, {"customer_id": [MARKER]})) for _ in range(requests))
        )
        during = turns
        while "left alone" not in caplog.text:
            await refused(lookup.rows(PLAN, {"customer_id": [MARKER]}))
        other.cancel()
        started = time.monotonic()
        last = await refused(lookup.rows(PLAN, {"customer_id": [MARKER]}))
        assert time.monotonic() - started < SHORT_MS / 1000
        return refusals, during, last

    started = time.monotonic()
    refusals, during, last = run(test())
    assert time.monotonic() - started < 5
    assert {(refusal.status, refusal.code) for refusal in refusals} == {
        (HTTPStatus.SERVICE_UNAVAILABLE, "features_unavailable")
    }
    assert during >= 3, "the event loop must go on while the store is silent"
    assert "is away" in last.message
    assert last.headers == [(b"retry-after", b"2")]
    assert str(MARKER) not in caplog.text
    assert set(counted.outcomes) == {"features_unavailable"}
    lookup.close()


@pytest.mark.parametrize(
    "body",
    [
        b"7301973 is no JSON object",
        b'{"Responses": ["7301973"]}',
        b'{"Responses": {"churn.customer": [{"id": {"S": "7301973"}}]}}',
        b'{"Responses": {"churn.customer": [{"entity_id": {"S": "7301973"}, "values": {"M": {"age": {"B": "abc"}}}}]}}',
        b'{"UnprocessedKeys": {"churn.customer": {"Keys": [7301973]}}}',
    ],
)
def test_an_answer_that_is_none_is_a_503(
    body: bytes, environment: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_SECONDS)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        environment(f"http://127.0.0.1:{listener.getsockname()[1]}")
        refusal = run(refused(lookup_of(None).rows(PLAN, {"customer_id": [1]})))
        thread.join(PATIENCE_SECONDS)
    assert (refusal.status, refusal.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "features_unavailable")
    assert str(MARKER) not in caplog.text + refusal.message


def test_nobody_there_is_a_503(environment: Callable[[str], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment(f"http://127.0.0.1:{port}")
    refusal = run(refused(lookup_of(None).rows(PLAN, {"customer_id": [1]})))
    assert (refusal.status, refusal.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "features_unavailable")


def test_opening_reads_every_table_of_the_plan_with_the_real_client(
    feast: FeastStore, environment: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    environment()
    feast.put("customer")
    plan = feast.plan(column("customer:age"), column("shop:sales"))
    lookup = lookup_of(None)
    assert not lookup.open(plan)
    assert f"ResourceNotFoundException for {feast.project}.customer, {feast.project}.shop" in caplog.text
    feast.put("shop")
    assert lookup.open(plan)
