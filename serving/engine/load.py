"""How long a request that is being read has waited: what tells an overloaded worker from a busy one.

All requests that are ready are answered one after the other in a turn of the event loop, so what a request waits is
the time since the turn began, and before that it lay in its socket for the rest of the turn before. A timer that is
due in every turn tells both. Only the time counts in which this thread was at work: that the machine had no processor
for it for a moment is no reason to send away what can now be answered.
"""

from __future__ import annotations

import asyncio
import time

TICK_SECONDS = 0.005
LONG_TURN_SECONDS = 0.02
"""From here up it is worth asking the system how much of a turn was work."""


class Load:
    """Watches the turns of the running event loop, on its thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._turn_began = time.monotonic()
        self._worked_by_then = time.thread_time()
        self._turn_before = 0.0
        self._looked = self._worked = 0.0
        """When this turn's work was last read from the system, which takes a while, and how much it was."""
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def wait_seconds(self, now: float) -> float:
        """The longest that a request read at `now`, in monotonic time, can have waited for its turn."""
        this_turn = now - self._turn_began
        if this_turn <= TICK_SECONDS:
            # Within a tick of the last look, the loop may have been idle.
            return self._turn_before
        if this_turn > LONG_TURN_SECONDS:
            if now - self._looked > TICK_SECONDS:
                self._looked, self._worked = now, time.thread_time() - self._worked_by_then
            this_turn = min(this_turn, self._worked + now - self._looked)
        return self._turn_before + this_turn

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        now, worked = time.monotonic(), time.thread_time()
        late = now - self._turn_began - TICK_SECONDS
        self._turn_before = min(late, worked - self._worked_by_then) if late > 0 else 0.0
        self._turn_began, self._worked_by_then = now, worked
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
