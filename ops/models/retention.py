"""What deleting from a bucket means: for how long S3 keeps the deleted bytes, and whether it deletes at all."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws_errors import NO_LIFECYCLE, NO_LOCK, code_of
from ops.models.places import Place
from serving.download import StoreUnreachable


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Of one bucket."""

    locked: bool
    """Object lock is on: its objects are kept as evidence, and nothing is deleted there."""
    versioned: bool
    noncurrent_days: int | None
    """How long the bytes behind a delete marker stay; None: until somebody deletes them by their version."""

    def explain(self) -> str:
        """When deleted files are gone for good."""
        if not self.versioned:
            return "gone for good at once, since the bucket keeps no versions"
        if self.noncurrent_days is None:
            return "hidden by delete markers, and never gone by themselves, since no lifecycle rule expires them"
        return f"hidden by delete markers, and gone for good {self.noncurrent_days} days after"


def retention_of(place: Place) -> Retention:
    """Raise StoreUnreachable where the bucket does not say, since then nothing may be deleted."""
    try:
        versioning = place.s3.get_bucket_versioning(Bucket=place.bucket)
        return Retention(
            locked=_locked(place),
            versioned=versioning.get("Status") == "Enabled",
            noncurrent_days=_noncurrent_days(place),
        )
    except (BotoCoreError, ClientError) as error:
        raise StoreUnreachable(f"how long {place} keeps what is deleted cannot be read: {error}") from error


def _locked(place: Place) -> bool:
    try:
        answer = place.s3.get_object_lock_configuration(Bucket=place.bucket)
    except ClientError as error:
        if code_of(error) == NO_LOCK:
            return False
        raise
    return answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"


def _noncurrent_days(place: Place) -> int | None:
    try:
        rules = place.s3.get_bucket_lifecycle_configuration(Bucket=place.bucket).get("Rules", [])
    except ClientError as error:
        if code_of(error) == NO_LIFECYCLE:
            return None
        raise
    days = [
        expiration.get("NoncurrentDays")
        for rule in rules
        if rule.get("Status") == "Enabled"
        # Rules for a part of the bucket say nothing of the rest.
        and not (rule.get("Filter", {}).get("Prefix") or rule.get("Prefix"))
        and (expiration := rule.get("NoncurrentVersionExpiration"))
    ]
    return min((day for day in days if day is not None), default=None)
