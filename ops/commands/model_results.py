"""What the commands of `serveml model` answer, as JSON has it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from contract.versions import Smoke


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ShareResult(_Result, frozen=True, kw_only=True):
    deployment: str
    percent: int
    role: str


class VersionRow(_Result, frozen=True, kw_only=True):
    model: str
    version: str
    state: str
    verified_regions: tuple[str, ...]
    regions: int
    shares: tuple[ShareResult, ...]
    bytes: int
    published_at: datetime | None


class VersionList(_Result, frozen=True, kw_only=True):
    versions: tuple[VersionRow, ...]


class CopyResult(_Result, frozen=True, kw_only=True):
    kind: str
    region: str
    url: str
    complete: bool
    files: dict[str, int]
    """Bytes by name."""


class VerifiedResult(_Result, frozen=True, kw_only=True):
    kind: str
    region: str
    at: datetime
    by: str
    signed_by: str | None


class Deed(_Result, frozen=True, kw_only=True):
    """Who did something to a version, when, and what they said."""

    by: str
    at: datetime
    note: str = ""


class VersionShown(_Result, frozen=True, kw_only=True):
    summary: VersionRow
    digest: str | None
    published_by: str | None
    signed_by: str | None
    dataset_version: str | None
    git_sha: str | None
    copies: tuple[CopyResult, ...]
    verified: tuple[VerifiedResult, ...]
    smoke: Smoke | None
    approvals: tuple[Deed, ...]
    promoted: Deed | None
    withdrawn: Deed | None
    lacking: tuple[str, ...]
    """Before it may be given traffic."""


class RecordResult(_Result, frozen=True, kw_only=True):
    """A version after a command changed its record."""

    model: str
    version: str
    state: str
    revision: int
    smoke: Smoke | None
    approvals: tuple[Deed, ...]
    promoted: Deed | None
    withdrawn: Deed | None


class PromotionResult(_Result, frozen=True, kw_only=True):
    record: RecordResult
    copied_regions: tuple[str, ...]


class FindingResult(_Result, frozen=True, kw_only=True):
    kind: str
    region: str
    outcome: str
    reason: str
    bytes: int
    signed_by: str | None


class VerificationResult(_Result, frozen=True, kw_only=True):
    model: str
    version: str
    findings: tuple[FindingResult, ...]
    lacking_regions: tuple[str, ...]


class PulledResult(_Result, frozen=True, kw_only=True):
    model: str
    version: str
    source: str
    directory: str
    written: tuple[str, ...]


class ChangeResult(_Result, frozen=True, kw_only=True):
    what: str
    before: str
    after: str
    changed: bool


class FigureResult(_Result, frozen=True, kw_only=True):
    name: str
    before: float | None
    after: float | None
    change: float | None


class AnswersResult(_Result, frozen=True, kw_only=True):
    output: str
    rows: int
    differing: int
    largest_difference: float | None


class DiffResult(_Result, frozen=True, kw_only=True):
    model: str
    before: str
    after: str
    changes: tuple[ChangeResult, ...]
    metrics: tuple[FigureResult, ...]
    file_bytes: tuple[FigureResult, ...]
    answers: tuple[AnswersResult, ...] | None
    not_compared: str


class DoomedResult(_Result, frozen=True, kw_only=True):
    version: str
    bytes: int
    whole: bool
    buckets: tuple[str, ...]


class KeptResult(_Result, frozen=True, kw_only=True):
    version: str
    reasons: tuple[str, ...]


class RetentionResult(_Result, frozen=True, kw_only=True):
    kind: str
    region: str
    bucket: str
    locked: bool
    deleted_files: str


class CollectionResult(_Result, frozen=True, kw_only=True):
    model: str
    deleted: bool
    """False where it was only looked at what would go."""
    versions: tuple[DoomedResult, ...]
    kept: tuple[KeptResult, ...]
    buckets: tuple[RetentionResult, ...]
    uploads_ended: int
