"""A feature store in a bad mood: slow, throttled, silent, away; what its callers are told, and what they are spared."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from serving.features import store
from serving.features.breaker import Breaker
from serving.features.plan import Plan
from serving.features.settings import TABLE_NAME_TEMPLATE
from serving.messages import Refused
from serving.model import Array
from tests.serving import feast_items
from tests.serving.conftest import CREDENTIALS
from tests.serving.feast_items import column, double
from tests.serving.feast_store import PATIENCE_SECONDS, Counted, FeastStore, lookup_of, refused, run

SHORT_MS = 100
MARKER = 7_301_973


@pytest.fixture
def feast(endpoint: str) -> FeastStore:
    return FeastStore(endpoint)


@pytest.fixture
def environment(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def point_at(url: str = endpoint) -> None:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)

    return point_at


class Stub:
    """A client that answers what it is told to, in turn, the last one for ever: keys left over, or an error."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[list[str]] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
        ((table, request),) = RequestItems.items()
        keys = request["Keys"]
        self.asked.append([key["entity_id"]["S"] for key in keys])
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        taken = keys[: len(keys) - answer]
        found = [{**key, "values": {"M": {"age": {"B": double(5)}}}} for key in taken]
        return {"Responses": {table: found}, "UnprocessedKeys": {table: {"Keys": keys[len(taken) :]}}}


PLAN = Plan(feast_items.features("churn", column("customer:age")), "FP64", TABLE_NAME_TEMPLATE)


def client_error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": str(MARKER)}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "BatchGetItem",
    )


def test_keys_that_the_store_leaves_over_are_asked_for_again() -> None:
    stub = Stub(2, 1, 0)
    rows = run(lookup_of(lambda: stub).rows(PLAN, {"customer_id": [1, 2, 3]}))
    assert rows.tolist() == [[5]] * 3
    assert [len(keys) for keys in stub.asked] == [3, 2, 1]
    assert stub.asked[1] == stub.asked[0][1:]


@pytest.mark.parametrize(
    "passing",
    [
        client_error("ProvisionedThroughputExceededException", 400),
        client_error("ThrottlingException", 400),
        client_error("InternalServerError", 500),
        ConnectionClosedError(endpoint_url="http://127.0.0.1"),
    ],
    ids=repr,
)
def test_a_call_that_fails_in_passing_is_made_again(passing: Exception) -> None:
    stub = Stub(passing, 0)
    assert run(lookup_of(lambda: stub).rows(PLAN, {"customer_id": [1]})).tolist() == [[5]]
    assert len(stub.asked) == 2


@pytest.mark.parametrize("answer", [1, client_error("ThrottlingException", 400)], ids=["left over", "throttled"])
def test_a_store_that_never_gets_to_it_is_a_503_within_the_deadline(answer: int | Exception) -> None:
    stub, counted = Stub(answer), Counted()
    started = time.monotonic()
    refusal = run(
        refused(lookup_of(lambda: stub, deadline_ms=SHORT_MS, counted=counted).rows(PLAN, {"customer_id": [1]}))
    )
    assert time.monotonic() - started < 10 * SHORT_MS / 1000
    assert (refusal.status, refusal.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "features_unavailable")
    assert refusal.headers == [(b"retry-after", b"1")]
    assert "within 100 ms" in refusal.message
    assert counted.outcomes == ["features_unavailable"]
    # The pauses grow: not as many calls as fit.
    assert 2 <= len(stub.asked) <= 6


def test_a_table_that_is_not_there_is_told_by_name_and_does_not_stop_other_models(
    feast: FeastStore, caplog: pytest.LogCaptureFixture
) -> None:
    feast.put("shop", feast_items.item({"shop_id": "a"}, {"sales": double(3)}))
    lookup = lookup_of(lambda: feast.client)

    async def test() -> Array:
        for _ in range(12):
            refusal = await refused(lookup.rows(feast.plan(column("customer:age")), {"customer_id": [MARKER]}))
            assert (refusal.status, refusal.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "features_unavailable")
        return await lookup.rows(feast.plan(column("shop:sales")), {"shop_id": ["a"]})

    assert run(test()).tolist() == [[3]]
    assert [record.getMessage() for record in caplog.records if record.name == store.__name__] == [
        f"the online store did not answer: ResourceNotFoundException for {feast.project}.customer"
    ]
    assert str(MARKER) not in caplog.text


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


def test_a_store_that_comes_back_is_asked_again_after_the_pause(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    # What is no answer at all ends the request at once: each is one call.
    away, back = Stub(OSError(str(MARKER))), Stub(0)
    current = away
    breaker = Breaker(failures=3, pause_seconds=2, clock=lambda: now)

    class Either:
        def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
            return current.batch_get_item(RequestItems=RequestItems)

    lookup = lookup_of(Either, breaker=breaker)

    async def test() -> None:
        nonlocal now, current
        for _ in range(5):
            await refused(lookup.rows(PLAN, {"customer_id": [1]}))
        assert len(away.asked) == 3
        now += 2
        for _ in range(2):
            await refused(lookup.rows(PLAN, {"customer_id": [1]}))
        assert len(away.asked) == 4, "one request in each pause tries"
        now, current = now + 2, back
        for _ in range(3):
            assert (await lookup.rows(PLAN, {"customer_id": [1]})).tolist() == [[5]]

    run(test())
    assert len(back.asked) == 3
    assert "answers again" in caplog.text
    assert str(MARKER) not in caplog.text


def test_requests_do_not_pile_up_before_a_slow_store() -> None:
    release, entered = threading.Event(), threading.Semaphore(0)

    class Slow(Stub):
        def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
            entered.release()
            release.wait(PATIENCE_SECONDS)
            return super().batch_get_item(RequestItems=RequestItems)

    slow = Slow(0)
    lookup = lookup_of(lambda: slow, threads=1)

    async def test() -> tuple[Refused, list[Array]]:
        waiting = [
            asyncio.ensure_future(lookup.rows(PLAN, {"customer_id": [n]})) for n in range(1 + store.WAITING_PER_THREAD)
        ]
        await asyncio.to_thread(entered.acquire)
        one_more = await refused(lookup.rows(PLAN, {"customer_id": [1]}))
        # A request that is given up makes room.
        waiting.pop().cancel()
        await asyncio.sleep(0)
        waiting.append(asyncio.ensure_future(lookup.rows(PLAN, {"customer_id": [2]})))
        await asyncio.sleep(0)
        release.set()
        return one_more, await asyncio.gather(*waiting)

    one_more, answers = run(test())
    assert (one_more.status, one_more.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "features_overloaded")
    assert one_more.headers == [(b"retry-after", b"1")]
    assert [rows.tolist() for rows in answers] == [[[5]]] * (1 + store.WAITING_PER_THREAD)


def test_one_request_of_many_keys_does_not_fill_the_queue() -> None:
    stub = Stub(0)
    lookup = lookup_of(lambda: stub, threads=1)
    rows = run(lookup.rows(PLAN, {"customer_id": list(range(100 * (store.WAITING_PER_THREAD + 5)))}))
    assert rows.shape == (2100, 1)
    assert {len(keys) for keys in stub.asked} == {100}


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


def test_no_client_is_made_before_a_model_needs_one_and_only_one_then() -> None:
    made: list[Stub] = []

    def make() -> Stub:
        made.append(Stub(0))
        return made[-1]

    lookup = lookup_of(make)
    plan = lookup.plan(PLAN.features, "FP64")
    assert made == []
    assert lookup.open(plan)
    run(lookup.rows(plan, {"customer_id": [1]}))
    assert len(made) == 1


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


def test_failures_of_one_kind_are_logged_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    lookup = lookup_of(lambda: Stub(OSError()), breaker=Breaker(failures=1000))

    async def test() -> None:
        for _ in range(20):
            await refused(lookup.rows(PLAN, {"customer_id": [1]}))

    with caplog.at_level(logging.DEBUG, store.__name__):
        run(test())
    assert len([record for record in caplog.records if record.name == store.__name__]) == 1


def test_a_request_that_is_given_up_counts_as_abandoned() -> None:
    counted, entered, release = Counted(), threading.Event(), threading.Event()

    class Slow(Stub):
        def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:
            entered.set()
            release.wait(PATIENCE_SECONDS)
            return super().batch_get_item(RequestItems=RequestItems)

    async def test() -> None:
        request = asyncio.ensure_future(lookup_of(lambda: Slow(0), counted=counted).rows(PLAN, {"customer_id": [1]}))
        await asyncio.to_thread(entered.wait, PATIENCE_SECONDS)
        request.cancel()
        await asyncio.wait([request])
        release.set()

    run(test())
    assert counted.outcomes == ["abandoned"]
