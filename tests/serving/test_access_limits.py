"""Rate limits: what a bucket lets through, in one process, in several at once, and after one was killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.access import limits, memory
from serving.access.limits import Limit, RateLimits, per_minute

WORKERS = 4


def one_worker() -> RateLimits:
    return RateLimits(memory.create(1, keys=64), 0)


def workers(count: int, *, keys: int = 64) -> list[RateLimits]:
    shared = memory.create(count, keys=keys)
    return [RateLimits(shared, number) for number in range(count)]


def most_in_any_span(times: list[float], limit: Limit, *, slack: int = 0) -> None:
    """Assert the promised bound for every span that begins and ends with a request that passed."""
    for first, begin in enumerate(times):
        for last in range(first, len(times)):
            minutes = (times[last] - begin) / 60
            # 1e-9: the test's own division rounds.
            assert last - first + 1 <= limit.burst + limit.requests_per_minute * minutes + slack + 1e-9


def test_a_minute_s_requests_pass_at_once_and_the_next_is_told_when_to_come_back() -> None:
    bucket, limit = one_worker(), per_minute(100)
    decisions = [bucket.check("k", limit, 1000.0) for _ in range(101)]
    assert [decision.remaining for decision in decisions] == [*range(99, -1, -1), 0]
    assert [decision.allowed for decision in decisions] == [True] * 100 + [False]
    assert decisions[0].reset_seconds == 1
    assert decisions[-1] == (False, 100, 0, 1, 60)
    assert not bucket.check("k", limit, 1000.599).allowed
    assert bucket.check("k", limit, 1000.6).allowed


def test_waiting_as_long_as_told_is_enough() -> None:
    bucket, limit = one_worker(), Limit(requests_per_minute=7, burst=2)
    now = 50.0
    for _ in range(20):
        decision = bucket.check("k", limit, now)
        now += decision.retry_after_seconds
        if not decision.allowed:
            assert bucket.check("k", limit, now).allowed


def test_a_bucket_left_alone_is_full_after_the_reset_and_never_more_than_full() -> None:
    bucket, limit = one_worker(), Limit(requests_per_minute=60, burst=5)
    for _ in range(5):
        last = bucket.check("k", limit, 0.0)
    for now in (last.reset_seconds, 1e6):
        assert [bucket.check("k", limit, now).allowed for _ in range(6)] == [True] * 5 + [False]


def test_keys_do_not_touch_each_other() -> None:
    bucket = one_worker()
    assert bucket.check("a", per_minute(1), 0.0).allowed
    assert not bucket.check("a", per_minute(1), 0.0).allowed
    assert bucket.check("b", per_minute(1), 0.0).allowed


def test_a_refused_request_costs_nothing() -> None:
    bucket, limit = one_worker(), Limit(requests_per_minute=60, burst=1)
    bucket.check("k", limit, 0.0)
    for _ in range(1000):
        assert not bucket.check("k", limit, 0.5).allowed
    assert bucket.check("k", limit, 1.0).allowed


def test_a_rate_that_does_not_divide_a_minute_is_rounded_down() -> None:
    bucket, limit = one_worker(), Limit(requests_per_minute=7, burst=1)  # one in 8.57142857142... s
    bucket.check("k", limit, 0.0)
    assert not bucket.check("k", limit, 8.5714285715).allowed
    assert bucket.check("k", limit, 8.5714285725).allowed


def test_a_changed_limit_counts_at_once_and_keeps_what_was_spent() -> None:
    bucket = one_worker()
    for _ in range(10):
        bucket.check("k", per_minute(60), 0.0)
    assert not bucket.check("k", Limit(requests_per_minute=60, burst=10), 0.0).allowed
    assert bucket.check("k", per_minute(120), 0.0).remaining == 99


def test_of_two_buckets_none_is_charged_unless_both_let_the_request_pass() -> None:
    bucket, key, model = one_worker(), per_minute(100), per_minute(1)
    asked = [("key", key), ("model", model)]
    assert bucket.check_all(asked, 0.0) == (True, 1, 0, 0, 60)
    refused = bucket.check_all(asked, 0.0)
    assert (refused.allowed, refused.limit, refused.retry_after_seconds) == (False, 1, 60)
    assert bucket.check("key", key, 0.0).remaining == 98
    with pytest.raises(ValueError, match="no bucket"):
        bucket.check_all([], 0.0)


@pytest.mark.parametrize("figures", [(0, 1), (1, 0), (-5, 5)])
def test_a_limit_that_lets_nothing_through_is_a_mistake(figures: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Limit(*figures)


def test_a_worker_without_a_table_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="made for 2"):
        RateLimits(memory.create(2), 2)
    with pytest.raises(ValueError, match="0 workers"):
        memory.create(0)


steps = st.lists(
    st.tuples(st.integers(0, WORKERS - 1), st.sampled_from([0.0, 0.001, 0.3, 1.0, 7.5, 60.0]), st.integers(1, 8)),
    max_size=60,
)
limit_values = st.builds(Limit, st.integers(1, 600), st.integers(1, 12))


@settings(max_examples=200, deadline=None)
@given(steps, limit_values)
def test_workers_that_take_turns_are_together_as_exact_as_one(
    turns: list[tuple[int, float, int]], limit: Limit
) -> None:
    several, alone = workers(WORKERS), one_worker()
    now, passed = 1000.0, list[float]()
    for worker, pause, requests in turns:
        now += pause
        for _ in range(requests):
            decision = several[worker].check("k", limit, now)
            assert decision == alone.check("k", limit, now)
            passed += [now] * decision.allowed
    most_in_any_span(passed, limit)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(-0.5, 0.5), st.integers(0, 1)), max_size=80), limit_values)
def test_clocks_read_late_never_let_more_pass(turns: list[tuple[float, int]], limit: Limit) -> None:
    pair, times = workers(2), list[float]()
    for number, (late, worker) in enumerate(turns):
        now = 1000.0 + number * 0.1 + late
        if pair[worker].check("k", limit, now).allowed:
            times.append(now)
    most_in_any_span(sorted(times), limit)


def in_processes(work: Callable[[int], None], count: int = WORKERS) -> list[int]:
    """Run `work(number)` in forked children, as the supervisor has them; their exit codes."""
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=work, args=(number,)) for number in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    return [child.exitcode or 0 for child in children]


def test_processes_at_once_stay_within_the_stated_bound() -> None:
    shared = memory.create(WORKERS, keys=64)
    limit = Limit(requests_per_minute=60_000, burst=200)
    context = multiprocessing.get_context("fork")
    barrier, passed = context.Barrier(WORKERS), context.SimpleQueue()

    def work(number: int) -> None:
        own, times = RateLimits(shared, number), list[float]()
        barrier.wait(10)
        end = time.monotonic() + 0.5
        while (now := time.monotonic()) < end:
            if own.check("k", limit, now).allowed:
                times.append(now)
        passed.put(times)

    reader = threading.Thread(target=lambda: collected.extend(passed.get() for _ in range(WORKERS)))
    collected: list[list[float]] = []
    reader.start()
    assert in_processes(work) == [0] * WORKERS
    reader.join(10)
    times = sorted(time for of_one in collected for time in of_one)
    seconds = times[-1] - times[0]
    assert all(collected)
    most_in_any_span(times, limit, slack=WORKERS - 1)
    # Nor does it refuse what is due; half, for a machine too busy to ask all the time.
    assert len(times) >= limit.burst + 1000 * seconds / 2


def test_a_race_for_the_last_requests_lets_at_most_one_more_pass_for_each_other_worker() -> None:
    limit = Limit(requests_per_minute=1, burst=3)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads change places at nearly every step: races that processes have rarely
    try:
        for _ in range(100):
            several, barrier, passed = workers(WORKERS), threading.Barrier(WORKERS), list[bool]()

            def ask(own: RateLimits, barrier: threading.Barrier = barrier, passed: list[bool] = passed) -> None:
                barrier.wait(10)
                passed.extend(own.check("k", limit, 5.0).allowed for _ in range(5))

            threads = [threading.Thread(target=ask, args=(own,)) for own in several]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
            assert limit.burst <= sum(passed) <= limit.burst + WORKERS - 1
            assert not any(own.check("k", limit, 5.0).allowed for own in several)
    finally:
        sys.setswitchinterval(before)


def test_a_killed_worker_blocks_nobody_and_its_successor_goes_on_with_its_count() -> None:
    shared = memory.create(2, keys=64)
    limit = Limit(requests_per_minute=1, burst=50)

    def work(number: int) -> None:
        own = RateLimits(shared, number)
        for _ in range(30):
            own.check("k", limit, 5.0)
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_processes(work, 1) == [-signal.SIGKILL]
    neighbour, successor = RateLimits(shared, 1), RateLimits(shared, 0)
    assert neighbour.check("k", limit, 5.0).remaining == 19
    assert successor.check("k", limit, 5.0).remaining == 18
    assert neighbour.check("k", limit, 5.0).remaining == 17


def test_memory_is_bounded_and_full_buckets_make_room_first() -> None:
    (own,) = workers(1, keys=memory.WAYS)
    limit = Limit(requests_per_minute=60, burst=5)
    for _ in range(5):
        own.check("busy", limit, 1000.0)
    for number in range(500):
        own.check(f"k{number}", limit, 900.0)
        assert own.check("busy", limit, 1000.0).allowed is False
    assert own.forgotten == 500 - (memory.WAYS - 1)


def test_making_room_among_full_buckets_forgets_nothing() -> None:
    (own,) = workers(1, keys=memory.WAYS)
    for number in range(500):
        assert own.check(f"k{number}", per_minute(60), float(number * 60)).remaining == 59
    assert own.forgotten == 0


def test_an_answer_says_how_much_is_left_and_a_refusal_when_to_come_back() -> None:
    bucket, limit = one_worker(), Limit(requests_per_minute=6, burst=1)
    assert limits.lines(bucket.check("k", limit, 0.0)) == (
        b"ratelimit-limit: 1\r\nratelimit-remaining: 0\r\nratelimit-reset: 10\r\n"
    )
    refused = limits.refusal(bucket.check("k", limit, 2.5))
    assert (refused.status, refused.code) == (HTTPStatus.TOO_MANY_REQUESTS, "rate_limited")
    assert refused.headers == [
        (b"ratelimit-limit", b"1"),
        (b"ratelimit-remaining", b"0"),
        (b"ratelimit-reset", b"8"),
        (b"retry-after", b"8"),
    ]
