"""Versions in the deployments table: where each was verified, whether it was tried, approved and promoted, and by whom.

The operators' commands write the record, and a canary asks it. `contract.registry` says where it lies in the table;
the version's own description is its `metadata.json`.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from contract import documents
from contract.documents import Unreadable
from contract.objects import InvalidName, Version, check_model_name

SCHEMA_VERSION = 1


class InvalidVersionRecord(ValueError):
    """A record that breaks the shape; the message says what stands there."""


class Kind(StrEnum):
    """Of a models bucket."""

    STAGING = "staging"
    PRODUCTION = "production"


class State(StrEnum):
    """How far a version has come."""

    PUBLISHED = "published"
    VERIFIED = "verified"
    """Its bytes were found to be the published ones in the bucket that it was published to."""
    TESTED = "tested"
    """It answered its own sample as it promises."""
    APPROVED = "approved"
    PROMOTED = "promoted"
    """Every region's production bucket holds it, verified."""
    WITHDRAWN = "withdrawn"
    """For good: nothing may serve it, and its number is not used again."""


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that a reader does not know are passed over: commands are not updated everywhere at the same moment."""


class Verified(_Part, frozen=True, kw_only=True):
    """One bucket's copy was read whole, and is what was published."""

    at: datetime
    by: str
    digest: str
    """SHA-256 of the copy's `checksums.json`."""
    etags: dict[str, str]
    """Of its objects as they were read: a copy made under the condition of these is one of the verified bytes."""
    signed_by: str | None = None
    """The trusted key that had signed it; None where no keys were given to check with."""


class Smoke(_Part, frozen=True, kw_only=True):
    """The version was given the rows of its own sample."""

    at: datetime
    by: str
    rows: int
    passed: bool
    through: str
    """What answered: this process, or a server's address."""
    reason: str = ""
    """Why it did not pass."""


class Approval(_Part, frozen=True, kw_only=True):
    """Somebody stands up for the version."""

    by: str
    at: datetime
    note: str


class Promoted(_Part, frozen=True, kw_only=True):
    at: datetime
    by: str


class Withdrawn(_Part, frozen=True, kw_only=True):
    at: datetime
    by: str
    reason: str


class VersionRecord(_Part, frozen=True, kw_only=True):
    """The record. Every change makes a new one, whose `revision` is one higher."""

    model: str
    version: Version
    digest: str
    """SHA-256 of its `checksums.json`, and so of every byte of it: what an approval is for."""
    published_at: datetime
    published_by: str
    dataset_version: str | None = None
    git_sha: str | None = None
    signed_by: str | None = None
    """The key that its `signature.json` names."""
    verified: dict[Kind, dict[str, Verified]] = {}
    """By bucket and region."""
    smoke: Smoke | None = None
    approvals: tuple[Approval, ...] = ()
    promoted: Promoted | None = None
    withdrawn: Withdrawn | None = None
    revision: int = 1
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        try:
            check_model_name(self.model)
        except InvalidName as error:
            raise InvalidVersionRecord(str(error)) from None
        if self.revision < 1:
            raise InvalidVersionRecord(f"{self.model} {self.version} has revision {self.revision}: they count from 1")

    @property
    def state(self) -> State:
        if self.withdrawn is not None:
            return State.WITHDRAWN
        if self.promoted is not None:
            return State.PROMOTED
        if self.approvals:
            return State.APPROVED
        if self.smoke is not None and self.smoke.passed:
            return State.TESTED
        return State.VERIFIED if any(self.verified.values()) else State.PUBLISHED

    def verified_in(self, kind: Kind, region: str) -> Verified | None:
        """What is known of that bucket's copy, if it was found to be the published bytes."""
        found = self.verified.get(kind, {}).get(region)
        return found if found is not None and found.digest == self.digest else None


def replace(record: VersionRecord, **changes: Any) -> VersionRecord:
    """The record with other fields, checked anew; raise InvalidVersionRecord."""
    return msgspec.structs.replace(record, **changes)


def encode(record: VersionRecord) -> bytes:
    """As JSON."""
    return documents.encode(record)


def decode(data: bytes | str) -> VersionRecord:
    """Raise InvalidVersionRecord."""
    try:
        return documents.decode(data, VersionRecord)
    except Unreadable as error:
        raise InvalidVersionRecord(f"a version's record in the deployments table cannot be read: {error}") from None
