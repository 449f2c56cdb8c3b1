"""What `serveml model publish` prints with `--json`."""

from __future__ import annotations

import msgspec

from contract.objects import Version
from contract.versions import Kind, VersionRecord
from ops.models.convert import Preparation
from ops.models.publish import PublishedModel


class VersionPublished(msgspec.Struct, frozen=True, kw_only=True):
    """A version that lies in a bucket whole, and has its record in the deployments table."""

    name: str
    version: Version
    to: Kind
    bucket: str
    prefix: str
    created: bool
    """False where all of it lay there before."""
    files: dict[str, str]
    """SHA-256 by file name."""
    total_bytes: int
    sent_bytes: int
    """Less than the total where an earlier upload was taken up again."""
    signed_by: str | None
    """The name of the key; None where the version is not signed."""
    published_by: str
    """Who the record says published it: the first who did."""
    preparation: Preparation | None
    """What was done to the given file; None where `--metadata` described it."""


def published(
    model: PublishedModel, to: Kind, record: VersionRecord, preparation: Preparation | None
) -> VersionPublished:
    return VersionPublished(
        name=model.name,
        version=model.version,
        to=to,
        bucket=model.bucket,
        prefix=model.prefix,
        created=model.created,
        files=model.digests,
        total_bytes=model.total_bytes,
        sent_bytes=model.sent_bytes,
        signed_by=record.signed_by,
        published_by=record.published_by,
        preparation=preparation,
    )
