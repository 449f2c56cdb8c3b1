"""A deployment with pods, traffic and a clock of its own, for canaries that take no time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from contract import deployment as documents
from contract import registry
from contract.deployment import Canary, Change, Deployment, Gates, Report, Stage
from contract.objects import Version
from ops.canary import byhand
from ops.canary.controller import Controller, Look
from ops.canary.decide import Pace
from ops.canary.gates import Figures
from ops.canary.measurements import Measured, Shadowed
from ops.canary.measuring import Unmeasured
from ops.rollout.lease import Leases
from ops.rollout.records import Records
from tests.lifecycle.table import NOW, TABLE, V1, V2, churn

NAME = "churn"
STAGES = (Stage(percent=10, seconds=20), Stage(percent=50, seconds=20), Stage(percent=100, seconds=20))
GATES = Gates(min_requests=100, min_shadowed=50)
WRITES = frozenset({"put_item", "update_item", "transact_write_items", "delete_item"})


class Crash(BaseException):
    """The controller's process is gone."""


class Fragile:
    """A client whose process ends at a write: before it reaches the table, or once it took effect."""

    def __init__(self, client: Any, at: int, *, after: bool) -> None:
        self._client = client
        self._left = at
        self._after = after
        self._dead = False
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name not in WRITES | {"get_item"}:
            return call

        def guarded(**arguments: Any) -> Any:
            if self._dead:
                raise Crash
            if name not in WRITES:
                return call(**arguments)
            self.writes += 1
            self._left -= 1
            if self._left != 0:
                return call(**arguments)
            self._dead = True
            if self._after:
                call(**arguments)
            raise Crash

        return guarded


class World:
    """`world.start()` puts V2 on trial beside V1; `world.controller().run(NAME)` drives it."""

    def __init__(self, dynamodb: Any, *, seed: int = 0) -> None:
        self.dynamodb = dynamodb
        self.now = NOW
        self.requests_per_second = 100
        self.error_shares: dict[Version, float] = {V1: 0.0, V2: 0.0}
        self.first_errors = 0
        """Of the version on trial, at the beginning of its first stage with traffic."""
        self.slow_shares: dict[Version, float] = {V1: 0.03, V2: 0.03}
        self.p95_ms = 40.0
        self.differing_share = 0.0
        self.crashes = 0
        self.prometheus_away = False
        self.pods = ["pod-a", "pod-b"]
        self.refused: dict[str, str] = {}
        """By pod: why it does not hold the version on trial."""
        self.unloadable: dict[str, Version] = {}
        """By pod: a version that it never holds."""
        self.stuck: set[str] = set()
        """Pods that no longer follow."""
        self.notices: list[Change] = []
        self.looks: list[Look] = []
        self.on_wait: Callable[[], object] = lambda: None
        self._random = random.Random(seed)
        self._counts: dict[tuple[str, int, datetime | None, Version], tuple[int, int, int]] = {}
        self._followed: dict[str, Deployment] = {}
        self.records = self._records(dynamodb)
        self.records.create(churn(), action="created", reason="")
        self.report()

    def start(self, *, stages: tuple[Stage, ...] = STAGES, gates: Gates = GATES) -> Deployment:
        return byhand.start(
            self.records,
            NAME,
            V2,
            stages=stages,
            gates=gates,
            may_serve=lambda *_: None,
            by="ada",
            reason="",
            clock=self.clock,
        )

    def controller(self, client: Any = None, *, pace: Pace | None = None, by: str = "controller") -> Controller:
        reached = client or self.dynamodb
        leases = Leases(reached, TABLE, documents.DEFAULT_TENANT, clock=lambda: self.now.timestamp())
        return Controller(
            self._records(reached),
            leases,
            self.measure,
            lambda _, change: self.notices.append(change),
            by=by,
            clock=self.clock,
            wait=self.wait,
            pace=pace,
            progress=self.looks.append,
        )

    def clock(self) -> datetime:
        return self.now

    def wait(self, seconds: float) -> None:
        """Nobody sleeps: time goes on, pods follow, and what a test planned for this moment happens."""
        self.now += timedelta(seconds=seconds)
        self.report()
        self.on_wait()

    def report(self) -> None:
        """Each pod loads what the record names, but for what it refuses."""
        newest = self.records.get(NAME)
        for pod in self.pods:
            record = self._followed[pod] = self._followed[pod] if pod in self.stuck else newest
            tried = record.canary.version if record.canary else None
            why = self.refused.get(pod)
            lacked = {self.unloadable.get(pod), tried if why else None}
            report = Report(
                region="us-east-1",
                pod=pod,
                worker=0,
                revision=record.revision,
                loaded=tuple(version for version in record.versions if version not in lacked),
                refused={str(tried): why} if why and tried else {},
                at=self.now,
            )
            key = registry.report(record.tenant, NAME, report.region, pod, 0)
            document = {registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(report).decode()}}
            self.dynamodb.put_item(TableName=TABLE, Item={**key.item, **document})

    def measure(self, model: str, canary: Canary, stable: Version, until: datetime) -> Figures:
        if self.prometheus_away:
            raise Unmeasured("Prometheus at http://metrics:9090 cannot be reached")
        began = canary.stage_began_at or until
        sent = round((until - began).total_seconds() * self.requests_per_second)
        tried = sent * canary.now.percent // documents.WHOLE_PERCENT
        copies = sent * canary.now.shadow_percent // documents.WHOLE_PERCENT
        return Figures(
            candidate=self._measured(canary, canary.version, tried),
            stable=self._measured(canary, stable, sent - tried),
            shadowed=Shadowed(compared=copies, differing=round(copies * self.differing_share), failed=0, dropped=0),
        )

    def current(self) -> Deployment:
        return self.records.get(NAME)

    def actions(self) -> list[str]:
        """Of the history, the oldest first."""
        return [change.action for change in self.records.history(NAME)][::-1]

    def _measured(self, canary: Canary, version: Version, requests: int) -> Measured:
        """Counters only grow, so what was drawn for a stage is kept and added to."""
        key = (canary.id, canary.stage, canary.stage_began_at, version)
        before, errors, slow = self._counts.get(key, (0, 0, 0))
        if version == canary.version and canary.stage == 0 and requests and not before:
            errors += self.first_errors
        for _ in range(requests - before):
            errors += self._random.random() < self.error_shares[version]
            slow += self._random.random() < self.slow_shares[version]
        self._counts[key] = (max(requests, before), errors, slow)
        return Measured(
            requests=requests,
            errors=errors,
            timed=requests,
            slow=slow,
            p95_ms=self.p95_ms if requests else None,
            p95_bound_ms=self.p95_ms if requests else None,
            crashes=self.crashes,
        )

    def _records(self, client: Any) -> Records:
        return Records(client, TABLE, now=lambda: self.now.astimezone(UTC), pause=lambda _: None)
