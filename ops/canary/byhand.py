"""What an operator does to a canary: start it, promote it before its time, abort it. Each is one conditional write."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from contract.deployment import Deployment, Gates, Stage
from contract.objects import Version
from ops.canary.actions import Action
from ops.rollout import transitions
from ops.rollout.presence import presence_of
from ops.rollout.records import Records
from ops.rollout.transitions import ChangeRefused

Clock = Callable[[], datetime]
MayServe = Callable[[str, Version], object]
"""Given a model and a version; raises where the version may not be given traffic."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def start(
    records: Records,
    name: str,
    version: Version,
    *,
    stages: tuple[Stage, ...],
    gates: Gates,
    may_serve: MayServe,
    by: str,
    reason: str,
    allow_older: bool = False,
    clock: Clock = utc_now,
) -> Deployment:
    """Raise NoDeployment, ChangeRefused, InvalidDeployment, or what `may_serve` raises; then nothing was changed."""
    canary_id = uuid.uuid4().hex

    def make(record: Deployment) -> Deployment:
        if record.canary is not None and record.canary.id == canary_id:
            # The write took effect although its answer was lost.
            return record
        return transitions.start_canary(
            record,
            version,
            canary_id=canary_id,
            stages=stages,
            gates=gates,
            by=by,
            now=clock(),
            allow_older=allow_older,
        )

    # First what needs no look at the bucket: of two faults the nearer one is told.
    may_serve(make(records.get(name)).model, version)
    return records.change(name, make, by=by, action=Action.CANARY_STARTED, reason=reason or f"{version} on trial")


def promote(records: Records, name: str, *, by: str, reason: str, clock: Clock = utc_now) -> Deployment:
    """Give the version on trial everything at once; raise ChangeRefused unless every live worker holds it."""

    def make(record: Deployment) -> Deployment:
        version = transitions.on_trial(record).version
        presence = presence_of(records.reports(name), clock())
        if not presence.holds((version,)):
            raise ChangeRefused(f"{name} stays as it is: {presence.explain(version)}")
        return transitions.finish_canary(record)

    return records.change(name, make, by=by, action=Action.CANARY_PROMOTED, reason=reason)


def abort(records: Records, name: str, *, by: str, reason: str) -> Deployment:
    """End the trial: the stable version answers everything again. Raise ChangeRefused where nothing is on trial."""
    return records.change(name, transitions.withdraw_canary, by=by, action=Action.CANARY_ABORTED, reason=reason)
