"""Copies of answered requests: compared and counted, run behind the answers, and never in anybody's way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
import uvloop

from serving.engine.load import Load
from serving.messages import Refused
from serving.metrics import Metrics
from serving.model import InferenceFailed
from serving.shadow.copying import BUSY_SECONDS, busy_by
from serving.shadow.counts import MOST_DIFFERENCE
from tests.serving.shadows import (
    GIVEN,
    INPUTS,
    PATIENCE_SECONDS,
    SECRET,
    STABLE,
    FakeQueue,
    FakeVersion,
    Test,
    copies_of,
    counted,
    figure,
    until,
)


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Test], None]:
    def bounded(test: Test) -> None:
        async def within() -> None:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await test()

        request.param(within())

    return bounded


Run = Callable[[Test], None]


@pytest.mark.parametrize(("score", "outcome"), [(0.5, "agrees"), (0.501, "agrees"), (0.9, "differs")])
def test_an_answer_is_compared_with_the_one_that_was_given(run: Run, score: float, outcome: str) -> None:
    async def test() -> None:
        metrics = Metrics()
        shadow = FakeVersion(score=score)
        copies_of(metrics).offer(STABLE, shadow, INPUTS, GIVEN)
        await until(lambda: counted(metrics, outcome) == 1)
        assert shadow.runs == [INPUTS]
        assert figure(metrics, "model_shadow_duration_seconds_count") == 1
        assert figure(metrics, "model_shadow_difference_count") == 1
        difference = figure(metrics, "model_shadow_difference_sum")
        assert difference == pytest.approx(score - 0.5, abs=1e-6)

    run(test)


def test_an_infinite_difference_leaves_the_sum_a_number(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        copies_of(metrics).offer(STABLE, FakeVersion(score=float("nan")), INPUTS, GIVEN)
        await until(lambda: counted(metrics, "differs") == 1)
        assert figure(metrics, "model_shadow_difference_sum") == MOST_DIFFERENCE

    run(test)


def test_a_version_is_given_no_copies_of_what_it_answered_itself(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        shadow, other = FakeVersion(), FakeVersion("3.0.0")
        copies = copies_of(metrics)
        copies.offer(shadow, shadow, INPUTS, GIVEN)
        copies.offer(STABLE, other, INPUTS, GIVEN)
        await until(lambda: counted(metrics, "agrees", other.version) == 1)
        assert shadow.runs == []

    run(test)


@pytest.mark.parametrize("error", [InferenceFailed(f"bad {SECRET}"), KeyError(SECRET)])
def test_a_failing_version_is_counted_and_named_once_without_a_value(
    run: Run, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        metrics = Metrics()
        copies = copies_of(metrics)
        for _ in range(3):
            copies.offer(STABLE, FakeVersion(error=error), INPUTS, GIVEN)
        copies.offer(STABLE, FakeVersion("3.0.0"), INPUTS, GIVEN)
        await until(lambda: counted(metrics, "agrees", "3.0.0") == 1)
        assert counted(metrics, "failed") == 3
        assert figure(metrics, "model_shadow_duration_seconds_count") is None

    with caplog.at_level(logging.DEBUG):
        run(test)
    told = [record.getMessage() for record in caplog.records if record.name.startswith("serving")]
    assert len(told) == 1
    assert type(error).__name__ in told[0]
    assert str(SECRET) not in caplog.text


def test_an_answer_that_cannot_be_compared_counts_as_failed(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        shadow = FakeVersion()
        no_arrays: Any = {"score": [0.5]}
        copies_of(metrics).offer(STABLE, shadow, INPUTS, no_arrays)
        await until(lambda: counted(metrics, "failed") == 1)

    run(test)


def test_no_more_wait_than_allowed_and_the_rest_is_dropped(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        shadow = FakeVersion()
        copies = copies_of(metrics, most_waiting=3)
        for _ in range(10):
            copies.offer(STABLE, shadow, INPUTS, GIVEN)
        assert counted(metrics, "dropped") == 7
        await until(lambda: counted(metrics, "agrees") == 3)
        # There is room again.
        copies.offer(STABLE, shadow, INPUTS, GIVEN)
        await until(lambda: counted(metrics, "agrees") == 4)
        assert counted(metrics, "dropped") == 7

    run(test)


def test_what_waits_is_dropped_when_the_server_is_busy_and_copying_goes_on_afterwards(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        shadow = FakeVersion()
        load = [True]
        copies = copies_of(metrics, busy=lambda: load[0])
        for _ in range(5):
            copies.offer(STABLE, shadow, INPUTS, GIVEN)
        await until(lambda: counted(metrics, "dropped") == 5)
        assert shadow.runs == []
        load[0] = False
        copies.offer(STABLE, shadow, INPUTS, GIVEN)
        await until(lambda: counted(metrics, "agrees") == 1)

    run(test)


def test_answers_of_the_same_turn_are_sent_before_a_copy_runs_and_others_come_between_copies(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        loop = asyncio.get_running_loop()
        shadow = FakeVersion()
        copies = copies_of(metrics)
        runs_by_turn: list[int] = []
        copies.offer(STABLE, shadow, INPUTS, GIVEN)
        copies.offer(STABLE, shadow, INPUTS, GIVEN)
        # As the server does with an answer, which it writes after the copy was offered.
        loop.call_soon(lambda: runs_by_turn.append(len(shadow.runs)))
        while len(shadow.runs) < 2:
            await asyncio.sleep(0)
            runs_by_turn.append(len(shadow.runs))
        assert runs_by_turn[0] == 0
        # Never two in a turn.
        assert set(runs_by_turn) == {0, 1, 2}

    run(test)


def test_a_version_with_a_queue_runs_copies_there(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        shadow = FakeVersion()
        shadow.queue = FakeQueue()
        copies = copies_of(metrics)
        for _ in range(2):
            copies.offer(STABLE, shadow, INPUTS, GIVEN)
        # The second is submitted while the first is still under way, so that they may be run together.
        first, second = await shadow.queue.submitted.get(), await shadow.queue.submitted.get()
        first.set_result(GIVEN)
        second.set_exception(InferenceFailed("no"))
        await until(lambda: counted(metrics, "agrees") == counted(metrics, "failed") == 1)
        assert shadow.runs == []

    run(test)


def test_a_queue_that_refuses_drops_the_copy(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        shadow = FakeVersion()
        shadow.queue = FakeQueue(Refused(HTTPStatus.SERVICE_UNAVAILABLE, "overloaded", "too much to do"))
        copies_of(metrics).offer(STABLE, shadow, INPUTS, GIVEN)
        await until(lambda: counted(metrics, "dropped") == 1)

    run(test)


def test_a_queue_that_answers_nothing_holds_a_bounded_number_of_copies(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        shadow = FakeVersion()
        shadow.queue = FakeQueue()
        copies = copies_of(metrics, most_waiting=2)
        for _ in range(2):
            copies.offer(STABLE, shadow, INPUTS, GIVEN)
        held = [await shadow.queue.submitted.get() for _ in range(2)]
        copies.offer(STABLE, shadow, INPUTS, GIVEN)
        await until(lambda: counted(metrics, "dropped") == 1)
        assert not any(future.done() for future in held)

    run(test)


def test_closing_drops_what_waits_gives_up_what_runs_and_takes_no_more(run: Run) -> None:
    async def test() -> None:
        metrics = Metrics()
        inline, queued = FakeVersion(), FakeVersion("3.0.0")
        queued.queue = FakeQueue()
        copies = copies_of(metrics)
        copies.offer(STABLE, queued, INPUTS, GIVEN)
        running = await queued.queue.submitted.get()
        copies.offer(STABLE, inline, INPUTS, GIVEN)
        copies.close()
        assert counted(metrics, "dropped") == 1
        copies.offer(STABLE, inline, INPUTS, GIVEN)
        assert counted(metrics, "dropped") == 2
        await until(running.cancelled)
        await until(lambda: counted(metrics, "dropped", queued.version) == 1)
        assert inline.runs == []

    run(test)


def test_a_server_whose_requests_wait_is_busy_and_an_idle_one_is_not(run: Run) -> None:
    async def test() -> None:
        load = Load()
        busy = busy_by(load)
        # A machine with much else to do may come late to an idle loop's timer, but not every time.
        await until(lambda: not busy())
        worked_until = time.thread_time() + 10 * BUSY_SECONDS
        while time.thread_time() < worked_until:
            pass
        assert busy()
        load.stop()

    run(test)
