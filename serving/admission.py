"""Admits versions of one model to the shelf: opens each, loads it, and remembers what was refused, and why.

Which versions are to be brought, and when, is the catalogue's business.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager

from contract.objects import Version
from serving.disk import Evicted, NoRoom
from serving.metrics import Metrics
from serving.model import ModelRefused
from serving.predictor import Predictor
from serving.shelf import NoMemory, Shelf
from serving.store import Files, Published, Store, VersionCorrupt

logger = logging.getLogger(__name__)


class NotPublished(Exception):
    """A deployment names a version that the bucket does not hold whole."""


# What a refusal counts as in the metrics.
_REFUSALS: dict[type[Exception], str] = {
    VersionCorrupt: "corrupt",
    ModelRefused: "load",
    NoRoom: "disk",
    Evicted: "disk",
    NoMemory: "memory",
    NotPublished: "missing",
}
_LASTING = (VersionCorrupt, ModelRefused)


class Admission:
    """One model's way from a store to the shelf. One version is loaded at a time."""

    def __init__(
        self,
        store: Store,
        open_version: Callable[[Files], Predictor],
        metrics: Metrics,
        shelf: Shelf,
        *,
        stays: Callable[[str], bool],
        on_change: Callable[[], None],
    ) -> None:
        """`stays` says whether a version is kept beside its successor; `on_change` is called as the catalogue's is."""
        self._store = store
        self._open = open_version
        self._metrics = metrics
        self._shelf = shelf
        self._stays = stays
        self._on_change = on_change
        self._loading = threading.Lock()
        self._refused: set[Published] = set()
        self._faults: dict[str, str] = {}

    @property
    def current(self) -> Predictor | None:
        """The predictor to answer with."""
        return self._shelf.find(self._store.name)

    @property
    def faults(self) -> Mapping[str, str]:
        """Why versions are not held, as it was told last. Never changed in place: what was read stays as it is."""
        return self._faults

    @property
    def what_stays(self) -> str:
        """What goes on being served when something could not be brought, for a log's line."""
        return "no version is served" if self.current is None else f"still serving {self.current.version}"

    def from_bucket(self, candidate: Published, *, current: bool) -> bool:
        """Bring a published version; False where it was refused, be it earlier."""
        if candidate in self._refused:
            return False
        error = self._bring(candidate.version, self._store.opened, current=current)
        if isinstance(error, _LASTING):
            # Remembered until one of its objects changes: downloading the same bytes again would change nothing.
            self._refused.add(candidate)
        return error is None

    def from_disk(self, version: Version, *, current: bool, first: bool = False) -> None:
        """Bring what an earlier server left, `first` only while none is current."""
        self._bring(version, self._store.opened_from_disk, current=current, first=first)

    def make_current(self, held: Predictor) -> None:
        """Answer with a version that is on the shelf already; the one before it stays there."""
        self._put(held, current=True, keep_before=True)

    def refuse(self, version: str, error: Exception) -> None:
        """Count and tell why a version is not held."""
        # What is for want of room is tried at each refresh, and told once.
        if self._faults.get(version) != str(error):
            self._metrics.model_error(_REFUSALS[type(error)])
            logger.error("refused version %s: %s; %s", version, error, self.what_stays)
            self._faults = {**self._faults, version: str(error)}
            self._on_change()

    def note_unreachable(self, versions: Iterable[str]) -> None:
        """Say of those that are neither held nor refused already that they cannot be brought now."""
        name = self._store.name
        lacking = {
            version: f"{name} {version} is not on disk, and the bucket cannot be reached"
            for version in versions
            if self._shelf.find(name, version) is None and version not in self._faults
        }
        if lacking:
            self._faults = {**self._faults, **lacking}
            self._on_change()

    def forget(self, published: Collection[Published], named: Collection[str]) -> None:
        """Of what was refused, remember only what is still published, or named by a deployment."""
        versions = {str(found.version) for found in published} | set(named)
        self._refused &= set(published)
        self._faults = {version: reason for version, reason in self._faults.items() if version in versions}

    def _bring(
        self,
        version: Version,
        opened: Callable[[Version], AbstractContextManager[Files]],
        *,
        current: bool,
        first: bool = False,
    ) -> Exception | None:
        """Load a version and put it on the shelf; return why it was refused."""
        try:
            with opened(version) as files, self._loading:
                if not (first and self.current is not None):
                    self._load(files, current=current)
        except tuple(_REFUSALS) as error:
            self.refuse(str(version), error)
            return error
        return None

    def _load(self, files: Files, *, current: bool) -> None:
        name, version, disk = self._store.name, str(files.metadata.version), self._store.disk
        try:
            for model, evicted in self._shelf.reserve(name, version, files.model_bytes, current=current):
                disk.ask(model, evicted, wanted=False)
                logger.warning("evicted %s %s for %s %s", model, evicted, name, version)
            # An operator may have had it loaded before it became the one to serve.
            predictor = self._shelf.find(name, version) or self._open(files)
        except BaseException:
            self._shelf.release(name, version)
            raise
        before = self.current
        self._put(predictor, current=current, keep_before=before is not None and self._stays(before.version))

    def _put(self, predictor: Predictor, *, current: bool, keep_before: bool) -> None:
        name, version = predictor.name, predictor.version
        self._shelf.put(predictor, current=current, keep_before=keep_before)
        self._faults = {at: reason for at, reason in self._faults.items() if at != version}
        if current:
            self._metrics.serving(name, version)
        besides = "" if current else " besides"
        logger.warning("serving %s %s%s", name, version, besides, extra={"model_version": version})
        self._on_change()
