"""Drives the canary of one deployment to its end, from wherever it stands, one conditional write at a time.

What it knows lies in the record: a controller that dies is replaced by any other, started by anybody, at any moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from contract.deployment import Canary, Change, Deployment
from contract.objects import Version
from ops.aws_errors import code_of
from ops.canary import decide
from ops.canary.actions import JUDGED, Action
from ops.canary.decide import Decision, Pace, Step
from ops.canary.ending import Ended, Outcome, ending_of
from ops.canary.evidence import Evidence
from ops.canary.gates import Figures
from ops.canary.measuring import Unmeasured
from ops.rollout import transitions
from ops.rollout.lease import RENEW_SECONDS, Lease, Leases
from ops.rollout.presence import presence_of
from ops.rollout.records import LeaseLost, RecordConflict, Records


class Measure(Protocol):
    """Gives the figures of the versions of a canary since its stage began; raises Unmeasured."""

    def __call__(self, model: str, canary: Canary, stable: Version, until: datetime) -> Figures: ...


Notify = Callable[[Deployment, Change], object]
"""Told how a controller ended a canary, perhaps more than once for the same revision; must not raise."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a controller saw and made of it, for whoever watches."""

    deployment: Deployment | None
    at: datetime
    figures: Figures | None
    said: str


class Controller:
    """`Controller(...).run("churn")` returns once the canary is over, or is another controller's."""

    def __init__(
        self,
        records: Records,
        leases: Leases,
        measure: Measure,
        notify: Notify,
        *,
        by: str,
        clock: Callable[[], datetime],
        wait: Callable[[float], object],
        pace: Pace | None = None,
        progress: Callable[[Look], object] = lambda _: None,
    ) -> None:
        self._records = records
        self._leases = leases
        self._measure = measure
        self._notify = notify
        self._by = by
        self._clock = clock
        self._wait = wait
        self._pace = pace or Pace()
        self._progress = progress

    def run(self, deployment_id: str) -> Outcome:
        """Raise NoDeployment, InvalidDeployment, or botocore's errors; LeaseLost and absence are outcomes."""
        record = self._records.get(deployment_id)
        if record.canary is None:
            return self._over(record, None, None)
        trial = record.canary
        lease = self._acquire(deployment_id, trial)
        try:
            last = self._drive(deployment_id, trial, lease) if lease is not None else record
        except LeaseLost as error:
            return Outcome(
                deployment=deployment_id, ended=Ended.LEASE_LOST, version=trial.version, by="", reason=str(error)
            )
        finally:
            if lease is not None:
                self._release(lease)
        return self._over(self._records.get(deployment_id), trial, last)

    def _acquire(self, deployment_id: str, trial: Canary) -> Lease | None:
        """The lease, once it is free; None where the canary was over before."""
        while True:
            lease = self._leases.acquire(deployment_id)
            if lease is not None:
                return lease
            record = self._records.get(deployment_id)
            if not _same_trial(record, trial):
                return None
            self._tell("another controller acts: waiting for its end", record)
            self._wait(min(self._pace.look_seconds, RENEW_SECONDS))

    def _drive(self, deployment_id: str, trial: Canary, lease: Lease) -> Deployment:
        """Look and act until the canary is over; returns the last record in which it was not."""
        evidence: Evidence | None = None
        last = self._records.get(deployment_id)
        away_since: datetime | None = None
        while True:
            try:
                self._renew(lease)
                record = self._records.get(deployment_id)
                if not _same_trial(record, trial) or record.canary is None:
                    return last
                last = record
                if evidence is None or not evidence.belongs_to(record.canary):
                    evidence = Evidence.of(record.canary)
                decision = self._look(record, record.canary, evidence, lease)
                self._act(decision, record, record.canary, evidence, lease)
                away_since = None
            except (BotoCoreError, ClientError, RecordConflict) as error:
                now = self._clock()
                away_since = away_since or now
                if not _passes(error) or (now - away_since).total_seconds() > self._pace.away_seconds:
                    raise
                self._tell(f"the table could not be used, trying again: {type(error).__name__}", None)
                self._sleep(lease)
                continue
            if decision.step is Step.STAY:
                self._sleep(lease)

    def _look(self, record: Deployment, canary: Canary, evidence: Evidence, lease: Lease) -> Decision:
        presence = presence_of(self._records.reports(record.deployment_id), self._clock())
        now, figures = self._clock(), None
        if canary.stage_began_at is None:
            decision = decide.before_traffic(record, canary, presence, now, self._pace)
        else:
            try:
                figures = self._measure(record.model, canary, record.stable, now)
            except Unmeasured as error:
                now = self._clock()
                decision = decide.unmeasured(str(error), evidence, now, self._pace)
            else:
                evidence.add(figures, now)
                decision = decide.in_stage(canary, figures, evidence, presence, now, self._pace)
            # Queries may have taken longer than a lease lasts.
            self._renew(lease)
        self._progress(Look(deployment=record, at=now, figures=figures, said=decision.reason))
        return decision

    def _act(self, decision: Decision, judged: Deployment, canary: Canary, evidence: Evidence, lease: Lease) -> None:
        """Write what was decided, unless the canary is no longer where it was judged."""
        if decision.step is Step.STAY:
            if not evidence.due(canary, self._clock(), self._pace.evidence_seconds):
                return
            action, noted = Action.EVIDENCE_NOTED, False
        else:
            action, noted = _ACTIONS[decision.step], True
        now = self._clock()
        figures = evidence.to_mapping(next_stage=decision.step is Step.ENTER)

        def make(record: Deployment) -> Deployment:
            if not _same_stage(record, canary):
                return record
            match decision.step:
                case Step.STAY:
                    return transitions.note_evidence(record, figures)
                case Step.ENTER:
                    return transitions.note_evidence(transitions.enter_stage(record, decision.stage, now), figures)
                case Step.PASS:
                    return transitions.finish_canary(record)
                case Step.WITHDRAW:
                    return transitions.withdraw_canary(record)

        reason = f"{canary.version}: {decision.reason}" if decision.step is Step.WITHDRAW else decision.reason
        self._records.change(
            judged.deployment_id, make, by=self._by, action=action, reason=reason, lease=lease, noted=noted
        )
        evidence.written(now)

    def _over(self, record: Deployment, trial: Canary | None, last: Deployment | None) -> Outcome:
        """How the canary ended, by the history, which also tells a controller that died before it could say so."""
        change = ending_of(self._records.history(record.deployment_id), last.revision if last else None)
        if change is None:
            said = f"{record.deployment_id} tries no version: it serves {record.stable}"
            return Outcome(deployment=record.deployment_id, ended=Ended.NOTHING, version=None, by="", reason=said)
        if change.action in JUDGED:
            self._notify(record, change)
        return Outcome.of(record.deployment_id, change, trial.version if trial else None)

    def _sleep(self, lease: Lease) -> None:
        """Until the next look, with the lease kept."""
        left = self._pace.look_seconds
        while left > 0:
            slept = min(left, RENEW_SECONDS)
            self._wait(slept)
            left -= slept
            if left > 0:
                self._renew(lease)

    def _renew(self, lease: Lease) -> None:
        if not self._leases.renew(lease):
            raise LeaseLost(f"another controller has taken over the deployment {lease.key.range!r}")

    def _release(self, lease: Lease) -> None:
        try:
            self._leases.release(lease)
        except (BotoCoreError, ClientError) as error:
            # It runs out by itself.
            self._tell(f"the lease could not be given up: {type(error).__name__}", None)

    def _tell(self, said: str, record: Deployment | None) -> None:
        self._progress(Look(deployment=record, at=self._clock(), figures=None, said=said))


_ACTIONS = {
    Step.ENTER: Action.STAGE_ENTERED,
    Step.PASS: Action.CANARY_PASSED,
    Step.WITHDRAW: Action.CANARY_WITHDRAWN,
}


def _same_trial(record: Deployment, trial: Canary) -> bool:
    return record.canary is not None and record.canary.id == trial.id


def _same_stage(record: Deployment, judged: Canary) -> bool:
    """So that a write whose answer was lost, or one that came too late, is not made a second time."""
    now = record.canary
    return now is not None and (now.id, now.stage, now.stage_began_at) == (
        judged.id,
        judged.stage,
        judged.stage_began_at,
    )


_BUSY = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TransactionInProgressException",
    }
)


def _passes(error: Exception) -> bool:
    """Whether it may go by itself: a right that is missing does not come by waiting."""
    if not isinstance(error, ClientError):
        return True
    response: Any = error.response
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return status >= 500 or code_of(error) in _BUSY
