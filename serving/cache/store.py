"""What users of a shared store see of it: it has the value, it has none, or it is passed by."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NamedTuple, Protocol

from serving.cache.sealed import Unsealed


class Lookup(NamedTuple):
    """What a store said, if it was asked at all; `asked` is False where it was away, slow or busy."""

    found: Unsealed | None
    asked: bool = True


MISSED = Lookup(None)
PASSED_BY = Lookup(None, asked=False)


class Store(Protocol):
    """Never raises and never keeps anybody waiting for long: whatever is wrong with it, it is passed by."""

    def get(self, name: bytes) -> Awaitable[Lookup] | None:
        """What lies under the name; None where nothing need be awaited, because the store is passed by at once."""
        ...

    def put(self, name: bytes, payload: bytes, seconds: float) -> bool:
        """Keep it for so long, soon and without a word about the outcome; False where that is not even tried."""
        ...
