"""Verification: every bucket's copy of a version is read whole, and what was found is written to its record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from contract import versions
from contract.objects import CHECKSUMS_FILE, Version
from contract.signature import SIGNATURE_FILE
from contract.versions import Kind, Verified, VersionRecord
from ops.models import places
from ops.models.places import Copy, NoVersion, Place
from ops.models.reading import REMEDY, CopyCorrupt, OnBytes, Promise, check_files, promise_of
from ops.models.registry import versions_of
from ops.platform import Platform
from serving.download import StoreUnreachable
from serving.signature import TrustedKeys

Clock = Callable[[], datetime]


def now_utc() -> datetime:
    return datetime.now(UTC)


class Outcome(StrEnum):
    """What reading one bucket's copy came to."""

    VERIFIED = "verified"
    ABSENT = "absent"
    """Nothing is there: not published there, not replicated yet, or expired."""
    PARTIAL = "partial"
    """Files without checksums: an upload, a replication or a deletion that is under way or broke off."""
    CORRUPT = "corrupt"
    AWAY = "away"
    """The bucket did not answer, or refused to: nothing was learnt."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Of one bucket."""

    place: Place
    outcome: Outcome
    reason: str = ""
    bytes: int = 0
    verified: Verified | None = None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Of a version, and its record as it was written."""

    record: VersionRecord
    findings: tuple[Finding, ...]

    def of(self, *outcomes: Outcome) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.outcome in outcomes)

    @property
    def lacking(self) -> tuple[Finding, ...]:
        """Production buckets that have yet to get what another one has."""
        production = [finding for finding in self.findings if finding.place.kind is Kind.PRODUCTION]
        if not any(finding.outcome is Outcome.VERIFIED for finding in production):
            return ()
        return tuple(finding for finding in production if finding.outcome in (Outcome.ABSENT, Outcome.PARTIAL))


def verify(
    platform: Platform,
    name: str,
    version: Version,
    *,
    by: str,
    trusted: TrustedKeys,
    among: Sequence[Place] | None = None,
    on_bytes: OnBytes = lambda _: None,
    now: Clock = now_utc,
) -> Verification:
    """Read the copies in all buckets, or in those of `among`, and record what they are.

    A copy that is verified no longer loses its entry; of a bucket that does not answer, nothing is changed. Raises
    UnknownVersion, NoVersion where no bucket holds anything, or botocore's errors for the table.
    """
    table = versions_of(platform)
    digest = table.get(name, version).digest
    looked = places.every(platform) if among is None else tuple(among)

    def find(place: Place) -> Finding:
        return _find(place, name, version, digest, trusted, by, on_bytes, now)

    with ThreadPoolExecutor(len(looked)) as pool:
        findings = tuple(pool.map(find, looked))
    if among is None and all(finding.outcome is Outcome.ABSENT for finding in findings):
        raise NoVersion(f"{name} {version} is registered, but no bucket holds it: publish it again")

    def note(record: VersionRecord) -> VersionRecord:
        verified = {kind: dict(regions) for kind, regions in record.verified.items()}
        for finding in findings:
            regions = verified.setdefault(finding.place.kind, {})
            if finding.verified is not None:
                regions[finding.place.region] = finding.verified
            elif finding.outcome is not Outcome.AWAY:
                regions.pop(finding.place.region, None)
        return versions.replace(record, verified={kind: regions for kind, regions in verified.items() if regions})

    return Verification(record=table.change(name, version, note), findings=findings)


def check_copy(copy: Copy, trusted: TrustedKeys, digest: str, on_bytes: OnBytes = lambda _: None) -> Promise:
    """Read a complete copy whole; raise CopyCorrupt, also where it is not the registered one, or StoreUnreachable."""
    promise = promise_of(copy, trusted)
    if promise.digest != digest:
        raise CopyCorrupt(f"{copy.url}{CHECKSUMS_FILE} is not the one that was registered: {REMEDY}")
    check_files(copy, promise, on_bytes)
    return promise


def etags_of(copy: Copy, promise: Promise) -> dict[str, str]:
    """What a later copy of these bytes is bound to."""
    files = (*promise.digests, SIGNATURE_FILE, CHECKSUMS_FILE)
    return {file: copy.files[file].etag for file in files if file in copy.files}


def _find(
    place: Place,
    name: str,
    version: Version,
    digest: str,
    trusted: TrustedKeys,
    by: str,
    on_bytes: OnBytes,
    now: Clock,
) -> Finding:
    try:
        copy = places.copy_of(place, name, version)
        if not copy.files:
            return Finding(place=place, outcome=Outcome.ABSENT)
        if not copy.complete:
            return Finding(
                place=place, outcome=Outcome.PARTIAL, reason=f"{CHECKSUMS_FILE} is not there", bytes=copy.bytes
            )
        promise = check_copy(copy, trusted, digest, on_bytes)
    except CopyCorrupt as error:
        return Finding(place=place, outcome=Outcome.CORRUPT, reason=str(error))
    except StoreUnreachable as error:
        return Finding(place=place, outcome=Outcome.AWAY, reason=str(error))
    verified = Verified(
        at=now(),
        by=by,
        digest=promise.digest,
        etags=etags_of(copy, promise),
        signed_by=promise.signed_by if promise.checked else None,
    )
    return Finding(place=place, outcome=Outcome.VERIFIED, bytes=copy.bytes, verified=verified)
