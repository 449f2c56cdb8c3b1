"""What a request has waited, by the turns of a real event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import uvloop

from serving.engine.load import Load

LONG_SECONDS = 0.2


def work(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def waits_after(turn: Callable[[float], None]) -> tuple[float, float]:
    """What a request at the end of a long turn has waited, and one in the turn behind it."""

    async def run() -> tuple[float, float]:
        load = Load()
        await asyncio.sleep(0.02)
        turn(LONG_SECONDS)
        at_the_end = load.wait_seconds(time.monotonic())
        # Past the timer, which is due by now.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        behind = load.wait_seconds(time.monotonic())
        load.stop()
        return at_the_end, behind

    return uvloop.run(run())


def test_requests_behind_much_work_have_waited_for_it() -> None:
    at_the_end, behind = waits_after(work)
    assert at_the_end >= LONG_SECONDS
    assert behind >= 0.9 * LONG_SECONDS


def test_a_moment_without_a_processor_is_no_reason_to_refuse_anything() -> None:
    at_the_end, behind = waits_after(time.sleep)
    assert at_the_end < 0.5 * LONG_SECONDS
    assert behind < 0.5 * LONG_SECONDS


def test_an_idle_loop_keeps_nobody_waiting() -> None:
    async def run() -> float:
        load = Load()
        await asyncio.sleep(0.05)
        waited = load.wait_seconds(time.monotonic())
        load.stop()
        return waited

    # On a busy machine the loop itself may come late to its timer, and has then worked little.
    assert uvloop.run(run()) < LONG_SECONDS / 2
