"""Memory that the supervisor makes before it forks and its workers share: a region of counts for each worker.

Only its own worker writes a region, and every worker reads all of them. A region holds entries one after the other,
each a key and the values that belong to it; what they mean is the business of `serving.metrics.families`. An entry is
written whole before it becomes part of the region, by one store to the word that says how much is in use; values
are aligned 8-byte words, which processors load and store whole. So a worker killed at any instruction leaves
nothing locked and nothing half done, and its successor goes on with its values.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

WORD_BYTES = 8
REGION_BYTES = 1024**2
"""Of each worker: room for some 1700 histograms of twelve buckets. Only what is used takes real memory."""
MOST_WORKERS = 256

# A region's first words: how many words its entries take, its worker's process, how often a worker has begun on it,
# and how often a key found no room.
_USED, _PID, _STARTS, _OVERFLOWS = range(4)
_FIRST_ENTRY = 4
# Of an entry, before its key: its words, the bytes of its key, and the key's checksum.
_HEAD = struct.Struct("@3I4x")

_decode_key = msgspec.json.Decoder(tuple[str, ...]).decode

Key = tuple[str, ...]


class Entry(NamedTuple):
    key: Key
    start: int
    """Index of its first value among the memory's numbers."""


@dataclass(frozen=True, kw_only=True)
class MetricsMemory:
    """The shared words in three views of the same memory."""

    workers: int
    region_words: int
    octets: memoryview[int] = field(repr=False)
    integers: memoryview[int] = field(repr=False)
    numbers: memoryview[float] = field(repr=False)
    """The values: float64."""
    owner: int
    """The process that made it and lives as long as the container."""


def create(workers: int, *, region_bytes: int = REGION_BYTES) -> MetricsMemory:
    """New memory without a count, for this process and those it forks from now on."""
    words = region_bytes // WORD_BYTES
    if not 1 <= workers <= MOST_WORKERS or words <= _FIRST_ENTRY:
        raise ValueError(
            f"{workers} workers with {region_bytes} bytes each: 1 to {MOST_WORKERS} workers and more than "
            f"{_FIRST_ENTRY * WORD_BYTES} bytes are allowed"
        )
    # Anonymous and shared: never written to a disk, where a page on its way would make a writer wait.
    octets = memoryview(mmap.mmap(-1, workers * words * WORD_BYTES))
    return MetricsMemory(
        workers=workers,
        region_words=words,
        octets=octets,
        integers=octets.cast("q"),
        numbers=octets.cast("d"),
        owner=os.getpid(),
    )


class Region:
    """One worker's region as anybody reads it."""

    def __init__(self, memory: MetricsMemory, worker: int) -> None:
        if not 0 <= worker < memory.workers:
            raise ValueError(f"worker {worker} has no region: the memory was made for {memory.workers}, counted from 0")
        self.memory = memory
        self.worker = worker
        self._base = worker * memory.region_words
        self._read_words = 0

    @property
    def pid(self) -> int:
        """The process that began on this region last; 0 when none has."""
        return self.memory.integers[self._base + _PID]

    @property
    def starts(self) -> int:
        return self.memory.integers[self._base + _STARTS]

    @property
    def overflows(self) -> int:
        return self.memory.integers[self._base + _OVERFLOWS]

    def new_entries(self) -> Iterator[Entry]:
        """Those that this object has not given yet: entries are never moved and never taken away."""
        octets = self.memory.octets
        while self._read_words < self.memory.integers[self._base + _USED]:
            start = self._base + _FIRST_ENTRY + self._read_words
            words, key_bytes, checksum = _HEAD.unpack_from(octets, start * WORD_BYTES)
            key_start = start * WORD_BYTES + _HEAD.size
            encoded = bytes(octets[key_start : key_start + key_bytes])
            if zlib.crc32(encoded) != checksum:
                # A processor that reorders stores has shown us the length before the entry: it is there next time.
                return
            self._read_words += words
            yield Entry(_decode_key(encoded), start + _words_before_values(key_bytes))


class OwnRegion(Region):
    """A worker's own region, from any of its threads. One process at a time may hold it."""

    def __init__(self, memory: MetricsMemory, worker: int) -> None:
        super().__init__(memory, worker)
        self.lock = threading.Lock()
        """To be held for changing a value that several threads change; it is this process's own."""
        memory.integers[self._base + _PID] = os.getpid()
        memory.integers[self._base + _STARTS] += 1
        # What a predecessor left.
        self._start_of: dict[Key, int] = {entry.key: entry.start for entry in self.new_entries()}

    def places(self) -> Sequence[tuple[Key, int]]:
        """The entries that are there, of this worker's and of its predecessors' making."""
        return tuple(self._start_of.items())

    def place(self, key: Key, initial: Sequence[float]) -> int | None:
        """Where the values of a key begin; a new key gets the initial ones. None if there is no room for it."""
        with self.lock:
            start = self._start_of.get(key)
            if start is None:
                start = self._append(key, initial)
            if start is None:
                self.memory.integers[self._base + _OVERFLOWS] += 1
            else:
                self._start_of[key] = start
            return start

    def _append(self, key: Key, initial: Sequence[float]) -> int | None:
        memory = self.memory
        encoded = msgspec.json.encode(key)
        before = _words_before_values(len(encoded))
        words = before + len(initial)
        used = memory.integers[self._base + _USED]
        if _FIRST_ENTRY + used + words > memory.region_words:
            return None
        start = self._base + _FIRST_ENTRY + used
        _HEAD.pack_into(memory.octets, start * WORD_BYTES, words, len(encoded), zlib.crc32(encoded))
        key_start = start * WORD_BYTES + _HEAD.size
        memory.octets[key_start : key_start + len(encoded)] = encoded
        # Written even where they are 0: a worker that was killed here may have left something.
        memory.numbers[start + before : start + words] = array("d", initial)
        memory.integers[self._base + _USED] = used + words
        return start + before


def _words_before_values(key_bytes: int) -> int:
    return -(-(_HEAD.size + key_bytes) // WORD_BYTES)
