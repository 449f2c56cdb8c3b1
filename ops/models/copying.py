"""Objects copied from bucket to bucket by S3 itself: only bytes that were verified, and never over others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import ceil

from botocore.exceptions import BotoCoreError, ClientError

from contract.objects import CHECKSUMS_FILE, version_prefix
from contract.signature import SIGNATURE_FILE
from ops.aws_errors import NO_OBJECT, PRECONDITION_FAILED, UNDER_WAY, code_of
from ops.models.places import Copy, Listed, Place
from ops.models.reading import CopyCorrupt, Promise, digest_of
from serving.download import StoreUnreachable

PART_BYTES = 256 * 1024**2
"""Larger objects go in parts: CopyObject takes no more than 5 GiB, and a part is done well before a call gives up."""
MOST_PARTS = 10_000
THREADS = 8


class CopyRefused(ValueError):
    """The destination holds other bytes, or the source changed; the message says which and what to do."""


def copy_version(
    source: Copy,
    to: Place,
    etags: dict[str, str],
    promise: Promise,
    *,
    part_bytes: int = PART_BYTES,
) -> bool:
    """Copy the version's files, its signature and then its checksums; True when anything was copied.

    Raises CopyRefused, CopyCorrupt or StoreUnreachable; what was copied by then makes no version, and is taken up
    again by the next call. `etags` are those under which the source was verified.
    """
    signed = SIGNATURE_FILE in source.files or SIGNATURE_FILE in etags
    files = (*promise.digests, *([SIGNATURE_FILE] if signed else []), CHECKSUMS_FILE)
    for file in files:
        if file not in source.files:
            raise CopyCorrupt(f"{source.url}{file} is missing: publish the version again")
        if source.files[file].etag != etags.get(file):
            raise CopyRefused(f"{source.url}{file} is not as it was verified: verify the version again")
    # All of what lies there is looked at before anything is added to it.
    lacking = [file for file in files if not _is_there(source, to, file, promise)]
    for file in lacking:
        _copy(source, source.files[file], to, part_bytes)
    return bool(lacking)


def _is_there(source: Copy, to: Place, file: str, promise: Promise) -> bool:
    """Whether the destination has the file, which then must have the promised bytes."""
    key = f"{version_prefix(source.name, source.version)}{file}"
    try:
        found = to.s3.head_object(Bucket=to.bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        if isinstance(error, ClientError) and code_of(error) in NO_OBJECT:
            return False
        raise StoreUnreachable(f"looking at s3://{to.bucket}/{key} failed: {error}") from error
    listed = Listed(key=key, bytes=found["ContentLength"], etag=found["ETag"], modified=found["LastModified"])
    wanted = promise.digests.get(file) or digest_of(source.place, source.files[file])
    if digest_of(to, listed) != wanted:
        raise CopyRefused(
            f"s3://{to.bucket}/{key} holds other bytes, and a version is never changed: publish under a new version"
        )
    return True


def _copy(source: Copy, listed: Listed, to: Place, part_bytes: int) -> None:
    try:
        if listed.bytes <= part_bytes:
            to.s3.copy_object(
                Bucket=to.bucket,
                Key=listed.key,
                CopySource={"Bucket": source.place.bucket, "Key": listed.key},
                CopySourceIfMatch=listed.etag,
                IfNoneMatch="*",
            )
        else:
            _copy_parts(source, listed, to, max(part_bytes, ceil(listed.bytes / MOST_PARTS)))
    except ClientError as error:
        code = code_of(error)
        where = f"s3://{to.bucket}/{listed.key}"
        if code in PRECONDITION_FAILED:
            raise CopyRefused(
                f"{where} was written by somebody else, or its source changed meanwhile: verify and promote again"
            ) from error
        if code == UNDER_WAY:
            raise CopyRefused(f"{where} is being written by somebody else: promote again") from error
        raise StoreUnreachable(f"copying to {where} failed: {error}") from error
    except BotoCoreError as error:
        raise StoreUnreachable(f"copying to s3://{to.bucket}/{listed.key} failed: {error}") from error


def _copy_parts(source: Copy, listed: Listed, to: Place, part_bytes: int) -> None:
    upload = to.s3.create_multipart_upload(Bucket=to.bucket, Key=listed.key)["UploadId"]

    def part(number: int) -> str:
        first = (number - 1) * part_bytes
        last = min(first + part_bytes, listed.bytes) - 1
        answer = to.s3.upload_part_copy(
            Bucket=to.bucket,
            Key=listed.key,
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": source.place.bucket, "Key": listed.key},
            CopySourceIfMatch=listed.etag,
            CopySourceRange=f"bytes={first}-{last}",
        )
        return answer["CopyPartResult"].get("ETag", "")

    numbers = range(1, ceil(listed.bytes / part_bytes) + 1)
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            etags = list(pool.map(part, numbers))
        to.s3.complete_multipart_upload(
            Bucket=to.bucket,
            Key=listed.key,
            UploadId=upload,
            MultipartUpload={
                "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in zip(numbers, etags, strict=True)]
            },
            IfNoneMatch="*",
        )
    except BaseException:
        # Parts cost money until the upload is given up; where even that fails, the bucket's lifecycle does it.
        with suppress(BotoCoreError, ClientError):
            to.s3.abort_multipart_upload(Bucket=to.bucket, Key=listed.key, UploadId=upload)
        raise
