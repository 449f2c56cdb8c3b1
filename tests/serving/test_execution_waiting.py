"""Who waits for a queued model and how long: what is refused at once, and how a wait is foreseen."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest

from serving.execution.cost import MEASURED_ROWS, Cost, Estimate
from serving.messages import Refused
from tests.serving.queues import Gated, doubled, queue_of, rows, run


def test_more_requests_than_may_wait_are_refused_at_once() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict, max_waiting_requests=2)
        answers = [queue.submit(rows(1)), queue.submit(rows(2))]
        with pytest.raises(Refused, match="2 requests") as refused:
            queue.submit(rows(3))
        assert (refused.value.status, refused.value.code) == (HTTPStatus.SERVICE_UNAVAILABLE, "overloaded")
        assert refused.value.headers == [(b"retry-after", b"1")]
        model.open()
        assert await doubled(answers) == [[2], [4]]
        assert await doubled([queue.submit(rows(3))]) == [[6]]

    run(test)


def test_a_request_that_would_wait_too_long_is_refused_and_an_empty_queue_refuses_nobody() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        # A run takes 60 s: alone it waits for nobody, behind another one too long.
        queue = queue_of(model.predict, cost=Cost(run_seconds=60, row_seconds=0), max_wait_ms=30_000)
        first = queue.submit(rows(1))
        await model.is_running()
        assert 50 < queue.wait_seconds <= 60
        with pytest.raises(Refused, match="30000 ms"):
            queue.submit(rows(2))
        model.open()
        assert await doubled([first]) == [[2]]
        assert await doubled([queue.submit(rows(2))]) == [[4]]

    run(test)


def test_behind_a_run_that_is_stuck_nobody_waits_longer_than_allowed() -> None:
    async def test() -> None:
        model = Gated(shut=True)
        queue = queue_of(model.predict, max_wait_ms=1)
        stuck = queue.submit(rows(1))
        await model.is_running()
        # Whoever asked has given up, and the thread is still busy with it.
        stuck.cancel()
        await asyncio.sleep(0)
        while queue.wait_seconds < 0.002:
            await asyncio.sleep(0)
        assert queue.depth == 0
        with pytest.raises(Refused):
            queue.submit(rows(2))
        model.open()

    run(test)


def test_the_wait_counts_the_full_runs_before_a_request_s_own() -> None:
    estimate = Estimate(Cost(run_seconds=0.010, row_seconds=0.001), rows_per_run=10)
    assert estimate.wait_seconds(9) == 0
    assert estimate.wait_seconds(10) == estimate.wait_seconds(19) == pytest.approx(0.020)
    assert estimate.wait_seconds(35) == pytest.approx(0.060)


def test_the_wait_follows_how_long_recent_runs_took_and_how_many_rows_could_be_joined() -> None:
    estimate = Estimate(Cost(run_seconds=0.010, row_seconds=0), rows_per_run=10)
    for _ in range(50):
        estimate.learn(10, 0.020, left_some=False)
    assert estimate.run_seconds(1) == pytest.approx(0.020, rel=0.01)
    assert estimate.wait_seconds(10) == pytest.approx(0.020, rel=0.01)
    for _ in range(50):
        estimate.learn(1, 0.020, left_some=False)
    # A short run that left nothing says nothing about how many could have been joined.
    assert estimate.wait_seconds(10) == pytest.approx(0.020, rel=0.01)
    for _ in range(50):
        estimate.learn(2, 0.020, left_some=True)
    assert estimate.wait_seconds(11) == pytest.approx(0.100, rel=0.01)


@pytest.mark.parametrize(("gain", "run_seconds", "row_seconds"), [(16, 1, 0), (1, 0, 1), (0.5, 0, 1), (40, 1, 0)])
def test_a_cost_is_made_of_two_measured_runs_and_never_negative(
    gain: float, run_seconds: float, row_seconds: float
) -> None:
    cost = Cost.measured(1, gain)
    assert (cost.run_seconds, cost.row_seconds) == pytest.approx((run_seconds, row_seconds))


def test_a_cost_gives_back_the_measured_runs() -> None:
    cost = Cost.measured(0.004, 4)
    assert cost.seconds(1, 1) == pytest.approx(0.004)
    assert cost.seconds(1, MEASURED_ROWS) == pytest.approx(MEASURED_ROWS * 0.004 / 4)


def test_a_cost_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="both must exceed 0"):
        Cost.measured(0, 1)
