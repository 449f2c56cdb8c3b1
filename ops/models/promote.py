"""Approval, and promotion from the staging bucket to every region's production bucket."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from contract import versions
from contract.objects import Version
from contract.versions import Approval, Promoted, VersionRecord, Withdrawn
from ops.models import places
from ops.models.copying import copy_version
from ops.models.places import Copy, NoVersion, Place
from ops.models.reading import CopyCorrupt, promise_of
from ops.models.registry import Versions, versions_of
from ops.models.requirements import NotPromotable, lacking_for_approval, lacking_for_promotion, needs_four_eyes
from ops.models.verify import Clock, Outcome, Verification, now_utc, verify
from ops.platform import Platform
from serving.download import StoreUnreachable
from serving.signature import TrustedKeys

LOOK_SECONDS = 5.0
WAIT_SECONDS = 1200
"""S3's Replication Time Control promises 15 minutes."""

UNKNOWN_OPERATOR = "unknown"


class NotApproved(ValueError):
    """The approval was not taken; the message says why and what to do."""


class ReplicationLate(Exception):
    """The first region holds the version and other ones not yet; promoting again goes on waiting."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How promotion is to wait for the other regions."""

    seconds: float = WAIT_SECONDS
    look_seconds: float = LOOK_SECONDS
    clock: Callable[[], float] = time.monotonic
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What was done. `copied` names the regions that got files by this call, apart from replication."""

    record: VersionRecord
    copied: tuple[str, ...]


def approve(
    platform: Platform,
    name: str,
    version: Version,
    *,
    by: str,
    note: str,
    allow_self: bool = False,
    now: Clock = now_utc,
) -> VersionRecord:
    """Record that somebody stands up for the version; raise NotApproved, UnknownVersion or botocore's errors."""
    if allow_self and needs_four_eyes(platform.environment):
        raise NotApproved(f"in {platform.environment} nobody approves what they published: leave out --allow-self")
    if by == UNKNOWN_OPERATOR:
        raise NotApproved("it is not known who you are: set SERVEML_OPERATOR to your name")

    def approved(record: VersionRecord) -> VersionRecord:
        lacking = lacking_for_approval(record, platform.home_region)
        if lacking:
            raise NotApproved(f"{name} {version} cannot be approved yet: {'; '.join(lacking)}")
        if record.published_by == by and not allow_self:
            how = "" if needs_four_eyes(platform.environment) else ", or say --allow-self"
            raise NotApproved(f"{by} published {name} {version}: have somebody else approve it{how}")
        if any(approval.by == by for approval in record.approvals):
            return record
        return versions.replace(record, approvals=(*record.approvals, Approval(by=by, at=now(), note=note)))

    return versions_of(platform).change(name, version, approved)


def withdraw(
    platform: Platform, name: str, version: Version, *, by: str, reason: str, now: Clock = now_utc
) -> VersionRecord:
    """Keep a version from being given traffic from now on; what serves it already is changed by its deployment."""

    def withdrawn(record: VersionRecord) -> VersionRecord:
        if record.withdrawn is not None:
            return record
        return versions.replace(record, withdrawn=Withdrawn(at=now(), by=by, reason=reason))

    return versions_of(platform).change(name, version, withdrawn)


def promote(
    platform: Platform,
    name: str,
    version: Version,
    *,
    by: str,
    trusted: TrustedKeys,
    allow_older: bool = False,
    copy_regions: bool = False,
    waiting: Waiting | None = None,
    progress: Callable[[str], None] = lambda _: None,
    now: Clock = now_utc,
) -> Promotion:
    """Bring the version to every region's production bucket, verify it there, and record it as promoted.

    `copy_regions` copies to the other regions too, in place of waiting for S3's replication: for an account that has
    none, and for objects older than the replication's rule. Raises NotPromotable, CopyRefused, CopyCorrupt, NoVersion
    or UnknownVersion where nothing may be done; StoreUnreachable or ReplicationLate where the same call, made again,
    goes on from there.
    """
    table = versions_of(platform)
    record = table.get(name, version)
    _check(platform, table, record, allow_older)
    home, *others = places.production(platform)

    def verified(place: Place) -> VersionRecord:
        progress(f"verifying {place}")
        return _sound(verify(platform, name, version, by=by, trusted=trusted, among=[place], now=now))

    copied: list[str] = []
    if not places.copy_of(home, name, version).complete:
        source = places.staging(platform)
        if record.verified_in(source.kind, source.region) is None:
            record = verified(source)
        progress(f"copying from {source} to {home}")
        if _bring(record, source, home, trusted):
            copied.append(home.region)
    record = verified(home)
    for place in others:
        if copy_regions and not places.copy_of(place, name, version).complete:
            progress(f"copying from {home} to {place}")
            if _bring(record, home, place, trusted):
                copied.append(place.region)
    _await(others, name, version, waiting or Waiting(), progress)
    for place in others:
        verified(place)

    def promoted(found: VersionRecord) -> VersionRecord:
        _refuse(found, lacking_for_promotion(found, platform.environment, platform.home_region))
        return found if found.promoted else versions.replace(found, promoted=Promoted(at=now(), by=by))

    return Promotion(record=table.change(name, version, promoted), copied=tuple(copied))


def _check(platform: Platform, table: Versions, record: VersionRecord, allow_older: bool) -> None:
    _refuse(record, lacking_for_promotion(record, platform.environment, platform.home_region))
    if record.promoted is not None or allow_older:
        return
    newer = [
        other.version
        for other in table.of(record.model).values()
        if other.promoted is not None and other.withdrawn is None and record.version < other.version
    ]
    if newer:
        raise NotPromotable(
            f"{record.model} {max(newer)} is promoted, and {record.version} is older: say --allow-older if "
            "that is meant"
        )


def _refuse(record: VersionRecord, lacking: list[str]) -> None:
    if lacking:
        raise NotPromotable(f"{record.model} {record.version} cannot be promoted: {'; '.join(lacking)}")


def _bring(record: VersionRecord, source: Place, to: Place, trusted: TrustedKeys) -> bool:
    copy: Copy = places.copy_of(source, record.model, record.version)
    known = record.verified_in(source.kind, source.region)
    if not copy.complete or known is None:
        raise NoVersion(
            f"{source} does not hold {record.model} {record.version} any more, or holds it unverified: publish it "
            "again, and verify it"
        )
    return copy_version(copy, to, known.etags, promise_of(copy, trusted))


def _sound(done: Verification) -> VersionRecord:
    for finding in done.findings:
        match finding.outcome:
            case Outcome.AWAY:
                raise StoreUnreachable(finding.reason)
            case Outcome.VERIFIED:
                continue
            case Outcome.ABSENT | Outcome.PARTIAL:
                raise NoVersion(f"{finding.place} does not hold the version: publish it again")
            case Outcome.CORRUPT:
                raise CopyCorrupt(finding.reason)
    return done.record


def _await(others: list[Place], name: str, version: Version, waiting: Waiting, progress: Callable[[str], None]) -> None:
    began = waiting.clock()
    while True:
        late = [place for place in others if not places.copy_of(place, name, version).complete]
        if not late:
            return
        waited = waiting.clock() - began
        said = " and ".join(str(place) for place in late)
        if waited >= waiting.seconds:
            raise ReplicationLate(
                f"{said} did not get {name} {version} within {waiting.seconds:.0f} s: it is in the first region's "
                "bucket, but not promoted; look at the replication's metrics and promote again, or say --copy"
            )
        progress(f"waiting for replication to {said}")
        waiting.pause(waiting.look_seconds)
