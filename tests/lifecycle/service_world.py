"""Several deployments with pods, traffic and one time of their own, and services that drive their canaries in threads.

Time goes on when a driver waits; leases alone go by the real clock, which nobody moves for another.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from contract import deployment as documents
from contract import registry
from contract.deployment import Canary, Change, Deployment, Gates, Report, Stage
from contract.objects import Version
from ops.canary import byhand
from ops.canary.gates import Figures
from ops.canary.measurements import Measured, Shadowed
from ops.canary.service import LeasesAtHand, Rhythm, Service
from ops.canary.standing import Cast, Drives
from ops.canary.tally import Tally
from ops.canary.trials import Trials
from ops.rollout import transitions
from ops.rollout.records import Records
from tests.lifecycle.canary_world import WRITES
from tests.lifecycle.table import NOW, TABLE, V1, V2

STAGES = (Stage(percent=10, seconds=10), Stage(percent=100, seconds=10))
GATES = Gates(min_requests=100)
REQUESTS_PER_SECOND = 100
LEASE_SECONDS = 0.4
QUICK = Rhythm(look_seconds=0.02, retry_seconds=0.05, retell_seconds=1.0, stop_seconds=10.0)


class Killed(SystemExit):
    """The service's process is gone: its threads end where they are, and none of its errors is anybody's to catch."""


class Mortal:
    """A client whose process ends at a write: before it reaches the table, or once it took effect."""

    def __init__(self, client: Any, at: int, *, after: bool) -> None:
        self._client = client
        self._left = at
        self._after = after
        self._lock = threading.Lock()
        self.dead = threading.Event()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)

        def guarded(*given: Any, **arguments: Any) -> Any:
            with self._lock:
                self._alive()
                if name in WRITES:
                    self._left -= 1
                    if self._left == 0:
                        self.dead.set()
                        if self._after:
                            call(*given, **arguments)
                self._alive()
            return call(*given, **arguments)

        return guarded

    def _alive(self) -> None:
        if self.dead.is_set():
            raise Killed


class Many:
    """`many.start("churn")` puts V2 on trial there; `many.service()` drives whatever is on trial."""

    def __init__(self, dynamodb: Any, names: Iterable[str], began: datetime = NOW) -> None:
        self.names = tuple(names)
        self.error_shares: dict[str, float] = dict.fromkeys(self.names, 0.0)
        """Of the version on trial."""
        self.told: dict[str, list[Change]] = defaultdict(list)
        self.tallies: list[Tally] = []
        self._dynamodb = dynamodb
        self._now = began
        self._changed = threading.Condition()
        self.records = Records(dynamodb, TABLE, now=self.clock)
        for name in self.names:
            self.records.create(transitions.new(name, V1, by="ada", now=began), action="created", reason="")

    def start(self, *names: str) -> None:
        for name in names or self.names:
            byhand.start(
                self.records,
                name,
                V2,
                stages=STAGES,
                gates=GATES,
                may_serve=lambda *_: None,
                by="ada",
                reason="",
                clock=self.clock,
            )

    def clock(self) -> datetime:
        with self._changed:
            return self._now.astimezone(UTC)

    def service(self, stop: threading.Event, client: Any = None, *, by: str = "service") -> Service:
        reached = client or self._dynamodb
        records = Records(reached, TABLE, now=self.clock)
        trials = Trials(reached, TABLE, documents.DEFAULT_TENANT)
        tally = Tally(stuck_seconds=60.0)
        self.tallies.append(tally)
        cast = Cast(
            records=records,
            leases=LeasesAtHand(reached, TABLE, documents.DEFAULT_TENANT, seconds=LEASE_SECONDS),
            measure=lambda: self._measure,
            notify=self._teller(reached),
            by=by,
            clock=self.clock,
        )

        def wait(seconds: float) -> bool:
            self._pass(seconds)
            return stop.wait(0.005)

        return Service(
            trials.running,
            lambda: trials.judged(records, NOW - timedelta(days=1)),
            Drives(cast, tally, wait, stop.is_set),
            tally,
            stop=stop,
            rhythm=QUICK,
        )

    def wait_for_all(self) -> None:
        """Every canary has come to its end, and somebody was told of it."""
        assert self.wait_until_told(self.names, 60.0), f"told of {sorted(self.told)} alone"

    def wait_until_told(self, names: Iterable[str], seconds: float) -> bool:
        """Whether somebody was told of these canaries' ends in that time."""
        with self._changed:
            return self._changed.wait_for(lambda: set(names) <= self.told.keys(), seconds)

    def current(self, name: str) -> Deployment:
        return self.records.get(name)

    def history(self, name: str) -> list[Change]:
        """The oldest first."""
        return [*self.records.history(name)][::-1]

    def _teller(self, client: Any) -> Callable[[Deployment, Change], object]:
        def tell(record: Deployment, change: Change) -> None:
            # Whose process is gone tells nobody.
            if not (isinstance(client, Mortal) and client.dead.is_set()):
                with self._changed:
                    self.told[record.deployment_id].append(change)
                    self._changed.notify_all()

        return tell

    def _pass(self, seconds: float) -> None:
        with self._changed:
            self._now += timedelta(seconds=seconds)
            now = self._now
        for name in self.names:
            self._report(name, now)

    def _report(self, name: str, now: datetime) -> None:
        record = self.records.get(name)
        report = Report(
            region="us-east-1", pod="pod", worker=0, revision=record.revision, loaded=record.versions, at=now
        )
        key = registry.report(record.tenant, name, report.region, report.pod, report.worker)
        document = {registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(report).decode()}}
        self._dynamodb.put_item(TableName=TABLE, Item={**key.item, **document})

    def _measure(self, model: str, canary: Canary, stable: Version, until: datetime) -> Figures:
        sent = round((until - (canary.stage_began_at or until)).total_seconds() * REQUESTS_PER_SECOND)
        tried = sent * canary.now.percent // documents.WHOLE_PERCENT
        return Figures(
            candidate=_measured(tried, self.error_shares[model]),
            stable=_measured(sent - tried, 0.0),
            shadowed=Shadowed(compared=0, differing=0, failed=0, dropped=0),
        )


def run_until(condition: Callable[[], object], services: Sequence[tuple[Service, threading.Event]]) -> None:
    """Run the services, each in a thread like a process of its own, for as long as the condition takes."""
    threads = [threading.Thread(target=service.run, name=f"service {n}") for n, (service, _) in enumerate(services)]
    for thread in threads:
        thread.start()
    try:
        condition()
    finally:
        for _, stop in services:
            stop.set()
        for thread in threads:
            thread.join(30)
    assert not any(thread.is_alive() for thread in threads)


def _measured(requests: int, error_share: float) -> Measured:
    answered = 40.0 if requests else None
    return Measured(
        requests=requests,
        errors=round(requests * error_share),
        timed=requests,
        slow=0,
        p95_ms=answered,
        p95_bound_ms=answered,
        crashes=0,
    )
