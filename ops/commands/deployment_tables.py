"""How deployments and canaries look to people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ops.commands.deployment_results import (
    CanaryOutcome,
    CanaryShown,
    DeploymentList,
    DeploymentRow,
    DeploymentShown,
    HistoryShown,
    RolledBack,
    Share,
    StageFigures,
)


def deployments(result: DeploymentList) -> RenderableType:
    table = _table("deployment", "model", "stable", "weights", "status", "revision", "changed", "by")
    for row in result.deployments:
        changed = f"{row.changed_at:%Y-%m-%d %H:%M:%S}"
        weights = shares(row.weights)
        table.add_row(
            row.deployment, row.model, row.stable, weights, row.status, str(row.revision), changed, row.changed_by
        )
    return table


def deployment(result: DeploymentShown) -> RenderableType:
    parts: list[RenderableType] = [Text(sentence(result.summary))]
    if result.canary is not None:
        parts.append(Text(trial(result.canary)))
    if result.figures is not None:
        parts.append(_figures(result.figures))
    table = _table("region", "pod", "worker", "follows", "holds", "lacks")
    for worker in result.workers:
        lacks = ", ".join(
            f"{version} ({worker.refused[version]})" if version in worker.refused else version
            for version in worker.lacking
        )
        holds = ", ".join(worker.loaded)
        table.add_row(worker.region, worker.pod, str(worker.worker), str(worker.revision), holds, lacks)
    parts.append(table if result.workers else Text("no pod follows it"))
    return Group(*parts)


def history(result: HistoryShown) -> RenderableType:
    table = _table("revision", "at", "by", "what", "weights", "why")
    for change in result.changes:
        weights = shares(change.weights) + (f" +{shares((change.shadow,))} copied" if change.shadow else "")
        at = f"{change.at:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(change.revision), at, change.by, change.action, weights, change.reason)
    return table


def sentence(row: DeploymentRow) -> str:
    said = f"{row.deployment} serves {shares(row.weights)} (stable {row.stable}, revision {row.revision})"
    if row.shadow is not None:
        said += f"; {row.shadow.version} is given copies of {row.shadow.percent}%"
    return said + (f"; a rollback goes to {row.previous}" if row.previous else "")


def trial(canary: CanaryShown) -> str:
    at = canary.stages[canary.stage - 1]
    given = f"{at.percent}%" + (f" and copies of {at.shadow_percent}%" if at.shadow_percent else "")
    if canary.stage_began_at is None:
        return f"{canary.version} is on trial, and gets {given} once every worker holds it"
    since = f"{canary.stage_began_at:%H:%M:%S}"
    return f"{canary.version} is on trial at stage {canary.stage} of {len(canary.stages)}: {given} since {since}"


def ended(result: CanaryOutcome) -> RenderableType:
    tried = f" with {result.version}" if result.version else ""
    who = f" by {result.by}" if result.by else ""
    return Text(f"canary of {result.deployment}{tried} {result.ended}{who}: {result.reason}")


def rolled_back(result: RolledBack) -> RenderableType:
    said = f"{sentence(result.summary)}; it was {result.before}"
    if not result.workers:
        return Text(f"{said}\nno pod follows it")
    if result.behind:
        return Text(f"{said}\n{len(result.behind)} of {result.workers} workers have not followed")
    return Text(f"{said}\nall {result.workers} workers follow after {result.followed_after_seconds:.1f} s")


def shares(weights: tuple[Share, ...]) -> str:
    return ", ".join(f"{weight.version}={weight.percent}" for weight in weights)


def _figures(figures: StageFigures) -> RenderableType:
    table = _table("since the stage began", "requests", "errors", "P95 ms", "slow")
    for name, measured in (("on trial", figures.candidate), ("stable", figures.stable)):
        p95 = "" if measured.p95_ms is None else f"{measured.p95_ms:.1f}"
        table.add_row(name, str(measured.requests), str(measured.errors), p95, str(measured.slow))
    copies = f"{figures.compared} copies compared, {figures.differing} differed, {figures.failed} failed"
    return Group(table, Text(f"{copies}; {figures.crashes} workers ended unasked"))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
