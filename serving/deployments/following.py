"""The thread that follows the records: reads them again and again, hands on what changed, and reports what is held."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from contract.deployment import Deployment, Report
from contract.objects import Version
from serving.deployments.table import Read, TableAway

logger = logging.getLogger(__name__)

JITTER = 0.25
REPORT_SECONDS = 20.0
"""Between two reports that say the same: operators take a worker that is silent for much longer to have ended."""
REPORT_AGAIN_SECONDS = 0.2
"""From a change of what is held, which comes from another thread, to its report."""


class Table(Protocol):
    """Both ways raise TableAway."""

    region: str

    def read(self, names: Sequence[str]) -> Read: ...

    def report(self, name: str, report: Report) -> None: ...

    def withdraw_report(self, name: str, pod: str, worker: int) -> None: ...


class Holding(NamedTuple):
    """What a worker holds of one model."""

    loaded: tuple[Version, ...]
    refused: Mapping[str, str]
    """By version: why it is not held."""


class Followed(Protocol):
    """Who is told of the records."""

    def follow(self, name: str, record: Deployment) -> None:
        """A model's record has changed, or is there for the first time."""
        ...

    def begin_kept(self, names: Sequence[str]) -> frozenset[str]:
        """The table does not say what to follow, and has not said it before: go on with what an earlier server read.
        Returns those of them that are followed now."""
        ...

    def holding(self, name: str) -> Holding: ...


class Counts(Protocol):
    def away(self) -> None:
        """The table did not answer."""
        ...

    def unreported(self) -> None:
        """A report could not be written."""
        ...


class Follower:
    """Follows the records of some models in a thread of its own, made with `table`, which it opens there."""

    def __init__(
        self,
        open_table: Callable[[], Table],
        names: Sequence[str],
        followed: Followed,
        *,
        pod: str,
        worker: int,
        every_seconds: float,
        counts: Counts,
    ) -> None:
        self._open_table = open_table
        self._names = names
        self._followed = followed
        self._pod = pod
        self._worker = worker
        self._every_seconds = every_seconds
        self._counts = counts
        self._settled = {name: threading.Event() for name in names}
        self._records: dict[str, Deployment] = {}
        self._reported: dict[str, tuple[tuple[object, ...], float]] = {}
        self._refused: Mapping[str, str] = {}
        self._is_away = False
        self._is_unreported = False
        self._stopping = threading.Event()
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deployments", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def settled(self, name: str) -> threading.Event:
        """Set once it is known what to follow: the record, the one that an earlier server read, or that there is none.

        A record that is there and cannot be read settles nothing: whatever was served then might be a version that it
        takes out of service.
        """
        return self._settled[name]

    def stop(self) -> None:
        """Report that this worker has ended, without waiting for it to have been said."""
        self._stopping.set()
        self._changed.set()

    def join(self, seconds: float) -> None:
        """Wait for the last report."""
        self._thread.join(seconds)

    def holding_changed(self) -> None:
        """Report soon."""
        self._changed.set()

    def _run(self) -> None:
        table: Table | None = None
        due = time.monotonic()
        while not self._stopping.is_set():
            try:
                table = table or self._open_table()
                if time.monotonic() >= due:
                    self._read(table)
                self._report(table)
            except Exception as error:
                # Whatever it was, the thread must live on: without it a rollback would never arrive.
                if not self._is_away:
                    logger.exception("following the deployments failed")
                self._note_away(f"following the deployments failed: {type(error).__name__}")
            if time.monotonic() >= due:
                due = time.monotonic() + self._every_seconds * random.uniform(1 - JITTER, 1 + JITTER)
            if self._changed.wait(max(0.0, due - time.monotonic())):
                self._changed.clear()
                # Several changes come close together: one report tells of them all.
                self._stopping.wait(REPORT_AGAIN_SECONDS)
        # Nobody is to wait any more for what will not come.
        self._settle(self._names)
        if table is not None:
            self._withdraw(table)

    def _read(self, table: Table) -> None:
        try:
            records, refused = table.read(self._names)
        except TableAway as error:
            self._note_away(str(error))
            return
        if self._is_away:
            self._is_away = False
            logger.warning("the deployments can be read again")
        for name, record in records.items():
            before = self._records.get(name)
            # Of two reads the later may be the older: each may come from another copy.
            if before is None or record.revision > before.revision or record.created_at != before.created_at:
                self._followed.follow(name, record)
                self._records[name] = record
        self._note_refused(refused)
        self._settle(name for name in self._names if name not in refused)

    def _report(self, table: Table) -> None:
        for name, record in self._records.items():
            held = self._followed.holding(name)
            said = (record.revision, held.loaded, tuple(sorted(held.refused.items())))
            before = self._reported.get(name)
            now = time.monotonic()
            if before is not None and before[0] == said and now - before[1] < REPORT_SECONDS:
                continue
            report = Report(
                region=table.region,
                pod=self._pod,
                worker=self._worker,
                revision=record.revision,
                loaded=held.loaded,
                at=datetime.now(UTC),
                refused=dict(held.refused),
            )
            try:
                table.report(name, report)
            except TableAway as error:
                self._note_unreported(str(error))
                return
            self._is_unreported = False
            self._reported[name] = (said, now)

    def _withdraw(self, table: Table) -> None:
        for name in self._reported:
            try:
                table.withdraw_report(name, self._pod, self._worker)
            except TableAway as error:
                self._note_unreported(str(error))
                return

    def _note_refused(self, refused: Mapping[str, str]) -> None:
        self._settle(self._followed.begin_kept([name for name in refused if name not in self._records]))
        for name, reason in refused.items():
            if self._refused.get(name) != reason:
                instead = "what was read last stays" if self._settled[name].is_set() else "its model waits for another"
                logger.error("the deployment %s is refused, %s: %s", name, instead, reason)
        self._refused = refused

    def _note_away(self, message: str) -> None:
        self._counts.away()
        if not self._is_away:
            self._is_away = True
            logger.warning("%s; what was read last stays", message)
        if unknown := [name for name, settled in self._settled.items() if not settled.is_set()]:
            self._settle(self._followed.begin_kept(unknown))

    def _settle(self, names: Iterable[str]) -> None:
        for name in names:
            self._settled[name].set()

    def _note_unreported(self, message: str) -> None:
        """Other than reading, so that a pod that may not write still follows, and says so once."""
        self._counts.unreported()
        if not self._is_unreported:
            self._is_unreported = True
            logger.warning("%s; operators do not see what this worker holds", message)
