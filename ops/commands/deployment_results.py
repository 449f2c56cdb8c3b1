"""What the commands for deployments and canaries print with `--json`: versions as text, times in UTC."""

from __future__ import annotations

from datetime import datetime

import msgspec

from contract.deployment import Canary, Change, Deployment, Report
from ops.canary.ending import Outcome
from ops.canary.gates import Figures
from ops.canary.measurements import Measured
from ops.canary.weights import Followed
from ops.rollout.presence import Presence


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that hold nothing are null."""


class Share(_Result, frozen=True, kw_only=True):
    version: str
    percent: int


class StageShown(_Result, frozen=True, kw_only=True):
    percent: int
    shadow_percent: int
    seconds: int


class CanaryShown(_Result, frozen=True, kw_only=True):
    version: str
    stage: int
    """Counted from 1."""
    stages: tuple[StageShown, ...]
    stage_began_at: datetime | None
    """Null until every worker holds the version."""
    started_at: datetime
    started_by: str
    gates: dict[str, float]
    evidence: dict[str, float]


class DeploymentRow(_Result, frozen=True, kw_only=True):
    deployment: str
    model: str
    status: str
    stable: str
    weights: tuple[Share, ...]
    shadow: Share | None
    previous: str | None
    """What a rollback goes back to where nothing is on trial."""
    revision: int
    changed_at: datetime
    changed_by: str


class DeploymentList(_Result, frozen=True, kw_only=True):
    deployments: tuple[DeploymentRow, ...]


class WorkerShown(_Result, frozen=True, kw_only=True):
    region: str
    pod: str
    worker: int
    revision: int
    loaded: tuple[str, ...]
    lacking: tuple[str, ...]
    """Of the record's versions those that it does not hold."""
    refused: dict[str, str]
    reported_at: datetime


class VersionFigures(_Result, frozen=True, kw_only=True):
    """Since the stage began."""

    requests: int
    errors: int
    p95_ms: float | None
    slow: int


class StageFigures(_Result, frozen=True, kw_only=True):
    candidate: VersionFigures
    stable: VersionFigures
    crashes: int
    compared: int
    differing: int
    failed: int
    """Of the copies: those that got no answer."""


class DeploymentShown(_Result, frozen=True, kw_only=True):
    summary: DeploymentRow
    canary: CanaryShown | None
    workers: tuple[WorkerShown, ...]
    """The live ones."""
    figures: StageFigures | None = None
    """Where Prometheus was asked, and a stage has begun."""


class ChangeShown(_Result, frozen=True, kw_only=True):
    revision: int
    at: datetime
    by: str
    action: str
    reason: str
    stable: str
    weights: tuple[Share, ...]
    shadow: Share | None


class HistoryShown(_Result, frozen=True, kw_only=True):
    deployment: str
    changes: tuple[ChangeShown, ...]
    """The newest first."""


class RolledBack(_Result, frozen=True, kw_only=True):
    summary: DeploymentRow
    before: str
    """The stable version until then; its trial's where one was on."""
    followed_after_seconds: float
    workers: int
    behind: tuple[str, ...]
    """Live workers that had not followed by then, as pod/worker."""


class CanaryOutcome(_Result, frozen=True, kw_only=True):
    """How a canary came out, or that it goes on in another controller's hands."""

    deployment: str
    ended: str
    """How, or `on trial` where it goes on."""
    version: str | None
    by: str
    reason: str
    revision: int | None


def row(record: Deployment) -> DeploymentRow:
    return DeploymentRow(
        deployment=record.deployment_id,
        model=record.model,
        status=record.status.value,
        stable=str(record.stable),
        weights=tuple(Share(version=str(weight.version), percent=weight.percent) for weight in record.weights),
        shadow=Share(version=str(record.shadow.version), percent=record.shadow.percent) if record.shadow else None,
        previous=str(record.previous) if record.previous else None,
        revision=record.revision,
        changed_at=record.changed_at,
        changed_by=record.changed_by,
    )


def shown(record: Deployment, presence: Presence, measured: Figures | None = None) -> DeploymentShown:
    return DeploymentShown(
        summary=row(record),
        canary=_canary(record.canary) if record.canary else None,
        workers=tuple(_worker(report, record) for report in presence.live),
        figures=_figures(measured) if measured else None,
    )


def history(name: str, changes: list[Change]) -> HistoryShown:
    return HistoryShown(
        deployment=name,
        changes=tuple(
            ChangeShown(
                revision=change.revision,
                at=change.at,
                by=change.by,
                action=change.action,
                reason=change.reason,
                stable=str(change.stable),
                weights=tuple(Share(version=str(weight.version), percent=weight.percent) for weight in change.weights),
                shadow=(
                    Share(version=str(change.shadow.version), percent=change.shadow.percent) if change.shadow else None
                ),
            )
            for change in changes
        ),
    )


def rolled_back(before: Deployment, after: Deployment, followed: Followed) -> RolledBack:
    return RolledBack(
        summary=row(after),
        before=str(before.canary.version if before.canary else before.stable),
        followed_after_seconds=round(followed.seconds, 3),
        workers=followed.workers,
        behind=followed.behind,
    )


def ended(outcome: Outcome) -> CanaryOutcome:
    return CanaryOutcome(
        deployment=outcome.deployment,
        ended=outcome.ended.value,
        version=str(outcome.version) if outcome.version else None,
        by=outcome.by,
        reason=outcome.reason,
        revision=outcome.revision,
    )


def _figures(measured: Figures) -> StageFigures:
    return StageFigures(
        candidate=_version(measured.candidate),
        stable=_version(measured.stable),
        crashes=measured.candidate.crashes,
        compared=measured.shadowed.compared,
        differing=measured.shadowed.differing,
        failed=measured.shadowed.failed,
    )


def _version(measured: Measured) -> VersionFigures:
    return VersionFigures(
        requests=measured.requests, errors=measured.errors, p95_ms=measured.p95_ms, slow=measured.slow
    )


def begun(record: Deployment, canary: Canary) -> CanaryOutcome:
    return CanaryOutcome(
        deployment=record.deployment_id,
        ended="on trial",
        version=str(canary.version),
        by="",
        reason=f"`serveml canary run {record.deployment_id}` drives it",
        revision=record.revision,
    )


def _canary(canary: Canary) -> CanaryShown:
    return CanaryShown(
        version=str(canary.version),
        stage=canary.stage + 1,
        stages=tuple(
            StageShown(percent=stage.percent, shadow_percent=stage.shadow_percent, seconds=stage.seconds)
            for stage in canary.stages
        ),
        stage_began_at=canary.stage_began_at,
        started_at=canary.started_at,
        started_by=canary.started_by,
        gates={name: float(getattr(canary.gates, name)) for name in canary.gates.__struct_fields__},
        evidence=canary.evidence,
    )


def _worker(report: Report, record: Deployment) -> WorkerShown:
    return WorkerShown(
        region=report.region,
        pod=report.pod,
        worker=report.worker,
        revision=report.revision,
        loaded=tuple(str(version) for version in report.loaded),
        lacking=tuple(str(version) for version in record.versions if version not in report.loaded),
        refused=report.refused,
        reported_at=report.at,
    )
