"""Garbage collection: versions that nothing names and nobody waits for leave the buckets.

What is kept is decided from the records of deployments and versions, read again right before each deletion. A pod that
was pinned to a version by a setting is in no record: `spare` names such versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from contract import versions
from contract.objects import CHECKSUMS_FILE, Version, model_prefix
from contract.versions import VersionRecord, Withdrawn
from ops.models import places
from ops.models.named import deployments_of
from ops.models.places import Copy, NoVersion, Place
from ops.models.registry import Versions, versions_of
from ops.models.retention import Retention, retention_of
from ops.models.upload import abandon
from ops.models.verify import Clock, now_utc
from ops.platform import Platform

KEEP = 5
OLDER_THAN = timedelta(days=30)
REASON = "deleted by garbage collection"


class InvalidRule(ValueError):
    """A rule by which nothing is to be collected; the message says what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What is spared."""

    keep: int = KEEP
    """So many of the highest versions."""
    older_than: timedelta = OLDER_THAN
    """Only what was published, and last written, longer ago."""
    spare: frozenset[Version] = frozenset()

    def __post_init__(self) -> None:
        if self.keep < 1:
            raise InvalidRule(f"--keep {self.keep} would keep nothing: give 1 or more")
        if self.older_than < timedelta(0):
            raise InvalidRule("--older-than lies in the future: give a time such as 30d or 12h")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A version that stays, and all that speaks for it."""

    version: Version
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """A version that goes, wherever it lies."""

    version: Version
    copies: tuple[Copy, ...]

    @property
    def bytes(self) -> int:
        return sum(copy.bytes for copy in self.copies)

    @property
    def whole(self) -> bool:
        """Whether readers see it anywhere; otherwise it is what an upload or a deletion left behind."""
        return any(copy.complete for copy in self.copies)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would be done."""

    name: str
    rules: Rules
    doomed: tuple[Doomed, ...]
    kept: tuple[Kept, ...]
    retentions: tuple[tuple[Place, Retention], ...]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was done. `spared` names versions that a deployment or an approval came to need meanwhile."""

    deleted: tuple[Doomed, ...]
    spared: tuple[Kept, ...]
    uploads_ended: int


class CollectionBroken(Exception):
    """AWS stopped answering half way; the message says what is deleted, and calling again goes on."""


def plan(platform: Platform, name: str, rules: Rules, *, now: Clock = now_utc) -> Plan:
    """Decide, and change nothing; raise NoVersion for an unknown model, or StoreUnreachable and botocore's errors."""
    everywhere = [(place, places.copies(place, name)) for place in places.every(platform)]
    found = sorted({version for _, copies in everywhere for version in copies})
    records = versions_of(platform).of(name)
    if not found and not records:
        raise NoVersion(f"there is no model {name!r}: `serveml model list` shows those that are")
    held = {place: retention_of(place) for place, copies in everywhere if copies}
    named = _named(platform, name)
    # What is partly there may not push out what is whole.
    whole = [
        version for version in found if any(copies[version].complete for _, copies in everywhere if version in copies)
    ]
    newest = set(whole[-rules.keep :])
    followed = max((version for version in whole if not version.prerelease), default=None)
    doomed: list[Doomed] = []
    kept: list[Kept] = []
    for version in found:
        copies = tuple(copies[version] for _, copies in everywhere if version in copies)
        reasons = [
            *named.get(version, ()),
            *(["among the newest"] if version in newest else []),
            *(["the highest release, which pods without a deployment follow"] if version == followed else []),
            *(["spared"] if version in rules.spare else []),
            *_awaited(records.get(version)),
            *(f"{copy.place} has object lock" for copy in copies if held[copy.place].locked),
            *_young(copies, records.get(version), rules, now()),
        ]
        if reasons:
            kept.append(Kept(version=version, reasons=tuple(reasons)))
        else:
            doomed.append(Doomed(version=version, copies=copies))
    return Plan(name=name, rules=rules, doomed=tuple(doomed), kept=tuple(kept), retentions=tuple(held.items()))


def collect(
    platform: Platform,
    planned: Plan,
    *,
    by: str,
    now: Clock = now_utc,
    progress: Callable[[str], None] = lambda _: None,
) -> Collected:
    """Carry the plan out, version by version, and end uploads that were given up; raise CollectionBroken."""
    table = versions_of(platform)
    deleted: list[Doomed] = []
    spared: list[Kept] = []
    try:
        for doomed in planned.doomed:
            progress(f"deleting {planned.name} {doomed.version}")
            reasons = _withdraw(platform, table, planned.name, doomed.version, by, now)
            if reasons:
                spared.append(Kept(version=doomed.version, reasons=reasons))
                continue
            _delete(doomed.copies)
            deleted.append(doomed)
        ended = sum(
            len(abandon(place.s3, place.bucket, model_prefix(planned.name), planned.rules.older_than))
            for place, retention in planned.retentions
            if not retention.locked
        )
    except (BotoCoreError, ClientError) as error:
        done = ", ".join(str(doomed.version) for doomed in deleted) or "no version"
        raise CollectionBroken(
            f"{done} of {planned.name} was deleted, then: {error}; call it again to go on"
        ) from error
    return Collected(deleted=tuple(deleted), spared=tuple(spared), uploads_ended=ended)


def _withdraw(platform: Platform, table: Versions, name: str, version: Version, by: str, now: Clock) -> tuple[str, ...]:
    """Close the version to new canaries, then look whether one came before that: if so, reopen it and say why."""
    if table.find(name, version) is None:
        return _named(platform, name).get(version, ())
    own = Withdrawn(at=now(), by=by, reason=REASON)

    def withdrawn(record: VersionRecord) -> VersionRecord:
        if _awaited(record) or record.withdrawn is not None:
            return record
        return versions.replace(record, withdrawn=own)

    def reopened(record: VersionRecord) -> VersionRecord:
        # What somebody else withdrew, before or meanwhile, stays so.
        return versions.replace(record, withdrawn=None) if record.withdrawn == own else record

    after = table.change(name, version, withdrawn)
    if awaited := _awaited(after):
        return awaited
    named = _named(platform, name).get(version, ())
    if named:
        table.change(name, version, reopened)
    return named


def _delete(copies: Iterable[Copy]) -> None:
    found = tuple(copies)
    # In every bucket first what makes the version visible, so that no reader anywhere meets half of it.
    for copy in found:
        if copy.complete:
            copy.place.s3.delete_object(Bucket=copy.place.bucket, Key=copy.files[CHECKSUMS_FILE].key)
    for copy in found:
        for file, listed in copy.files.items():
            if file != CHECKSUMS_FILE:
                copy.place.s3.delete_object(Bucket=copy.place.bucket, Key=listed.key)


def _named(platform: Platform, name: str) -> dict[Version, tuple[str, ...]]:
    named: dict[Version, tuple[str, ...]] = {}
    for record in deployments_of(platform, name):
        for version in record.versions:
            said = f"named by the deployment {record.tenant}/{record.deployment_id}"
            named[version] = (*named.get(version, ()), said)
    return named


def _awaited(record: VersionRecord | None) -> tuple[str, ...]:
    if record is None or record.withdrawn or record.promoted or not record.approvals:
        return ()
    return ("approved, and not promoted yet",)


def _young(copies: Sequence[Copy], record: VersionRecord | None, rules: Rules, now: datetime) -> list[str]:
    times = [copy.modified for copy in copies]
    if record is not None:
        times.append(record.published_at)
    return [] if now - max(times) > rules.older_than else [f"younger than {_said(rules.older_than)}"]


def _said(span: timedelta) -> str:
    return f"{span.days} days" if span >= timedelta(days=1) else f"{span.total_seconds() / 3600:g} hours"
