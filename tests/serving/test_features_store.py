"""A feature store that is slow, throttled or fails: what its callers are told, and what they are spared."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from http import HTTPStatus
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from serving.features import store
from serving.features.breaker import Breaker
from serving.messages import Refused
from serving.model import Array
from tests.serving import feast_items
from tests.serving.feast_items import column, double
from tests.serving.feast_store import PATIENCE_SECONDS, Counted, FeastStore, lookup_of, refused, run
from tests.serving.feast_stub import MARKER, PLAN, SHORT_MS, Stub, client_error


@pytest.fixture
def feast(endpoint: str) -> FeastStore:
    return FeastStore(endpoint)


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
