"""What each change makes of a deployment: functions from record to record that refuse what may not be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from contract import deployment as documents
from contract.deployment import Canary, Deployment, Gates, Shadow, Stage, Weight
from contract.objects import Version


class ChangeRefused(ValueError):
    """The deployment may not be changed so as it is; the message says why and what to do."""


def new(
    deployment_id: str,
    version: Version,
    *,
    by: str,
    now: datetime,
    model: str | None = None,
    tenant: str = documents.DEFAULT_TENANT,
) -> Deployment:
    """A deployment whose one version answers everything; its model has its name unless another is given."""
    return Deployment(
        tenant=tenant,
        deployment_id=deployment_id,
        model=model or deployment_id,
        created_at=now,
        revision=1,
        changed_at=now,
        changed_by=by,
        stable=version,
        weights=_whole(version),
    )


def start_canary(
    record: Deployment,
    version: Version,
    *,
    canary_id: str,
    stages: tuple[Stage, ...],
    gates: Gates,
    by: str,
    now: datetime,
    allow_older: bool = False,
) -> Deployment:
    """Put a version on trial. It gets nothing yet: pods must load it first, see `enter_stage`."""
    if record.canary is not None:
        raise ChangeRefused(
            f"{record.deployment_id} tries {record.canary.version} already, at {record.canary.now.percent} percent: "
            "wait for its end, or abort it"
        )
    if version == record.stable:
        raise ChangeRefused(f"{record.deployment_id} serves {version} already: name another version")
    if record.percent_of(record.stable) != documents.WHOLE_PERCENT:
        raise ChangeRefused(
            f"{record.deployment_id} splits its traffic by hand: give one version all of it before another is tried"
        )
    if version < record.stable and not allow_older:
        raise ChangeRefused(
            f"{version} is older than {record.stable}, which {record.deployment_id} serves: say --allow-older if that "
            "is meant, or roll back"
        )
    canary = Canary(
        id=canary_id,
        version=version,
        stages=stages,
        gates=gates,
        stage=0,
        stage_began_at=None,
        started_at=now,
        started_by=by,
    )
    return documents.replace(record, canary=canary)


def enter_stage(record: Deployment, stage: int, now: datetime) -> Deployment:
    """Give the version on trial what that stage says; every pod must hold it by now."""
    canary = on_trial(record)
    at = canary.stages[stage]
    return documents.replace(
        record,
        weights=_shared(record.stable, canary.version, at.percent),
        shadow=Shadow(version=canary.version, percent=at.shadow_percent) if at.shadow_percent else None,
        canary=documents.amend(canary, stage=stage, stage_began_at=now),
    )


def note_evidence(record: Deployment, evidence: Mapping[str, float]) -> Deployment:
    """Keep the controller's figures."""
    return documents.replace(record, canary=documents.amend(on_trial(record), evidence=dict(evidence)))


def finish_canary(record: Deployment) -> Deployment:
    """The version on trial has passed: it is the stable one from now on."""
    canary = on_trial(record)
    return documents.replace(
        record,
        stable=canary.version,
        previous=record.stable,
        weights=_whole(canary.version),
        shadow=None,
        canary=None,
    )


def withdraw_canary(record: Deployment) -> Deployment:
    """End the trial: the stable version answers everything again."""
    on_trial(record)
    return documents.replace(record, weights=_whole(record.stable), shadow=None, canary=None)


def roll_back(record: Deployment) -> Deployment:
    """Back to what served before: the stable version of a trial, or the one that the last change replaced."""
    if record.canary is not None:
        return withdraw_canary(record)
    if record.percent_of(record.stable) != documents.WHOLE_PERCENT:
        return documents.replace(record, weights=_whole(record.stable), shadow=None)
    if record.previous is None:
        raise ChangeRefused(
            f"{record.deployment_id} served nothing before {record.stable} that it could go back to: name a version "
            "with `serveml deployment set`"
        )
    # What is gone back from is not gone back to: a second rollback would only bring the fault back.
    return documents.replace(
        record, stable=record.previous, previous=None, weights=_whole(record.previous), shadow=None
    )


def set_weights(record: Deployment, weights: tuple[Weight, ...], stable: Version | None = None) -> Deployment:
    """Share the traffic out by hand; `stable` is the version with the largest share unless it is named."""
    if record.canary is not None:
        raise ChangeRefused(
            f"{record.deployment_id} tries {record.canary.version}: abort the canary before weights are set by hand"
        )
    documents.check_weights(weights, record.deployment_id)
    named = stable or max(weights, key=lambda weight: weight.percent).version
    # The stable version comes last: as its share falls, no user of another version changes sides.
    ordered = tuple(sorted(weights, key=lambda weight: weight.version == named))
    previous = record.previous if named == record.stable else record.stable
    return documents.replace(record, weights=ordered, stable=named, previous=previous, shadow=None)


def on_trial(record: Deployment) -> Canary:
    """The canary; raise ChangeRefused where there is none."""
    if record.canary is None:
        raise ChangeRefused(f"{record.deployment_id} tries no version: it serves {record.stable}")
    return record.canary


def _whole(version: Version) -> tuple[Weight, ...]:
    return (Weight(version=version, percent=documents.WHOLE_PERCENT),)


def _shared(stable: Version, tried: Version, percent: int) -> tuple[Weight, ...]:
    """The version on trial comes first, so that as its share grows users only ever change over to it."""
    shares = ((tried, percent), (stable, documents.WHOLE_PERCENT - percent))
    return tuple(Weight(version=version, percent=share) for version, share in shares if share)
