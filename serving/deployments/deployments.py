"""The records as they take effect in one worker: what each model's catalogue holds, and where requests go."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from contract import deployment as documents
from contract.deployment import Deployment, InvalidDeployment
from serving import disk
from serving.deployments.following import Holding
from serving.deployments.routing import Routing

logger = logging.getLogger(__name__)

_KEPT = "deployment.json"


class Holder(Protocol):
    """One model's versions."""

    name: str

    def hold(self, record: Deployment) -> None:
        """Hold the versions that the record names, in place of what the bucket says."""
        ...

    def holding(self) -> Holding: ...


class Counts(Protocol):
    def revision(self, model: str, revision: int) -> None: ...


class Deployments:
    """What was read last, kept on disk as well: a restart goes on with it while the table is away."""

    def __init__(self, holders: Sequence[Holder], cache_dir: Path, counts: Counts) -> None:
        self.routings: Mapping[str, Routing] = {}
        """By model; a model without a record has none. Replaced as a whole, so that a look needs no lock."""
        self._holders = {holder.name: holder for holder in holders}
        self._cache_dir = cache_dir
        self._counts = counts
        self._applying = threading.Lock()
        """What is on disk is looked for in the catalogues' threads, and must not come after what was read."""

    def follow(self, name: str, record: Deployment) -> None:
        """A model's record has changed, or is there for the first time."""
        with self._applying:
            self._apply(name, record)
        try:
            disk.replace(self._path(name), documents.encode(record))
        except OSError as error:
            # A full disk must not keep a rollback from taking effect.
            logger.error("the deployment %s could not be kept on disk: %s", name, error.strerror)

    def begin_kept(self, names: Sequence[str]) -> frozenset[str]:
        """Go on with what an earlier server read of these, where nothing was read since; returns those followed now."""
        for name in names:
            with self._applying:
                if name not in self.routings and (record := self._kept(name)) is not None:
                    self._apply(name, record)
        return frozenset(name for name in names if name in self.routings)

    def holding(self, name: str) -> Holding:
        return self._holders[name].holding()

    def _apply(self, name: str, record: Deployment) -> None:
        routing = Routing(record)
        self.routings = {**self.routings, name: routing}
        self._holders[name].hold(record)
        self._counts.revision(name, record.revision)
        logger.warning("%s follows %s", name, routing)

    def _kept(self, name: str) -> Deployment | None:
        try:
            return documents.decode(self._path(name).read_bytes(), Deployment)
        except FileNotFoundError:
            return None
        except (OSError, InvalidDeployment) as error:
            logger.error("what was kept of the deployment %s cannot be read: %s", name, error)
            return None

    def _path(self, name: str) -> Path:
        return self._cache_dir / name / _KEPT
