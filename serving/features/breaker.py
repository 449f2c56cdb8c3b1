"""A circuit breaker: after several failures in a row the other side is left alone for a while, then tried again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

FAILURES = 5
PAUSE_SECONDS = 2.0


class Breaker:
    """Tells whether to ask. Its methods may be called from any thread."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        pause_seconds: float = PAUSE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = failures
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._ask_again_at = 0.0

    def wait_seconds(self) -> float:
        """0 for "ask now", otherwise how long not to. While it is open, one caller in each pause may ask."""
        if self._failures < self._most:
            return 0.0
        with self._lock:
            now = self._clock()
            if now < self._ask_again_at:
                return self._ask_again_at - now
            self._ask_again_at = now + self._pause_seconds
            return 0.0

    def succeeded(self) -> bool:
        """Whether this closed it."""
        if not self._failures:
            return False
        with self._lock:
            closed = self._failures >= self._most
            self._failures = 0
            return closed

    def failed(self) -> bool:
        """Whether this opened it."""
        with self._lock:
            self._failures += 1
            opened = self._failures == self._most
            if opened:
                self._ask_again_at = self._clock() + self._pause_seconds
            return opened
