"""Objects that are written once: created where none lies, compared where one does, never replaced."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.aws_errors import ALREADY_THERE, NO_OBJECT, UNDER_WAY, code_of
from ops.models.parts import Source, in_base64

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ALGORITHM = "SHA256"
"""By which S3 checks what it is sent."""

_READ_BYTES = 1024 * 1024


class UploadRefused(ValueError):
    """The object could not be written, and what lies in its place is as it was."""


class ObjectDiffers(UploadRefused):
    """Other bytes lie there."""


class ObjectBeingWritten(UploadRefused):
    """Somebody else writes it at this moment."""


def put_new(s3: S3Client, bucket: str, key: str, data: bytes) -> bool:
    """Write a small object; False, and nothing done, where one lies there already. Raises ObjectBeingWritten."""
    try:
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=data,
            IfNoneMatch="*",
            ChecksumAlgorithm=ALGORITHM,
            ChecksumSHA256=in_base64(hashlib.sha256(data).digest()),
        )
    except ClientError as error:
        return lost_to_another(error, f"s3://{bucket}/{key}")
    return True


def exists(s3: S3Client, bucket: str, key: str) -> bool:
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if code_of(error) in NO_OBJECT:
            return False
        raise
    return True


def same_bytes(s3: S3Client, bucket: str, key: str, source: Source) -> str | None:
    """The file's SHA-256 if the object holds the same bytes; None where it holds others.

    What S3 has checked at the upload counts; an object that was written without such checksums is read.
    """
    found = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    if found["ContentLength"] != source.bytes:
        return None
    digests = source.survey()
    if found.get("ChecksumSHA256") not in digests.stored:
        there = hashlib.sha256()
        for chunk in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_chunks(_READ_BYTES):
            there.update(chunk)
        if there.digest() != digests.whole:
            return None
    return digests.whole.hex()


def lost_to_another(error: ClientError, url: str) -> bool:
    """False where the object is there; raise what else the conditional write failed for."""
    code = code_of(error)
    if code == UNDER_WAY:
        raise ObjectBeingWritten(f"{url} is being written by somebody else: publish again") from error
    if code != ALREADY_THERE:
        raise error
    return False
