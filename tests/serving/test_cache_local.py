"""A worker's own memory: bounded by bytes, by time and by the share of one value."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.cache.local import LARGEST_SHARE, OVERHEAD_BYTES, LocalCache

MIB = 1024**2


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_value_is_kept_until_its_time_is_over(clock: Clock) -> None:
    cache = LocalCache[str](MIB, clock=clock)
    assert cache.put(b"a", "value", size_bytes=5, seconds=300)
    clock.now += 299.9
    assert cache.get(b"a") == "value"
    clock.now += 0.1
    assert cache.get(b"a") is None
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_what_was_not_used_for_longest_goes_first(clock: Clock) -> None:
    size_bytes = int(MIB * LARGEST_SHARE) - OVERHEAD_BYTES
    cache = LocalCache[int](MIB, clock=clock)
    for index in range(16):
        cache.put(b"%d" % index, index, size_bytes=size_bytes, seconds=300)
    assert cache.get(b"0") == 0
    cache.put(b"16", 16, size_bytes=size_bytes, seconds=300)
    assert cache.get(b"1") is None
    assert [cache.get(b"%d" % index) for index in (0, 2, 16)] == [0, 2, 16]


def test_a_value_that_would_push_out_many_others_is_not_kept(clock: Clock) -> None:
    cache = LocalCache[str](MIB, clock=clock)
    cache.put(b"a", "small", size_bytes=5, seconds=300)
    assert not cache.put(b"b", "large", size_bytes=int(MIB * LARGEST_SHARE), seconds=300)
    assert cache.get(b"a") == "small"
    # Nor may the value before it be taken for it.
    assert not cache.put(b"a", "large", size_bytes=int(MIB * LARGEST_SHARE), seconds=300)
    assert cache.get(b"a") is None


def test_a_value_put_again_counts_once_and_lives_anew(clock: Clock) -> None:
    cache = LocalCache[str](MIB, clock=clock)
    cache.put(b"a", "first", size_bytes=100, seconds=300)
    clock.now += 200
    cache.put(b"a", "second", size_bytes=50, seconds=300)
    clock.now += 200
    assert cache.get(b"a") == "second"
    assert cache.size_bytes == 50 + OVERHEAD_BYTES


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 200_000)), max_size=200))
def test_the_bound_holds_whatever_is_put(puts: list[tuple[int, int]]) -> None:
    cache = LocalCache[int](MIB)
    for key, size_bytes in puts:
        cache.put(b"%d" % key, size_bytes, size_bytes=size_bytes, seconds=300)
        kept = [found for index in range(31) if (found := cache.get(b"%d" % index)) is not None]
        assert cache.size_bytes == sum(kept) + len(kept) * OVERHEAD_BYTES <= MIB


def test_the_memory_that_is_counted_is_the_memory_that_is_taken() -> None:
    cache = LocalCache[tuple[int, bytes, list[int]]](64 * MIB)
    tracemalloc.start()
    try:
        for index in range(20_000):
            body = b"%0400d" % index
            cache.put(b"%032d" % index, (200, body, []), size_bytes=len(body), seconds=300)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.7 < taken / cache.size_bytes <= 1
