"""All the models that a server serves: which were named, where requests find them, and the threads that follow them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from serving import disk, shelf, store
from serving.catalogue import BUCKET_PATIENCE_SECONDS, Catalogue, Entry
from serving.counting import DeploymentCounts
from serving.deployments.deployments import Deployments
from serving.deployments.following import Follower
from serving.deployments.opening import Followers
from serving.deployments.routing import Routing
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.shelf import Shelf
from serving.signature import TrustedKeys
from serving.store import Files, Store
from serving.wanted import Wanted

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Models:
    """The models that were named, each followed in a thread of its own. Only look-ups run on the event loop."""

    def __init__(
        self, catalogues: Sequence[Catalogue], held: Shelf, deployments: Deployments, follower: Follower | None = None
    ) -> None:
        if not catalogues:
            raise ValueError("no model is named: name at least one")
        self._catalogues = {catalogue.name: catalogue for catalogue in catalogues}
        self._held = held
        self._deployments = deployments
        self._follower = follower
        self._settled: set[str] = set()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.default = catalogues[0].name
        """The model that a request without a name means: the first that was named."""

    @classmethod
    def of_bucket(
        cls,
        s3: S3Client,
        bucket: str,
        named: Sequence[Wanted],
        open_version: Callable[[Files], Predictor],
        metrics: Metrics,
        *,
        cache_dir: Path,
        trusted: TrustedKeys,
        variant: str | None = None,
        max_disk_bytes: int = disk.DEFAULT_MAX_BYTES,
        max_memory_bytes: int = shelf.DEFAULT_MAX_BYTES,
        threads: int = store.DEFAULT_THREADS,
        followers: Followers | None = None,
        counts: DeploymentCounts | None = None,
    ) -> Models:
        """Models from one bucket, over one disk and one bound on memory; `followers` where deployments are followed."""
        held = Shelf(max_memory_bytes)
        follower: Follower | None = None

        def holding_changed() -> None:
            if follower is not None:
                follower.holding_changed()

        catalogues = [
            Catalogue(
                Store(
                    s3,
                    bucket,
                    model.name,
                    cache_dir,
                    max_disk_bytes=max_disk_bytes,
                    threads=threads,
                    trusted=trusted,
                    variant=variant,
                ),
                open_version,
                metrics,
                pinned=model.version,
                shelf=held,
                on_change=holding_changed,
            )
            for model in named
        ]
        deployments = Deployments(catalogues, cache_dir, counts or DeploymentCounts(metrics))
        if followers is not None:
            follower = followers([model.name for model in named], deployments)
        return cls(catalogues, held, deployments, follower)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._catalogues)

    @property
    def missing(self) -> tuple[str, ...]:
        """Models that have no version to answer with yet, or at the start not every one that their deployment names."""
        return tuple(name for name, catalogue in self._catalogues.items() if not self._is_there(name, catalogue))

    @property
    def routings(self) -> Mapping[str, Routing]:
        return self._deployments.routings

    @property
    def ready(self) -> bool:
        return not self.missing

    def find(self, name: str, version: str | None = None) -> Predictor | None:
        """The version of the model, its current one where none is named, or None where that is not loaded."""
        return self._held.find(name, version)

    def loaded(self) -> Sequence[Predictor]:
        """Every version in memory."""
        return self._held.loaded()

    def index(self) -> list[Entry]:
        """Every published version of every model, as the last refresh found them."""
        return [entry for catalogue in self._catalogues.values() for entry in catalogue.entries()]

    def load(self, name: str, version: str) -> bool:
        """Have a version loaded besides the current one; False where no such version is published. Does not wait."""
        return self._ask(name, version, wanted=True)

    def unload(self, name: str, version: str) -> bool:
        """Take back a `load`; False where no such version is published, or it is the current one. Does not wait."""
        current = self.find(name)
        if current is not None and current.version == version:
            return False
        return self._ask(name, version, wanted=False)

    def start(self, *, every_seconds: float) -> None:
        """Follow the bucket and the deployments from now on; the first look begins at once."""
        if self._follower is not None:
            self._follower.start()
        for catalogue in self._catalogues.values():
            thread = threading.Thread(
                target=catalogue.follow,
                args=(self._stop,),
                kwargs={"every_seconds": every_seconds, "before": partial(self._await_deployment, catalogue.name)},
                name=f"catalogue-{catalogue.name}",
                daemon=True,
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Follow no longer; returns at once, since the threads are daemons and may be in the middle of a download."""
        self._stop.set()
        if self._follower is not None:
            self._follower.stop()
        for catalogue in self._catalogues.values():
            catalogue.wake()

    def close(self, seconds: float) -> None:
        """Wait that long for the last report to the deployments table."""
        if self._follower is not None:
            self._follower.join(seconds)

    def _is_there(self, name: str, catalogue: Catalogue) -> bool:
        if self._held.find(name) is None:
            return False
        # Once a server is ready, a version that it lacks is answered for by the stable one.
        if (
            name not in self._settled
            and catalogue.settled
            and (self._follower is None or self._follower.settled(name).is_set() or name in self.routings)
        ):
            self._settled.add(name)
        return name in self._settled

    def _await_deployment(self, name: str) -> None:
        """Know the model's deployment before its first version is loaded: the highest may be one that was rejected.

        Where the table takes its time, what an earlier server read will do; without that, only the table's answer.
        """
        if self._follower is None or self._follower.settled(name).wait(BUCKET_PATIENCE_SECONDS):
            return
        if not self._deployments.begin_kept([name]):
            self._follower.settled(name).wait()

    def _ask(self, name: str, version: str, *, wanted: bool) -> bool:
        catalogue = self._catalogues.get(name)
        if catalogue is None or version not in {entry.version for entry in catalogue.entries()}:
            return False
        catalogue.ask(version, wanted=wanted)
        return True
