"""A deployments table that answers what it is given, and what a worker that follows it holds and counts."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from contract import deployment as documents
from contract.deployment import Deployment, Report, replace
from serving.deployments.following import Holding
from serving.deployments.table import Read, TableAway
from tests.lifecycle.table import V1, V2
from tests.serving.process import PATIENCE_SECONDS

SOON_SECONDS = 0.01
NAME = "churn"
Answer = Read | Exception | None
"""Of the table; None: what it answered last."""


class Holder:
    """A model's catalogue, as far as records go."""

    name = NAME

    def __init__(self) -> None:
        self.records: list[Deployment] = []

    def hold(self, record: Deployment) -> None:
        self.records.append(record)

    def holding(self) -> Holding:
        return Holding((V1,), {})


class Counts:
    def __init__(self) -> None:
        self.revisions: list[int] = []
        self.times_away = 0
        self.times_unreported = 0

    def revision(self, model: str, revision: int) -> None:
        self.revisions.append(revision)

    def away(self) -> None:
        self.times_away += 1

    def unreported(self) -> None:
        self.times_unreported += 1


class Table:
    """Answers what it is given, one after the other, and the last of it from then on."""

    region = "us-east-1"

    def __init__(self, *answers: Answer) -> None:
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._last: Answer = Read({}, {})
        self.reads = 0
        self.reports: list[Report] = []
        self.read_only = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        for answer in answers:
            self._answers.put(answer)

    def then(self, answer: Answer) -> None:
        self._answers.put(answer)

    def read(self, names: Sequence[str]) -> Read:
        assert self.may_answer.wait(PATIENCE_SECONDS)
        self.reads += 1
        if not self._answers.empty():
            self._last = self._answers.get() or self._last
        if isinstance(self._last, Exception):
            raise self._last
        assert isinstance(self._last, Read)
        return self._last

    def report(self, name: str, report: Report) -> None:
        if self.read_only:
            raise TableAway("reporting to the table deployments failed: AccessDeniedException")
        self.reports.append(report)

    def withdraw_report(self, name: str, pod: str, worker: int) -> None:
        self.reports.clear()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(SOON_SECONDS / 2)


def read(record: Deployment) -> Read:
    return Read({NAME: record}, {})


def revised(record: Deployment, **changes: Any) -> Deployment:
    return replace(record, revision=record.revision + 1, **changes)


def moved(record: Deployment) -> Deployment:
    """To the second version."""
    weights = (documents.Weight(version=V2, percent=100),)
    return revised(record, stable=V2, weights=weights)
