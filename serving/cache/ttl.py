"""Records that are read often and change seldom: kept for a while, renewed behind the reader's back, bounded in number.

What a record is, and where it is read from, is the owner's: see `load`. Several pods may share what one has read
through a store.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from serving.cache.store import Store

logger = logging.getLogger(__name__)

DEFAULT_SECONDS = 300.0
DEFAULT_STALE_SECONDS = 300.0
DEFAULT_MISSING_SECONDS = 10.0
DEFAULT_RETRY_SECONDS = 1.0
DEFAULT_LOAD_SECONDS = 5.0
DEFAULT_MAX_RECORDS = 10_000
JITTER = 0.1

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class NotLoaded(Exception):
    """The record could not be read, and no earlier reading of it is there. The message does not quote the key."""


@dataclass(frozen=True, kw_only=True)
class Lifetimes:
    """In seconds."""

    fresh: float = DEFAULT_SECONDS
    """Shortened by up to a tenth at random, so that many pods do not read at the same moment."""
    stale: float = DEFAULT_STALE_SECONDS
    """How much longer it is answered at once, while it is read anew. After that a reader waits for the reading."""
    missing: float = DEFAULT_MISSING_SECONDS
    """How long it is believed that there is no such record."""
    retry: float = DEFAULT_RETRY_SECONDS
    """From one failure to the next try, for each record."""
    load: float = DEFAULT_LOAD_SECONDS
    """A reading that takes longer has failed."""


@dataclass(frozen=True, kw_only=True)
class Shared(Generic[K, V]):
    """How records go into a store: the name under which, and as which bytes; `decode` raises ValueError."""

    store: Store
    name: Callable[[K], bytes]
    encode: Callable[[V], bytes]
    decode: Callable[[bytes], V]


@dataclass(frozen=True)
class Held(Generic[V]):
    """What is known of a key; `value` is None where it is known that there is no record."""

    value: V | None


@dataclass(kw_only=True)
class _Record(Generic[V]):
    held: Held[V] | None
    """None while no reading has succeeded."""
    fresh_until: float
    stale_until: float


class TtlCache(Generic[K, V]):
    """For one event loop. `load` reads one record: None where there is none, and any exception is a failure.

    A failure keeps what was read last, for however long; so does a store that is away, since it is passed by.
    """

    def __init__(
        self,
        load: Callable[[K], Awaitable[V | None]],
        *,
        lifetimes: Lifetimes | None = None,
        shared: Shared[K, V] | None = None,
        max_records: int = DEFAULT_MAX_RECORDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._lifetimes = lifetimes or Lifetimes()
        self._shared = shared
        self._max_records = max_records
        self._clock = clock
        self._records: OrderedDict[K, _Record[V]] = OrderedDict()
        self._loading: dict[K, asyncio.Task[Held[V] | None]] = {}
        self._failing = False

    def held(self, key: K) -> Held[V] | None:
        """What can be said at once; None where that is nothing, and `get` must be awaited."""
        record = self._records.get(key)
        if record is None or record.held is None:
            return None
        now = self._clock()
        if now >= record.fresh_until:
            self._begin(key)
            if now >= record.stale_until:
                return None
        self._records.move_to_end(key)
        return record.held

    async def get(self, key: K) -> V | None:
        """The record, or None where there is none; raise NotLoaded."""
        held = self.held(key)
        if held is not None:
            return held.value
        failed = self._records.get(key)
        # A record without a reading is the memory of a failure: until that is over, nobody tries again.
        if failed is None or self._clock() >= failed.fresh_until:
            reading = self._begin(key)
            # This wait may be cancelled; the reading goes on for the others.
            await asyncio.wait((reading,))
            held = None if reading.cancelled() else reading.result()
        if held is None:
            raise NotLoaded("the record could not be read: its source is away, try again")
        return held.value

    @property
    def reading(self) -> int:
        """How many records are being read now."""
        return len(self._loading)

    async def close(self) -> None:
        """End what is being read."""
        loading = list(self._loading.values())
        for task in loading:
            task.cancel()
        if loading:
            await asyncio.wait(loading)

    def __len__(self) -> int:
        return len(self._records)

    def _begin(self, key: K) -> asyncio.Task[Held[V] | None]:
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.get_running_loop().create_task(self._read(key))
            task.add_done_callback(lambda _: self._loading.pop(key))
        return task

    async def _read(self, key: K) -> Held[V] | None:
        """What there is to say now: after a failure what was read before, if anything was."""
        lifetimes = self._lifetimes
        try:
            async with asyncio.timeout(lifetimes.load):
                shared = await self._read_shared(key)
                if shared is not None:
                    return shared
                value = await self._load(key)
        except Exception as error:
            return self._failed(key, error)
        if self._failing:
            self._failing = False
            logger.warning("records can be read again")
        if value is None:
            return self._keep(key, Held(None), lifetimes.missing, 0)
        if self._shared is not None:
            self._shared.store.put(self._shared.name(key), self._shared.encode(value), lifetimes.fresh)
        return self._keep(key, Held(value), lifetimes.fresh, lifetimes.stale)

    async def _read_shared(self, key: K) -> Held[V] | None:
        """Take what another pod has read, for the time that it has left."""
        if self._shared is None:
            return None
        asked = self._shared.store.get(self._shared.name(key))
        lookup = None if asked is None else await asked
        if lookup is None or lookup.found is None:
            return None
        try:
            value = self._shared.decode(lookup.found.payload)
        except ValueError:
            return None
        fresh_seconds = min(self._lifetimes.fresh, lookup.found.seconds_left)
        return self._keep(key, Held(value), fresh_seconds, self._lifetimes.stale)

    def _keep(self, key: K, held: Held[V], fresh_seconds: float, stale_seconds: float) -> Held[V]:
        fresh_until = self._clock() + fresh_seconds * random.uniform(1 - JITTER, 1)
        self._store(key, _Record(held=held, fresh_until=fresh_until, stale_until=fresh_until + stale_seconds))
        return held

    def _failed(self, key: K, error: Exception) -> Held[V] | None:
        # Without the message, which may quote the key or more.
        if not self._failing:
            logger.warning("records cannot be read, what was read last stays: %s", type(error).__name__)
        self._failing = True
        before = self._records.get(key)
        held = None if before is None else before.held
        # While the source is away nobody waits for it again: what there is counts until a reading succeeds.
        fresh_until = self._clock() + self._lifetimes.retry
        self._store(key, _Record(held=held, fresh_until=fresh_until, stale_until=math.inf))
        return held

    def _store(self, key: K, record: _Record[V]) -> None:
        self._records[key] = record
        self._records.move_to_end(key)
        if len(self._records) > self._max_records:
            self._records.popitem(last=False)
