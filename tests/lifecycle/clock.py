"""A clock that moves only when a test says so, at a rate of its own."""

from __future__ import annotations


class Clock:
    """A monotonic clock of its own: it began anywhere and goes at its own rate."""

    def __init__(self, began: float = 0.0, rate: float = 1.0) -> None:
        self.now = began
        self.rate = rate

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds * self.rate
