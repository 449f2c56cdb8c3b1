"""How the answers of `serveml model` look to people."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from ops.commands.model_results import (
    CollectionResult,
    DiffResult,
    FigureResult,
    RecordResult,
    VerificationResult,
    VersionList,
    VersionRow,
    VersionShown,
)


def versions(result: VersionList, now: datetime) -> RenderableType:
    table = _table("model", "version", "state", "verified", "traffic", "size", "age")
    for entry in result.versions:
        table.add_row(
            entry.model, entry.version, entry.state, _verified(entry), _traffic(entry), _size(entry), _age(entry, now)
        )
    return table


def version(result: VersionShown, now: datetime) -> RenderableType:
    summary = result.summary
    said = {
        "state": summary.state,
        "verified": _verified(summary)
        + (f" ({', '.join(summary.verified_regions)})" if summary.verified_regions else ""),
        "traffic": _traffic(summary),
        "size": _size(summary),
        "published": _by(result.published_by, summary.published_at),
        "digest": result.digest or "",
        "signed by": result.signed_by or "nobody",
        "dataset version": result.dataset_version or "",
        "git sha": result.git_sha or "",
        "smoke": _smoke(result),
        "approved": "; ".join(f"{_by(deed.by, deed.at)}: {deed.note}" for deed in result.approvals),
        "promoted": _by(result.promoted.by, result.promoted.at) if result.promoted else "",
        "withdrawn": f"{_by(result.withdrawn.by, result.withdrawn.at)}: {result.withdrawn.note}"
        if result.withdrawn
        else "",
        "lacks for traffic": "\n".join(result.lacking) or ("" if result.digest is None else "nothing"),
    }
    facts = _facts(said)
    copies = _table("bucket", "region", "whole", "file", "size")
    for copy in result.copies:
        for number, (file, size) in enumerate(copy.files.items()):
            first = (copy.kind, copy.region, "yes" if copy.complete else "no") if number == 0 else ("", "", "")
            copies.add_row(*first, file, decimal(size))
    return Group(Text(f"{summary.model} {summary.version}", style="bold"), facts, copies)


def record(result: RecordResult) -> RenderableType:
    return Text(f"{result.model} {result.version} is {result.state}")


def verification(result: VerificationResult) -> RenderableType:
    table = _table("bucket", "region", "outcome", "size", "signature", "reason")
    for finding in result.findings:
        signature = finding.signed_by or ("not checked" if finding.outcome == "verified" else "")
        table.add_row(
            finding.kind, finding.region, finding.outcome, decimal(finding.bytes), signature, Text(finding.reason)
        )
    return table


def difference(result: DiffResult) -> RenderableType:
    table = _table("", result.before, result.after, "change")
    for entry in result.changes:
        table.add_row(entry.what, entry.before, entry.after, "changed" if entry.changed else "")
    for figure in result.metrics:
        table.add_row(figure.name, _figure(figure.before), _figure(figure.after), _moved(figure))
    for figure in result.file_bytes:
        table.add_row(
            f"{figure.name} bytes", f"{figure.before or 0:,.0f}", f"{figure.after or 0:,.0f}", _moved(figure, "+,.0f")
        )
    if result.answers is None:
        return Group(table, Text(f"answers were not compared: {result.not_compared}"))
    answers = _table("output", "rows", "differing", "largest difference")
    for entry in result.answers:
        answers.add_row(entry.output, str(entry.rows), str(entry.differing), _figure(entry.largest_difference))
    return Group(table, Text(f"answers to the sample rows of {result.after}"), answers)


def collection(result: CollectionResult) -> RenderableType:
    going = _table("deleted" if result.deleted else "would be deleted", "size", "buckets")
    for entry in result.versions:
        part = "" if entry.whole else " (what an upload or a deletion left)"
        going.add_row(f"{entry.version}{part}", decimal(entry.bytes), "\n".join(entry.buckets))
    staying = _table("kept", "why")
    for entry in result.kept:
        staying.add_row(entry.version, "\n".join(entry.reasons))
    lines = [Text(f"{entry.bucket}: deleted files are {entry.deleted_files}") for entry in result.buckets]
    if result.uploads_ended:
        lines.append(Text(f"ended {result.uploads_ended} uploads that were given up"))
    if not result.deleted:
        lines.append(Text("nothing was deleted: say --yes" if result.versions else "there is nothing to delete"))
    return Group(*([going] if result.versions else []), staying, *lines)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _facts(said: dict[str, str]) -> Table:
    table = _table("", "")
    table.show_header = False
    for name, value in said.items():
        if value:
            table.add_row(name, Text(value))
    return table


def _verified(entry: VersionRow) -> str:
    return f"{len(entry.verified_regions)}/{entry.regions} regions"


def _traffic(entry: VersionRow) -> str:
    return ", ".join(f"{share.percent}% of {share.deployment} {share.role}".rstrip() for share in entry.shares)


def _size(entry: VersionRow) -> str:
    return decimal(entry.bytes) if entry.bytes else ""


def _age(entry: VersionRow, now: datetime) -> str:
    if entry.published_at is None:
        return ""
    age = max(now - entry.published_at, timedelta(0))
    if age.days:
        return f"{age.days} d"
    minutes = age.seconds // 60
    return f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"


def _by(who: str | None, at: datetime | None) -> str:
    parts = [*([f"by {who}"] if who else []), *([f"at {at:%Y-%m-%d %H:%M:%S %Z}"] if at else [])]
    return " ".join(parts)


def _smoke(result: VersionShown) -> str:
    smoke = result.smoke
    if smoke is None:
        return "not run"
    how = "passed" if smoke.passed else f"failed ({smoke.reason})"
    return f"{how}, {smoke.rows} rows, {smoke.through}, {_by(smoke.by, smoke.at)}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _moved(figure: FigureResult, form: str = "+.4g") -> str:
    if figure.change is None:
        return "added" if figure.before is None else "removed"
    return format(figure.change, form) if figure.change else ""
