"""A file to S3 in parts side by side: taken up again where it broke off, and never over an object that is there.

S3 checks every part by its SHA-256 and writes the object only where none lies (`If-None-Match: *`). An upload that
broke off is left open on purpose: whoever uploads the same bytes again sends what it lacks, `abandon` ends the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.aws_errors import code_of
from ops.models.multipart import UPLOAD_GONE, Target, begin, complete, listed, open_uploads, resumable, send
from ops.models.parts import Source
from ops.models.write_once import ObjectBeingWritten, ObjectDiffers, exists, put_new, same_bytes

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 8

OnBytes = Callable[[int], None]
"""Told how many more bytes lie in the bucket, in the thread that called the upload."""

_FRESH_STARTS = 3


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """An object that holds the file's bytes now; `created` is False where it held them before."""

    sha256: str
    sent_bytes: int
    """Less than the file has where parts of it lay there already."""
    created: bool


@dataclass(frozen=True, kw_only=True)
class Abandoned:
    """An upload that was ended; its parts are gone."""

    key: str
    upload_id: str
    last_active_at: datetime


def upload(
    s3: S3Client,
    source: Source,
    bucket: str,
    key: str,
    *,
    threads: int = THREADS,
    on_bytes: OnBytes = lambda count: None,
) -> Uploaded:
    """Write the file to a place where nothing lies, at most `threads` + 2 parts of it in memory at once.

    Raises ObjectDiffers, ObjectBeingWritten, SourceRefused, or botocore's errors, after any of which the same call goes
    on with what was sent so far.
    """
    target = Target(s3=s3, bucket=bucket, key=key)
    if len(source.parts) == 1:
        return _upload_whole(target, source, on_bytes)
    shunned: set[str] = set()
    reported = _Rising(on_bytes)
    for _ in range(_FRESH_STARTS):
        upload_id, kept = resumable(target, source, shunned) or (begin(target), {})
        try:
            sent = send(target, upload_id, source, kept, threads, reported.from_zero())
            source.check_unchanged()
            created = complete(target, upload_id, source, sent.parts)
        except ClientError as error:
            if code_of(error) not in UPLOAD_GONE:
                raise
            # Others who upload the same bytes may have completed it, or it was abandoned: look, or begin anew.
            shunned.add(upload_id)
            if exists(s3, bucket, key):
                return _lying_there(target, source)
            continue
        if not created:
            return _lying_there(target, source)
        return Uploaded(sha256=sent.whole.hex(), sent_bytes=sent.bytes, created=True)
    raise ObjectBeingWritten(f"{target.url} is being written by somebody else: publish again")


def abandon(s3: S3Client, bucket: str, prefix: str, older_than: timedelta) -> list[Abandoned]:
    """End the open uploads under a prefix to which no part has come for so long, and free what they hold."""
    ended: list[Abandoned] = []
    for found in open_uploads(s3, bucket, prefix):
        key, upload_id, began = found.get("Key"), found.get("UploadId"), found.get("Initiated")
        if key is None or upload_id is None or began is None:
            continue
        target = Target(s3=s3, bucket=bucket, key=key)
        try:
            times = [part["LastModified"] for part in listed(target, upload_id) if "LastModified" in part]
            last = max(began, *times) if times else began
            if datetime.now(UTC) - last < older_than:
                continue
            s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id)
        except ClientError as error:
            if code_of(error) not in UPLOAD_GONE:
                raise
            continue
        ended.append(Abandoned(key=key, upload_id=upload_id, last_active_at=last))
    return ended


def _upload_whole(target: Target, source: Source, on_bytes: OnBytes) -> Uploaded:
    data = source.read(source.parts[0])
    source.check_unchanged()
    if not put_new(target.s3, target.bucket, target.key, data):
        return _lying_there(target, source)
    on_bytes(source.bytes)
    return Uploaded(sha256=hashlib.sha256(data).hexdigest(), sent_bytes=source.bytes, created=True)


def _lying_there(target: Target, source: Source) -> Uploaded:
    digest = same_bytes(target.s3, target.bucket, target.key, source)
    if digest is None:
        raise ObjectDiffers(f"{target.url} holds other bytes")
    return Uploaded(sha256=digest, sent_bytes=0, created=False)


class _Rising:
    """Reports bytes once, however often an upload starts anew."""

    def __init__(self, on_bytes: OnBytes) -> None:
        self._on_bytes = on_bytes
        self._most = 0
        self._now = 0

    def from_zero(self) -> OnBytes:
        self._now = 0
        return self._add

    def _add(self, count: int) -> None:
        self._now += count
        if self._now > self._most:
            self._on_bytes(self._now - self._most)
            self._most = self._now
