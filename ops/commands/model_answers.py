"""The answers of `serveml model` made from what its parts found."""

from __future__ import annotations

from contract.objects import Version
from contract.versions import Kind, VersionRecord
from ops.commands.model_results import (
    AnswersResult,
    ChangeResult,
    CollectionResult,
    CopyResult,
    Deed,
    DiffResult,
    DoomedResult,
    FigureResult,
    FindingResult,
    KeptResult,
    PulledResult,
    RecordResult,
    RetentionResult,
    ShareResult,
    VerificationResult,
    VerifiedResult,
    VersionRow,
    VersionShown,
)
from ops.models.collect import Collected, Doomed, Kept, Plan
from ops.models.diff import Difference
from ops.models.overview import Known
from ops.models.pull import Pulled
from ops.models.requirements import lacking_for_traffic
from ops.models.verify import Verification
from ops.platform import Platform


def row(known: Known, platform: Platform) -> VersionRow:
    regions = platform.outputs.regions
    return VersionRow(
        model=known.name,
        version=str(known.version),
        state=known.state,
        verified_regions=known.verified_regions(regions),
        regions=len(regions),
        shares=tuple(
            ShareResult(deployment=share.deployment, percent=share.percent, role=share.role) for share in known.shares
        ),
        bytes=known.bytes,
        published_at=known.published_at,
    )


def shown(known: Known, platform: Platform) -> VersionShown:
    record = known.record
    deeds = None if record is None else changed(record)
    return VersionShown(
        summary=row(known, platform),
        digest=record.digest if record else None,
        published_by=record.published_by if record else None,
        signed_by=record.signed_by if record else None,
        dataset_version=record.dataset_version if record else None,
        git_sha=record.git_sha if record else None,
        copies=tuple(
            CopyResult(
                kind=copy.place.kind,
                region=copy.place.region,
                url=copy.url,
                complete=copy.complete,
                files={file: listed.bytes for file, listed in copy.files.items()},
            )
            for copy in known.copies
        ),
        verified=_verified(record) if record else (),
        smoke=record.smoke if record else None,
        approvals=deeds.approvals if deeds else (),
        promoted=deeds.promoted if deeds else None,
        withdrawn=deeds.withdrawn if deeds else None,
        lacking=tuple(lacking_for_traffic(record, platform.environment, platform.outputs.regions)) if record else (),
    )


def changed(record: VersionRecord) -> RecordResult:
    promoted, withdrawn = record.promoted, record.withdrawn
    return RecordResult(
        model=record.model,
        version=str(record.version),
        state=record.state,
        revision=record.revision,
        smoke=record.smoke,
        approvals=tuple(Deed(by=entry.by, at=entry.at, note=entry.note) for entry in record.approvals),
        promoted=Deed(by=promoted.by, at=promoted.at) if promoted else None,
        withdrawn=Deed(by=withdrawn.by, at=withdrawn.at, note=withdrawn.reason) if withdrawn else None,
    )


def verification(done: Verification) -> VerificationResult:
    return VerificationResult(
        model=done.record.model,
        version=str(done.record.version),
        findings=tuple(
            FindingResult(
                kind=finding.place.kind,
                region=finding.place.region,
                outcome=finding.outcome,
                reason=finding.reason,
                bytes=finding.bytes,
                signed_by=finding.verified.signed_by if finding.verified else None,
            )
            for finding in done.findings
        ),
        lacking_regions=tuple(finding.place.region for finding in done.lacking),
    )


def pulled(done: Pulled) -> PulledResult:
    return PulledResult(
        model=done.copy.name,
        version=str(done.copy.version),
        source=done.copy.url,
        directory=str(done.directory),
        written=done.written,
    )


def difference(found: Difference, name: str, before: Version, after: Version) -> DiffResult:
    return DiffResult(
        model=name,
        before=str(before),
        after=str(after),
        changes=tuple(
            ChangeResult(what=entry.what, before=entry.before, after=entry.after, changed=entry.before != entry.after)
            for entry in found.changes
        ),
        metrics=tuple(
            FigureResult(name=entry.name, before=entry.before, after=entry.after, change=entry.change)
            for entry in found.metrics
        ),
        file_bytes=tuple(
            FigureResult(name=entry.name, before=entry.before, after=entry.after, change=entry.change)
            for entry in found.bytes
        ),
        answers=None
        if found.answers is None
        else tuple(
            AnswersResult(
                output=entry.output,
                rows=entry.rows,
                differing=entry.differing,
                largest_difference=entry.largest_difference,
            )
            for entry in found.answers
        ),
        not_compared=found.not_compared,
    )


def collection(plan: Plan, done: Collected | None) -> CollectionResult:
    """What would go, or what went."""
    return CollectionResult(
        model=plan.name,
        deleted=done is not None,
        versions=tuple(map(_doomed, plan.doomed if done is None else done.deleted)),
        kept=tuple(map(_kept, (*plan.kept, *(done.spared if done else ())))),
        buckets=tuple(
            RetentionResult(
                kind=place.kind,
                region=place.region,
                bucket=place.bucket,
                locked=retention.locked,
                deleted_files=retention.explain(),
            )
            for place, retention in plan.retentions
        ),
        uploads_ended=done.uploads_ended if done else 0,
    )


def _verified(record: VersionRecord) -> tuple[VerifiedResult, ...]:
    return tuple(
        VerifiedResult(kind=kind, region=region, at=found.at, by=found.by, signed_by=found.signed_by)
        for kind in Kind
        for region, found in record.verified.get(kind, {}).items()
    )


def _doomed(doomed: Doomed) -> DoomedResult:
    return DoomedResult(
        version=str(doomed.version),
        bytes=doomed.bytes,
        whole=doomed.whole,
        buckets=tuple(copy.place.bucket for copy in doomed.copies),
    )


def _kept(kept: Kept) -> KeptResult:
    return KeptResult(version=str(kept.version), reasons=kept.reasons)
