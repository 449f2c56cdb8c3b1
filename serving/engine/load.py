"""How long a request that is being read has waited: what tells an overloaded worker from a busy one.

All requests that are ready are answered one after the other in a turn of the event loop, so what a request waits is
the time since the turn began, and before that it lay in its socket for the rest of the turn before. A timer that is
due in every turn tells both.
"""

from __future__ import annotations

import asyncio
import time

TICK_SECONDS = 0.005


class Load:
    """Watches the turns of the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._turn_began = time.monotonic()
        self._turn_before = 0.0
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def wait_seconds(self, now: float) -> float:
        """The longest that a request read at `now`, in monotonic time, can have waited for its turn."""
        this_turn = now - self._turn_began
        # Within a tick of the last look, the loop may have been idle.
        return self._turn_before + (this_turn if this_turn > TICK_SECONDS else 0.0)

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        now = time.monotonic()
        late = now - self._turn_began - TICK_SECONDS
        self._turn_before = late if late > 0 else 0.0
        self._turn_began = now
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
