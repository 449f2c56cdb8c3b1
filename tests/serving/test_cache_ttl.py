"""Records kept for a while: fresh, renewed behind the reader's back, and kept when their source is away."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter

import pytest

from serving.cache.sealed import Unsealed
from serving.cache.store import Lookup
from serving.cache.ttl import JITTER, Held, Lifetimes, NotLoaded, Shared, TtlCache
from tests.serving.redis_process import run, until
from tests.serving.test_cache_responses import Clock, Memory

TIMES = Lifetimes(fresh=300, stale=300, missing=10, retry=1, load=0.05)


class Source:
    """Records by name; counts how often each is read, and fails or hangs as told."""

    def __init__(self, **records: str) -> None:
        self.records = records
        self.reads: Counter[str] = Counter()
        self.failure: Exception | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    async def __call__(self, key: str) -> str | None:
        self.reads[key] += 1
        await self.answering.wait()
        if self.failure is not None:
            raise self.failure
        return self.records.get(key)


def new_cache(source: Source, clock: Clock, **options: object) -> TtlCache[str, str]:
    return TtlCache(source, **{"lifetimes": TIMES, "clock": clock, **options})  # type: ignore[arg-type]


def test_a_record_is_read_once_while_it_is_fresh() -> None:
    async def scene() -> None:
        source, clock = Source(a="one"), Clock()
        cache = new_cache(source, clock)
        assert cache.held("a") is None
        assert await cache.get("a") == "one"
        clock.now += 300 * (1 - JITTER) - 1
        assert await cache.get("a") == "one"
        assert cache.held("a") == Held("one")
        assert source.reads == {"a": 1}

    run(scene())


def test_readers_at_once_share_one_reading_and_one_who_leaves_does_not_end_it() -> None:
    async def scene() -> None:
        source = Source(a="one")
        source.answering.clear()
        cache = new_cache(source, Clock())
        readers = [asyncio.ensure_future(cache.get("a")) for _ in range(5)]
        await until(lambda: source.reads["a"])
        readers[0].cancel()
        source.answering.set()
        assert await asyncio.gather(*readers[1:]) == ["one"] * 4
        assert source.reads == {"a": 1}

    run(scene())


def test_a_stale_record_is_answered_at_once_and_read_anew_meanwhile() -> None:
    async def scene() -> None:
        source, clock = Source(a="one"), Clock()
        cache = new_cache(source, clock)
        await cache.get("a")
        source.records["a"] = "two"
        clock.now += 301
        assert cache.held("a") == Held("one")
        assert cache.held("a") == Held("one")
        await until(lambda: cache.held("a") == Held("two"))
        assert source.reads == {"a": 2}

    run(scene())


def test_a_record_older_than_that_is_waited_for() -> None:
    async def scene() -> None:
        source, clock = Source(a="one"), Clock()
        cache = new_cache(source, clock)
        await cache.get("a")
        source.records["a"] = "two"
        clock.now += 601
        assert await cache.get("a") == "two"

    run(scene())


def test_that_there_is_no_record_is_believed_for_a_short_time() -> None:
    async def scene() -> None:
        source, clock = Source(), Clock()
        cache = new_cache(source, clock)
        assert await cache.get("a") is None
        assert cache.held("a") == Held(None)
        clock.now += 8
        assert await cache.get("a") is None
        assert source.reads == {"a": 1}
        source.records["a"] = "one"
        clock.now += 3
        assert await cache.get("a") == "one"

    run(scene())


@pytest.mark.parametrize("older_seconds", [301, 601, 86_400])
def test_while_the_source_is_away_what_was_read_last_stays(
    older_seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        source, clock = Source(a="one"), Clock()
        cache = new_cache(source, clock)
        await cache.get("a")
        source.failure = RuntimeError("marker-7f3a")
        clock.now += older_seconds
        assert await cache.get("a") == "one"
        await until(lambda: not cache.reading)
        reads = source.reads["a"]
        # Until the next try is due, nobody asks the source; then one does, and still nobody waits for it.
        assert cache.held("a") == Held("one")
        clock.now += 1.1
        assert cache.held("a") == Held("one")
        await until(lambda: source.reads["a"] == reads + 1 and not cache.reading)
        source.failure, source.records["a"] = None, "two"
        clock.now += 1.1
        assert cache.held("a") == Held("one")
        await until(lambda: cache.held("a") == Held("two"))

    with caplog.at_level(logging.WARNING):
        run(scene())
    assert [record.getMessage() for record in caplog.records] == [
        "records cannot be read, what was read last stays: RuntimeError",
        "records can be read again",
    ]


def test_a_record_that_never_could_be_read_says_so_and_is_not_tried_again_at_once() -> None:
    async def scene() -> None:
        source, clock = Source(a="one"), Clock()
        source.failure = RuntimeError("away")
        cache = new_cache(source, clock)
        for _ in range(3):
            with pytest.raises(NotLoaded):
                await cache.get("a")
        assert source.reads == {"a": 1}
        source.failure = None
        clock.now += 1.1
        assert await cache.get("a") == "one"

    run(scene())


def test_a_source_that_hangs_counts_as_away() -> None:
    async def scene() -> None:
        source = Source(a="one")
        source.answering.clear()
        with pytest.raises(NotLoaded):
            await new_cache(source, Clock()).get("a")

    run(scene())


def test_what_was_not_read_for_longest_is_forgotten_first() -> None:
    async def scene() -> None:
        source = Source(a="1", b="2", c="3")
        cache = new_cache(source, Clock(), max_records=2)
        for key in ("a", "b", "a", "c"):
            await cache.get(key)
        assert len(cache) == 2
        assert cache.held("b") is None
        assert cache.held("a") == Held("1")

    run(scene())


def shared_by(store: Memory) -> Shared[str, str]:
    return Shared(store=store, name=lambda key: b"record:" + key.encode(), encode=str.encode, decode=bytes.decode)


def test_what_one_pod_read_another_takes_with_the_time_it_has_left() -> None:
    async def scene() -> None:
        store, clock = Memory(), Clock()
        first, second = Source(a="one"), Source(a="never read")
        await new_cache(first, clock, shared=shared_by(store)).get("a")
        store.seconds_left = 100
        cache = new_cache(second, clock, shared=shared_by(store))
        assert await cache.get("a") == "one"
        assert second.reads == {}
        store.kept.clear()
        clock.now += 101
        assert cache.held("a") == Held("one")
        await until(lambda: cache.held("a") == Held("never read"))

    run(scene())


@pytest.mark.parametrize("lookup", [None, Lookup(None, asked=False), Lookup(Unsealed(b"\xff", 100))])
def test_a_store_that_is_passed_by_or_holds_nonsense_is_as_good_as_none(lookup: Lookup | None) -> None:
    async def scene() -> None:
        store, source = Memory(), Source(a="one")
        store.answers = lambda _: lookup
        cache = new_cache(source, Clock(), shared=shared_by(store))
        assert await cache.get("a") == "one"
        assert source.reads == {"a": 1}

    run(scene())


def test_closing_ends_what_is_being_read() -> None:
    async def scene() -> None:
        source = Source(a="one")
        source.answering.clear()
        cache = new_cache(source, Clock())
        reader = asyncio.ensure_future(cache.get("a"))
        await until(lambda: source.reads["a"])
        await cache.close()
        assert not cache.reading
        with pytest.raises(NotLoaded):
            await reader

    run(scene())
