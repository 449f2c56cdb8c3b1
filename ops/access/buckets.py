"""A user's objects in one bucket, with all their versions: found, read, and deleted where nothing locks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from contract.objects import user_prefix
from ops.access.report import HeldItem, HeldKind, Outcome
from ops.aws_errors import NO_LIFECYCLE, NO_LOCK, NO_UPLOAD, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DELETED_AT_ONCE = 1000
"""What S3 takes in one DeleteObjects (its API reference)."""
CHUNK_BYTES = 1024 * 1024

_LEGAL_HOLD = "a legal hold is on it, which has no end of its own"
_RETENTION = "object lock keeps it"


class UserObjects:
    """What one bucket holds of one user. Methods raise botocore's errors."""

    def __init__(self, s3: S3Client, bucket: str, user_id: str) -> None:
        self.bucket = bucket
        self._s3 = s3
        self._prefix = user_prefix(user_id)

    def find(self, now: datetime) -> list[HeldItem]:
        """Every version, marker and unfinished upload; what is locked is `kept` already, with its reason."""
        return [*self._versions(now), *self._uploads()]

    def read(self, item: HeldItem) -> Iterator[bytes]:
        """The bytes of exactly this version, in chunks."""
        body = self._s3.get_object(Bucket=self.bucket, Key=item.name, VersionId=item.version or "")["Body"]
        yield from body.iter_chunks(CHUNK_BYTES)

    def abort(self, upload: HeldItem) -> None:
        """Give up an unfinished upload; one that is gone counts as given up."""
        try:
            self._s3.abort_multipart_upload(Bucket=self.bucket, Key=upload.name, UploadId=upload.version or "")
        except ClientError as error:
            if code_of(error) != NO_UPLOAD:
                raise

    def delete(self, items: Sequence[HeldItem]) -> dict[tuple[str, str | None], str]:
        """Delete these versions for good, at most DELETED_AT_ONCE; returns what S3 refused, and with which word."""
        answer: Any = self._s3.delete_objects(
            Bucket=self.bucket,
            Delete={"Objects": [{"Key": item.name, "VersionId": item.version or ""} for item in items], "Quiet": True},
        )
        return {(error["Key"], error.get("VersionId")): str(error.get("Code")) for error in answer.get("Errors", [])}

    def noncurrent_days(self) -> int | None:
        """After how many days an overwritten or deleted version goes by the bucket's own rules; None: never."""
        try:
            rules: Any = self._s3.get_bucket_lifecycle_configuration(Bucket=self.bucket)["Rules"]
        except ClientError as error:
            if code_of(error) != NO_LIFECYCLE:
                raise
            return None
        days = [
            rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
            for rule in rules
            if rule.get("Status") == "Enabled" and "NoncurrentDays" in rule.get("NoncurrentVersionExpiration", {})
        ]
        return min(days, default=None)

    def _versions(self, now: datetime) -> Iterator[HeldItem]:
        locks = self._may_lock()
        pages: Any = self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=self._prefix)
        for page in pages:
            for version in page.get("Versions", []):
                item = _item(self.bucket, HeldKind.OBJECT, version)
                yield self._locked(item, now) if locks else item
            # Object lock does not hold delete markers.
            for marker in page.get("DeleteMarkers", []):
                yield _item(self.bucket, HeldKind.DELETE_MARKER, marker)

    def _uploads(self) -> Iterator[HeldItem]:
        pages: Any = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=self._prefix)
        for page in pages:
            for upload in page.get("Uploads", []):
                yield HeldItem(
                    kind=HeldKind.UPLOAD,
                    place=self.bucket,
                    name=upload["Key"],
                    version=upload["UploadId"],
                    at=upload["Initiated"],
                )

    def _may_lock(self) -> bool:
        """Whether the bucket can hold locked objects: only then each version is asked."""
        try:
            found = self._s3.get_object_lock_configuration(Bucket=self.bucket)
        except ClientError as error:
            if code_of(error) != NO_LOCK:
                raise
            return False
        return found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"

    def _locked(self, item: HeldItem, now: datetime) -> HeldItem:
        head: Any = self._s3.head_object(Bucket=self.bucket, Key=item.name, VersionId=item.version or "")
        until = head.get("ObjectLockRetainUntilDate")
        if head.get("ObjectLockLegalHoldStatus") == "ON":
            return _kept(item, _LEGAL_HOLD, until)
        if until is not None and until > now:
            return _kept(item, f"{_RETENTION} ({head.get('ObjectLockMode', '').lower()})", until)
        return item


def _item(bucket: str, kind: HeldKind, version: Any) -> HeldItem:
    return HeldItem(
        kind=kind,
        place=bucket,
        name=version["Key"],
        version=version["VersionId"],
        bytes=version.get("Size"),
        at=version["LastModified"],
    )


def _kept(item: HeldItem, reason: str, until: datetime | None) -> HeldItem:
    end = None if until is None else until.astimezone(UTC)
    return msgspec.structs.replace(item, outcome=Outcome.KEPT, reason=reason, until=end)
