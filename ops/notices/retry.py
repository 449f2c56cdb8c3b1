"""Tries again for a bounded time: after growing random pauses, or after as long as the other side asked for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ops.notices.notice import Notice, Sender, Undelivered

IN_ALL_SECONDS = 30.0
TRY_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 8.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long is tried, by which clock."""

    in_all_seconds: float = IN_ALL_SECONDS
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], object] = time.sleep
    jitter: Callable[[float, float], float] = random.uniform


def send(sender: Sender, notice: Notice, patience: Patience) -> None:
    """Return once it was sent; raise Undelivered, which tells of the last try, when there is no time for another."""
    deadline = patience.clock() + patience.in_all_seconds
    longest = _FIRST_PAUSE_SECONDS
    while True:
        left = deadline - patience.clock()
        try:
            sender.send(notice, min(TRY_SECONDS, left))
            return
        except Undelivered as failed:
            # Pauses are drawn from nothing up, so that many who failed together do not come back together.
            wait = max(failed.after_seconds, patience.jitter(0.0, longest))
            if not failed.again or patience.clock() + wait >= deadline:
                raise
        patience.pause(wait)
        longest = min(2 * longest, _LONGEST_PAUSE_SECONDS)
