"""A limit on another machine's time that this process's own does not count against."""

from __future__ import annotations

import asyncio
import time

import pytest

from serving.patience import ALLOWANCES, answered_within
from tests.serving.redis_process import run

LIMIT_SECONDS = 0.02


async def busy(turns: int) -> None:
    """Hold the loop up as models do that run on it, each for longer than the limit."""
    for _ in range(turns):
        time.sleep(1.5 * LIMIT_SECONDS)
        await asyncio.sleep(0)


def test_no_answer_in_time_is_a_timeout() -> None:
    async def scene() -> None:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            async with answered_within(LIMIT_SECONDS):
                await asyncio.Event().wait()
        assert time.monotonic() - started + 0.001 >= LIMIT_SECONDS

    run(scene())


def test_an_answer_that_was_read_late_because_the_loop_was_held_up_is_in_time() -> None:
    async def scene() -> None:
        async with answered_within(LIMIT_SECONDS):
            await busy(ALLOWANCES)

    run(scene())


def test_a_loop_that_is_always_held_up_does_not_wait_for_ever() -> None:
    async def scene() -> None:
        with pytest.raises(TimeoutError):
            async with answered_within(LIMIT_SECONDS):
                await busy(10 * ALLOWANCES)

    run(scene())


def test_the_limit_ends_with_its_block() -> None:
    async def scene() -> None:
        async with answered_within(0.001):
            pass
        await asyncio.sleep(0.01)

    run(scene())
