"""What a cache counted, for tests to compare."""

from __future__ import annotations

from collections import Counter


class Counts:
    """Metrics that can be compared."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def hit(self, level: str) -> None:
        self.seen[f"{level} hit"] += 1

    def miss(self, level: str) -> None:
        self.seen[f"{level} miss"] += 1

    def bypass(self, level: str) -> None:
        self.seen[f"{level} bypass"] += 1
