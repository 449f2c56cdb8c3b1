"""Answers kept by content: what tells requests apart, which answers are kept, and that identical ones compute once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cache.local import LocalCache
from serving.cache.responses import ResponseCache
from serving.cache.sealed import Unsealed
from serving.cache.store import MISSED, PASSED_BY, Lookup, Store
from serving.messages import Refused, Response
from tests.serving.cache_counts import Counts
from tests.serving.redis_process import run

MIB = 1024**2
GOOD = Response(HTTPStatus.OK, b'{"predictions":[1]}', [])
BINARY = Response(HTTPStatus.OK, b"\x00\xff", [(b"inference-header-content-length", b"1")], b"application/octet-stream")


class Memory:
    """A store of sealed payloads in this process."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.seconds_left = 300.0
        self.answers: Callable[[Lookup], Lookup | None] = lambda lookup: lookup

    def get(self, name: bytes) -> Awaitable[Lookup] | None:
        payload = self.kept.get(name)
        lookup = self.answers(MISSED if payload is None else Lookup(Unsealed(payload, self.seconds_left)))
        if lookup is None:
            return None
        asked: asyncio.Future[Lookup] = asyncio.get_running_loop().create_future()
        asked.get_loop().call_soon(asked.set_result, lookup)
        return asked

    def put(self, name: bytes, payload: bytes, seconds: float) -> bool:
        self.kept[name] = payload
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def counts() -> Counts:
    return Counts()


def new_cache(counts: Counts, shared: Store | None = None, clock: Clock | None = None, **changes: str) -> ResponseCache:
    local = LocalCache[Response](MIB, clock=clock or Clock())
    return ResponseCache(local, shared, counts, **{"namespace": "models", "seconds": 300, **changes})  # type: ignore[arg-type]


PARTS = st.tuples(st.text(), st.text(), st.binary(), st.binary())


@given(PARTS, PARTS)
def test_requests_have_one_key_exactly_when_they_are_the_same(
    one: tuple[str, str, bytes, bytes], other: tuple[str, str, bytes, bytes]
) -> None:
    cache, again = new_cache(Counts()), new_cache(Counts())
    assert (cache.key(*one) == again.key(*other)) == (one == other)
    assert cache.key(*one) == again.key(*one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("churn", "1.0.0", b"predict", b"[1]"), ("churn", "1.0.1", b"predict", b"[1]")),
        (("churn", "1.0.0", b"predict", b"[1]"), ("churn", "1.0.0", b"predic", b"t[1]")),
        (("churn1", ".0.0", b"predict", b"[1]"), ("churn", "1.0.0", b"predict", b"[1]")),
    ],
)
def test_the_parts_of_a_key_do_not_run_into_each_other(
    one: tuple[str, str, bytes, bytes], other: tuple[str, str, bytes, bytes]
) -> None:
    cache = new_cache(Counts())
    assert cache.key(*one) != cache.key(*other)


def test_two_services_in_one_redis_do_not_meet() -> None:
    request = ("churn", "1.0.0", b"predict", b"[1]")
    assert new_cache(Counts(), namespace="a").key(*request) != new_cache(Counts(), namespace="b").key(*request)


@pytest.mark.parametrize("response", [GOOD, BINARY])
def test_a_good_answer_is_kept_as_it_is_until_its_time_is_over(counts: Counts, response: Response) -> None:
    clock = Clock()
    cache = new_cache(counts, clock=clock)
    assert cache.local(b"key") is None
    cache.put(b"key", response)
    assert cache.local(b"key") == response
    assert cache.get(b"key") is None
    clock.now += 300
    assert cache.local(b"key") is None
    assert counts.seen == {"local miss": 2, "local hit": 1}


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_no_other_answer_is_kept(counts: Counts, status: int) -> None:
    store = Memory()
    cache = new_cache(counts, store)
    cache.put(b"key", GOOD._replace(status=status))
    assert cache.local(b"key") is None
    assert store.kept == {}


def test_an_answer_too_large_for_this_worker_is_counted_and_left_out(counts: Counts) -> None:
    cache = new_cache(counts)
    cache.put(b"key", GOOD._replace(body=b"1" * MIB))
    assert cache.local(b"key") is None
    assert counts.seen["local bypass"] == 1


@pytest.mark.parametrize("response", [GOOD, BINARY])
def test_what_one_worker_computed_another_finds_and_then_has_itself(counts: Counts, response: Response) -> None:
    async def scene() -> None:
        store, clock = Memory(), Clock()
        new_cache(Counts(), store).put(b"key", response)
        store.seconds_left = 100
        cache = new_cache(counts, store, clock)
        asked = cache.get(b"key")
        assert asked is not None
        assert await asked == response
        assert cache.local(b"key") == response
        # For no longer than it lives there.
        clock.now += 100
        assert cache.local(b"key") is None

    run(scene())
    assert counts.seen == {"redis hit": 1, "local hit": 1, "local miss": 1}


@pytest.mark.parametrize(
    "payload", [b"", b"\xc1", b"\x01", b"\x94\x01\x02\x03\x04", b"\x94\xcd\x01\xf4\xc4\x00\x90\xc4\x00"]
)
def test_a_payload_that_is_no_good_answer_is_a_miss(counts: Counts, payload: bytes) -> None:
    async def scene() -> None:
        store = Memory()
        store.kept[b"key"] = payload
        asked = new_cache(counts, store).get(b"key")
        assert asked is not None
        assert await asked is None

    run(scene())
    assert counts.seen == {"redis miss": 1}


@pytest.mark.parametrize("lookup", [None, PASSED_BY])
def test_a_store_that_is_passed_by_is_counted_as_such(counts: Counts, lookup: Lookup | None) -> None:
    async def scene() -> None:
        store = Memory()
        store.answers = lambda _: lookup
        answer = new_cache(counts, store).answer(b"key", lambda: GOOD)
        assert (answer if isinstance(answer, Response) else await answer) == GOOD

    run(scene())
    assert counts.seen == {"local miss": 1, "redis bypass": 1}


def test_an_answer_is_computed_once_and_then_given_at_once(counts: Counts) -> None:
    async def scene() -> None:
        cache = new_cache(counts)
        assert cache.answer(b"key", lambda: GOOD) is GOOD
        assert cache.answer(b"key", never) is GOOD

    run(scene())
    assert counts.seen == {"local miss": 1, "local hit": 1}


def never() -> Response:
    raise AssertionError("computed again")


class Slow:
    """A computation that ends when it is told to."""

    def __init__(self) -> None:
        self.started = 0
        self.result: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def __call__(self) -> Awaitable[Response]:
        self.started += 1
        return asyncio.shield(self.result)


async def awaited(answer: Response | Awaitable[Response]) -> Response:
    return answer if isinstance(answer, Response) else await answer


@pytest.mark.parametrize("store", [None, Memory()])
def test_identical_requests_at_once_compute_once(counts: Counts, store: Memory | None) -> None:
    async def scene() -> None:
        clock = Clock()
        cache, slow = new_cache(counts, store, clock), Slow()
        asked = [asyncio.ensure_future(awaited(cache.answer(b"key", slow))) for _ in range(5)]
        other = asyncio.ensure_future(awaited(cache.answer(b"other", lambda: BINARY)))
        assert await other == BINARY
        slow.result.set_result(GOOD)
        assert await asyncio.gather(*asked) == [GOOD] * 5
        assert slow.started == 1
        assert cache.local(b"key") == GOOD
        # Once that is over it is computed again, not taken from what was once under way.
        clock.now += 300
        if store is not None:
            store.kept.clear()
        assert await awaited(cache.answer(b"key", lambda: BINARY)) == BINARY

    run(scene())
    assert counts.seen["flight hit"] == 4


def test_who_waited_computes_itself_when_the_first_fails(counts: Counts) -> None:
    async def scene() -> None:
        cache, slow = new_cache(counts), Slow()
        first = asyncio.ensure_future(awaited(cache.answer(b"key", slow)))
        second = asyncio.ensure_future(awaited(cache.answer(b"key", lambda: GOOD)))
        await asyncio.sleep(0)
        slow.result.set_exception(Refused(HTTPStatus.BAD_REQUEST, "invalid", "not so"))
        with pytest.raises(Refused):
            await first
        assert await second == GOOD
        assert cache.answer(b"key", never) == GOOD

    run(scene())


@pytest.mark.parametrize("steps", [0, 3])
def test_who_waited_computes_itself_when_the_first_hangs_up(counts: Counts, steps: int) -> None:
    async def scene() -> None:
        cache, slow = new_cache(counts), Slow()
        first = cache.answer(b"key", slow)
        assert isinstance(first, asyncio.Future)
        second = asyncio.ensure_future(awaited(cache.answer(b"key", lambda: GOOD)))
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
        assert await second == GOOD

    run(scene())


def test_who_hangs_up_while_waiting_for_the_first_ends_nothing(counts: Counts) -> None:
    async def scene() -> None:
        cache, slow = new_cache(counts), Slow()
        first = asyncio.ensure_future(awaited(cache.answer(b"key", slow)))
        second = asyncio.ensure_future(awaited(cache.answer(b"key", never)))
        await asyncio.sleep(0)
        second.cancel()
        slow.result.set_result(GOOD)
        assert await first == GOOD

    run(scene())


def test_a_refusal_while_computing_at_once_reaches_the_caller(counts: Counts) -> None:
    def refuse() -> Response:
        raise Refused(HTTPStatus.BAD_REQUEST, "invalid", "not so")

    with pytest.raises(Refused):
        new_cache(counts).answer(b"key", refuse)
