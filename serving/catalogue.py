"""Which versions of one model are served: follows the bucket in a thread and changes over in one assignment.

The highest published release wins, or the version that was pinned; beside it stay the versions that an operator asked
for. How a version gets to the shelf, or is refused, is the admission's business. While the bucket is away, a server
that has nothing yet begins with what an earlier one left on disk.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from contract.deployment import Deployment
from contract.objects import Version
from serving.admission import Admission, NotPublished
from serving.deployments.following import Holding
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.shelf import Shelf
from serving.store import Files, Published, Store, StoreUnreachable

logger = logging.getLogger(__name__)

BUCKET_PATIENCE_SECONDS = 0.8
"""How long a server that has nothing waits for the bucket before it begins with what is on disk."""


@dataclass(frozen=True)
class Entry:
    """A published version as an operator sees it."""

    name: str
    version: str
    loaded: bool
    current: bool
    reason: str
    """Why it is not served, where that is a fault; otherwise empty."""


class Catalogue:
    """Brings versions of one model to a shelf, where requests find them."""

    def __init__(
        self,
        store: Store,
        open_version: Callable[[Files], Predictor],
        metrics: Metrics,
        *,
        pinned: Version | None = None,
        shelf: Shelf | None = None,
        patience_seconds: float = BUCKET_PATIENCE_SECONDS,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_change` is called when what is held, or why something is not, has changed."""
        self.name = store.name
        self._store = store
        self._metrics = metrics
        self._pinned = pinned
        self._patience_seconds = patience_seconds
        self._on_change = on_change
        self._record: Deployment | None = None
        self._shelf = shelf or Shelf()
        self._admission = Admission(
            store, open_version, metrics, self._shelf, stays=self._stays_beside, on_change=on_change
        )
        self._listed: tuple[Published, ...] = ()
        self._asks: queue.SimpleQueue[tuple[str, bool] | None] = queue.SimpleQueue()

    @property
    def current(self) -> Predictor | None:
        """The predictor to answer with; a request keeps the one it started with."""
        return self._admission.current

    def entries(self) -> list[Entry]:
        """Every version that the last look at the bucket found, the highest first, without looking again."""
        current = self.current
        faults = self._admission.faults
        return [
            Entry(
                name=self.name,
                version=str(found.version),
                loaded=self._shelf.find(self.name, str(found.version)) is not None,
                current=current is not None and current.version == str(found.version),
                reason=faults.get(str(found.version), ""),
            )
            for found in sorted(self._listed, key=lambda found: found.version, reverse=True)
        ]

    def ask(self, version: str, *, wanted: bool) -> None:
        """Have a version loaded besides the current one, or no longer: at once here, elsewhere at the next refresh."""
        self._asks.put((version, wanted))

    def hold(self, record: Deployment) -> None:
        """Hold the versions that a deployment names from now on, in place of the highest release."""
        self._shelf.name(self.name, [str(version) for version in record.versions])
        self._record = record
        self.wake()

    def holding(self) -> Holding:
        """What is in memory, and why what a deployment names is not."""
        loaded = tuple(Version.parse(found.version) for found in self._shelf.loaded() if found.name == self.name)
        named = self._named
        return Holding(loaded, {version: why for version, why in self._admission.faults.items() if version in named})

    @property
    def settled(self) -> bool:
        """Whether every version that is to answer requests is held, or cannot be."""
        record = self._record
        if record is None:
            return True
        answering = {str(weight.version) for weight in record.weights}
        return all(version in self._admission.faults or self._shelf.find(self.name, version) for version in answering)

    def wake(self) -> None:
        """Let a thread that follows look up before its time, be it that it was told to stop."""
        self._asks.put(None)

    def follow(self, stop: threading.Event, *, every_seconds: float, before: Callable[[], None] = lambda: None) -> None:
        """Refresh until told to stop, once `before` has returned. Runs in a thread; nothing in a refresh ends it."""
        before()
        late = threading.Timer(self._patience_seconds, self._begin_from_disk)
        late.daemon = True
        late.start()
        while not stop.is_set():
            try:
                self.refresh()
            except Exception:
                self._metrics.model_error("refresh")
                logger.exception("refreshing the model %s failed", self.name)
            try:
                ask = self._asks.get(timeout=every_seconds)
                while ask is not None:
                    self._store.disk.ask(self.name, ask[0], wanted=ask[1])
                    ask = self._asks.get_nowait()
            except queue.Empty:
                pass
            except OSError:
                self._metrics.model_error("disk")
                logger.exception("an operator's wish for the model %s could not be noted", self.name)

    def _begin_from_disk(self) -> None:
        # The bucket may take half a minute to be given up, or a new version long to come down.
        try:
            if self.current is None:
                self._serve_from_disk()
        except Exception:
            self._metrics.model_error("disk")
            logger.exception("beginning with the model %s from the disk failed", self.name)

    def refresh(self) -> None:
        """Look at the bucket once and change over if another version should be served."""
        try:
            published = self._store.published()
            self._listed = tuple(published)
            self._admission.forget(published, self._named)
            if self._record is None:
                self._change_over(self._ranked(published))
            else:
                self._hold_named(self._record, published)
            self._serve_asked({str(found.version): found for found in published})
        except StoreUnreachable as error:
            self._metrics.model_error("store")
            logger.warning("%s; %s", error, self._admission.what_stays)
            if self.current is None or self._record is not None:
                self._serve_from_disk()
            if self._record is not None:
                self._admission.note_unreachable(str(version) for version in self._record.versions)
        self._note_use()

    def _ranked(self, published: list[Published]) -> list[Published]:
        if self._pinned is not None:
            return [found for found in published if found.version == self._pinned]
        releases = [found for found in published if not found.version.prerelease]
        return sorted(releases, key=lambda found: found.version, reverse=True)

    def _change_over(self, ranked: list[Published]) -> None:
        for candidate in ranked:
            if self.current is not None and self.current.version == str(candidate.version):
                return
            if self._admission.from_bucket(candidate, current=True):
                return

    def _stays_beside(self, version: str) -> bool:
        """Whether a version is kept when another becomes current."""
        return version in self._store.disk.asked(self.name) | self._named

    @property
    def _named(self) -> set[str]:
        """The versions of the deployment."""
        return {str(version) for version in self._record.versions} if self._record is not None else set()

    def _hold_named(self, record: Deployment, published: list[Published]) -> None:
        found = {candidate.version: candidate for candidate in published}
        for version in record.versions:
            if record is not self._record:
                # Another has come meanwhile, and with it the next refresh.
                return
            current = version == record.stable
            held = self._shelf.find(self.name, str(version))
            if held is None and version in found:
                self._admission.from_bucket(found[version], current=current)
            elif held is None:
                self._admission.refuse(
                    str(version), NotPublished(f"{self.name} {version} is not in the bucket: publish it")
                )
            elif current and held is not self.current:
                self._admission.make_current(held)

    def _serve_asked(self, published: dict[str, Published]) -> None:
        asked = self._store.disk.asked(self.name)
        for version in sorted(asked & published.keys()):
            if self._shelf.find(self.name, version) is None and not self._admission.from_bucket(
                published[version], current=False
            ):
                # An operator may ask again; looking for room at each refresh would only download in circles.
                self._store.disk.ask(self.name, version, wanted=False)
        # Taken back by an operator, or withdrawn from the bucket.
        kept = (self._store.disk.asked(self.name) & published.keys()) | self._named
        for predictor in self._shelf.loaded():
            if (
                predictor.name == self.name
                and predictor.version not in kept
                and self._shelf.drop(self.name, predictor.version)
            ):
                self._on_change()

    def _serve_from_disk(self) -> None:
        """Begin with what an earlier server left, unless something is served by then."""
        if self._record is not None:
            kept = self._store.kept()
            for version in self._record.versions:
                if version in kept and self._shelf.find(self.name, str(version)) is None:
                    self._admission.from_disk(version, current=version == self._record.stable)
            return
        published = {found.version for found in self._listed}
        for version in self._store.kept():
            if self.current is not None:
                return
            allowed = not version.prerelease if self._pinned is None else version == self._pinned
            # Where the bucket could be listed, what was withdrawn from it is not served from here either.
            if allowed and (not published or version in published):
                self._admission.from_disk(version, current=True, first=True)

    def _note_use(self) -> None:
        current = self.current
        versions = [Version.parse(found.version) for found in self._shelf.loaded() if found.name == self.name]
        self._store.disk.served(self.name, versions, None if current is None else Version.parse(current.version))
