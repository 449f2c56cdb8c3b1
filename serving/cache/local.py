"""Values in this process's memory, bounded by bytes and by time; what was not used for longest goes first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

_V = TypeVar("_V")

OVERHEAD_BYTES = 512
"""What an entry takes besides its content: its key, the place in the table and Python's own fields."""
LARGEST_SHARE = 1 / 16
"""A single value larger than this share of the bound is not kept: it would push out too many others."""


class _Kept(NamedTuple, Generic[_V]):
    value: _V
    expires_at: float
    size_bytes: int


class LocalCache(Generic[_V]):
    """For one thread."""

    def __init__(self, max_bytes: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._largest_bytes = int(max_bytes * LARGEST_SHARE)
        self._clock = clock
        self._entries: OrderedDict[bytes, _Kept[_V]] = OrderedDict()
        self.size_bytes = 0

    def get(self, key: bytes) -> _V | None:
        kept = self._entries.get(key)
        if kept is None:
            return None
        if kept.expires_at <= self._clock():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return kept.value

    def put(self, key: bytes, value: _V, *, size_bytes: int, seconds: float) -> bool:
        """Keep the value for `seconds`; False, and nothing kept for this key any longer, where it is too large."""
        if key in self._entries:
            self._drop(key)
        size_bytes += OVERHEAD_BYTES
        if size_bytes > self._largest_bytes:
            return False
        self._entries[key] = _Kept(value, self._clock() + seconds, size_bytes)
        self.size_bytes += size_bytes
        while self.size_bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))
        return True

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: bytes) -> None:
        self.size_bytes -= self._entries.pop(key).size_bytes
