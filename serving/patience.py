"""A limit on how long another machine may take to answer, which does not count the time this process was held up.

Models run on the event loop. A reply that came while one did lies unread in the socket when a plain timeout fires.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

HELD_UP_SECONDS = 0.005
"""A timer later than this says that the loop was busy with something else."""
ALLOWANCES = 3
"""How often a late timer is set anew, so that a loop that is always busy does not wait for ever."""


@contextlib.asynccontextmanager
async def answered_within(seconds: float) -> AsyncGenerator[None]:
    """Raise TimeoutError from the block where it takes longer."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        def expire(due: float, allowances: int) -> None:
            nonlocal timer
            now = time.monotonic()
            if allowances and now - due > HELD_UP_SECONDS:
                timer = loop.call_later(seconds, expire, now + seconds, allowances - 1)
            else:
                limit.reschedule(loop.time())

        timer = loop.call_later(seconds, expire, time.monotonic() + seconds, ALLOWANCES)
        try:
            yield
        finally:
            timer.cancel()
