"""Which version is served: follows the bucket in a thread of its own and changes over in one assignment.

The highest published release wins, or the version that was pinned. Whatever cannot be verified or loaded is refused,
and the server stays with what it has.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from contract.objects import Version
from serving.metrics import Metrics
from serving.model import ModelRefused
from serving.predictor import Predictor
from serving.store import Files, Published, Store, StoreUnreachable, VersionCorrupt

logger = logging.getLogger(__name__)

Fingerprint = frozenset[tuple[str, str]]


class Catalogue:
    """Holds the predictor of the version that is served now."""

    def __init__(
        self,
        store: Store,
        open_version: Callable[[Files], Predictor],
        metrics: Metrics,
        *,
        pinned: Version | None = None,
    ) -> None:
        self._store = store
        self._open = open_version
        self._metrics = metrics
        self._pinned = pinned
        self._refused: set[Fingerprint] = set()
        self._current: Predictor | None = None

    @property
    def current(self) -> Predictor | None:
        """The predictor to answer with; a request keeps the one it started with."""
        return self._current

    def follow(self, stop: threading.Event, *, every_seconds: float) -> None:
        """Refresh until told to stop. Runs in a thread; nothing that happens in a refresh ends it."""
        while not stop.is_set():
            try:
                self.refresh()
            except Exception:
                self._metrics.model_error("refresh")
                logger.exception("refreshing the model failed")
            stop.wait(every_seconds)

    def refresh(self) -> None:
        """Look at the bucket once and change over if another version should be served."""
        try:
            published = self._store.published()
            self._refused &= {found.fingerprint for found in published}
            self._change_over(self._ranked(published))
        except StoreUnreachable as error:
            self._metrics.model_error("store")
            logger.warning("%s; %s", error, self._stays())

    def _ranked(self, published: list[Published]) -> list[Published]:
        if self._pinned is not None:
            return [found for found in published if found.version == self._pinned]
        releases = [found for found in published if not found.version.prerelease]
        return sorted(releases, key=lambda found: found.version, reverse=True)

    def _change_over(self, ranked: list[Published]) -> None:
        for candidate in ranked:
            if self._current is not None and self._current.version == str(candidate.version):
                return
            if candidate.fingerprint not in self._refused and self._serve(candidate):
                return

    def _serve(self, candidate: Published) -> bool:
        try:
            predictor = self._open(self._store.fetch(candidate.version))
        except (VersionCorrupt, ModelRefused) as error:
            # Remembered until one of its objects changes: downloading the same bytes again would change nothing.
            self._refused.add(candidate.fingerprint)
            self._metrics.model_error("corrupt" if isinstance(error, VersionCorrupt) else "load")
            logger.error("refused version %s: %s; %s", candidate.version, error, self._stays())
            return False
        self._current = predictor
        self._metrics.serving(predictor.name, predictor.version)
        self._store.keep_only(candidate.version)
        logger.warning("serving %s %s", predictor.name, predictor.version, extra={"model_version": predictor.version})
        return True

    def _stays(self) -> str:
        return "no version is served" if self._current is None else f"still serving {self._current.version}"
