"""Predictors in memory, by model and version: within a bound, and looked up without a lock.

Every change builds a new table and puts it in the old one's place in one assignment. A request keeps the predictor that
it found, so whatever leaves the table is freed when its last request is answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from serving.predictor import Predictor

DEFAULT_MAX_BYTES = 1024**3

Key = tuple[str, str]
"""Model and version."""


class NoMemory(Exception):
    """The version takes more than may be held; the message gives both figures and what to do."""


class Shelf:
    """Holds each model's current version, and besides them versions asked for while there is room.

    The bound counts the bytes of the model files, which a session takes at least. While a model changes over, its old
    version and its new one are both in memory; the bound is on what stays.
    """

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._writing = threading.Lock()
        self._sizes: dict[Key, int] = {}
        self._current: dict[str, str] = {}
        self._used: dict[Key, float] = {}
        self._named: dict[str, tuple[str, ...]] = {}
        self._table: Mapping[tuple[str, str | None], Predictor] = {}

    def find(self, name: str, version: str | None = None) -> Predictor | None:
        """The version of the model, or its current one where none is named."""
        found = self._table.get((name, version))
        if found is not None and version is not None:
            self._used[name, version] = time.monotonic()
        return found

    def loaded(self) -> Sequence[Predictor]:
        """Every version in memory once, in the order in which they came."""
        return tuple(found for (_, version), found in self._table.items() if version is not None)

    def name(self, name: str, versions: Sequence[str]) -> None:
        """The versions that a model's deployment names, the most needed first: nothing else makes them leave."""
        with self._writing:
            self._named[name] = tuple(versions)

    def reserve(self, name: str, version: str, size: int, *, current: bool) -> list[Key]:
        """Make room for a version before it is loaded; return what was evicted, or raise NoMemory.

        Of the versions that deployments name, only those of the same model that it needs less make room.
        """
        key = (name, version)
        with self._writing:
            if key in self._sizes:
                return []
            fixed = {(model, at) for model, at in self._current.items() if not (current and model == name)}
            fixed |= self._needed_before(name, version)
            # What is being loaded has no use yet, and no predictor to take away.
            movable = [held for held in self._sizes if held not in fixed and held in self._table]
            movable.sort(key=lambda held: self._used.get(held, 0.0))
            bound = self._max_bytes - sum(size for held, size in self._sizes.items() if held not in movable)
            if size > bound:
                raise NoMemory(
                    f"{name} {version} takes {size} bytes of memory, and {max(bound, 0)} of {self._max_bytes} can be "
                    "made free: raise the bound, or serve fewer models"
                )
            # The predecessor goes when its successor is there, not before.
            evictable = [held for held in movable if held != (name, self._current.get(name))]
            free = bound - sum(self._sizes[held] for held in movable if held in evictable)
            evicted: list[Key] = []
            for held in evictable:
                if free >= size:
                    break
                free += self._sizes.pop(held)
                evicted.append(held)
            self._sizes[key] = size
            self._rebuild(without=evicted)
            return evicted

    def put(self, predictor: Predictor, *, current: bool, keep_before: bool = False) -> None:
        """Serve what was reserved for; a current version takes its predecessor's place, which leaves unless kept."""
        name, version = predictor.name, predictor.version
        with self._writing:
            before = self._current.get(name)
            gone: list[Key] = []
            if current:
                self._current[name] = version
                if before is not None and before != version and not (keep_before and self._fits()):
                    gone.append((name, before))
            self._used[name, version] = time.monotonic()
            self._rebuild(without=gone, new=predictor)

    def release(self, name: str, version: str) -> None:
        """Give up a reservation that led to nothing."""
        with self._writing:
            if (name, version) not in self._table:
                self._sizes.pop((name, version), None)

    def drop(self, name: str, version: str) -> bool:
        """Take a version out of memory; False where it is not there, or is its model's current one."""
        with self._writing:
            if (name, version) not in self._table or self._current.get(name) == version:
                return False
            self._rebuild(without=[(name, version)])
            return True

    def _needed_before(self, name: str, version: str) -> set[Key]:
        """What deployments need more than this version: it could only drive another out, which would do the same."""
        needed = {(model, at) for model, versions in self._named.items() if model != name for at in versions}
        own = self._named.get(name, ())
        return needed | {(name, at) for at in (own[: own.index(version)] if version in own else own)}

    def _fits(self) -> bool:
        return sum(self._sizes.values()) <= self._max_bytes

    def _rebuild(self, *, without: Sequence[Key], new: Predictor | None = None) -> None:
        held = {key: found for key, found in self._table.items() if key[1] is not None and key not in without}
        if new is not None:
            held[new.name, new.version] = new
        for key in without:
            self._sizes.pop(key, None)
            self._used.pop(key, None)
        for name, version in self._current.items():
            held[name, None] = held[name, version]
        self._table = held
