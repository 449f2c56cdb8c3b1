"""Memory that the supervisor makes before it forks and its workers share: a table of words for each worker.

In each table, sets of eight entries: first the eight tags, then the eight pairs of words. What the words mean is the
business of `serving.access.limits`; here they are only laid out.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

WAYS = 8
KEYS_PER_WORKER = 16_384
MOST_WORKERS = 256

_WORD_BYTES = 8
_SET_WORDS = WAYS * 3
_SALT_BYTES = 16


@dataclass(frozen=True)
class SharedMemory:
    """The shared words, and the salt that keeps callers from choosing names which fall into one set."""

    words: memoryview
    workers: int
    sets: int
    salt: bytes

    def set_start(self, worker: int, number: int) -> int:
        """Index of the first word of a set in a worker's table."""
        return (worker * self.sets + number) * _SET_WORDS


def create(workers: int, *, keys: int = KEYS_PER_WORKER) -> SharedMemory:
    """New memory, all buckets full, for this process and those it forks from now on: 24 bytes a key and worker.

    Sets of eight fill unevenly: give `keys` several times the number of keys in use at once.
    """
    if not 1 <= workers <= MOST_WORKERS or keys < WAYS:
        raise ValueError(
            f"{workers} workers with {keys} keys: 1 to {MOST_WORKERS} workers and {WAYS} keys or more are allowed"
        )
    sets = -(-keys // WAYS)
    # Anonymous and shared: never written to a disk, where a page on its way would make a writer wait.
    mapped = mmap.mmap(-1, _WORD_BYTES * _SET_WORDS * workers * sets)
    return SharedMemory(memoryview(mapped).cast("q"), workers, sets, os.urandom(_SALT_BYTES))
