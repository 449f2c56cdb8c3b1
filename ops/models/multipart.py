"""S3's multipart uploads: begun, found again, filled by parts side by side, and completed where no object lies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ops.aws_errors import ALREADY_THERE, NO_UPLOAD, UNDER_WAY, code_of
from ops.models.parts import Part, Source, in_base64
from ops.models.write_once import ALGORITHM, lost_to_another

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, MultipartUploadTypeDef, PartTypeDef

UPLOAD_GONE = (NO_UPLOAD, "InvalidPart")
"""S3's answers to one who works on an upload with others: they have ended it, or have replaced a part of it."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where an object is to lie."""

    s3: S3Client
    bucket: str
    key: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Everything that the object is made of: the whole's SHA-256, the parts, and how many bytes were sent for them."""

    whole: bytes
    parts: list[CompletedPartTypeDef]
    bytes: int


def begin(target: Target) -> str:
    begun = target.s3.create_multipart_upload(Bucket=target.bucket, Key=target.key, ChecksumAlgorithm=ALGORITHM)
    return begun["UploadId"]


def resumable(target: Target, source: Source, shunned: set[str]) -> tuple[str, dict[int, CompletedPartTypeDef]] | None:
    """The open upload with most of the file's bytes, and its parts; None where there is none.

    One that holds a single part of other bytes is somebody else's, who may be at work: it is left alone. So is one
    without any part, since nothing tells whose it is.
    """
    best: tuple[str, dict[int, CompletedPartTypeDef]] | None = None
    for found in open_uploads(target.s3, target.bucket, target.key):
        upload_id = found.get("UploadId")
        if upload_id is None or found.get("Key") != target.key or upload_id in shunned:
            continue
        if found.get("ChecksumAlgorithm") != ALGORITHM:
            continue
        try:
            kept = _kept(source, listed(target, upload_id))
        except ClientError as error:
            if code_of(error) not in UPLOAD_GONE:
                raise
            continue
        if kept and (best is None or len(kept) > len(best[1])):
            best = upload_id, kept
    return best


def _kept(source: Source, listed: list[PartTypeDef]) -> dict[int, CompletedPartTypeDef]:
    """The listed parts by number if all are this file's; otherwise none."""
    kept: dict[int, CompletedPartTypeDef] = {}
    for found in listed:
        number, etag = found.get("PartNumber", 0), found.get("ETag", "")
        if not 1 <= number <= len(source.parts) or found.get("Size") != source.parts[number - 1].bytes:
            return {}
        data = source.read(source.parts[number - 1])
        checksum = in_base64(hashlib.sha256(data).digest())
        listed_checksum = found.get("ChecksumSHA256")
        if listed_checksum is None:
            # Not S3, which lists the checksum that an upload was begun with: there an ETag is the part's MD5.
            same = etag.strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest()
        else:
            same = listed_checksum == checksum
        if not same:
            return {}
        kept[number] = {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum}
    return kept


def send(
    target: Target,
    upload_id: str,
    source: Source,
    kept: dict[int, CompletedPartTypeDef],
    threads: int,
    on_bytes: Callable[[int], None],
) -> Sent:
    """Send what is not `kept`, and digest the whole on the way: what was digested is what was sent."""
    whole = hashlib.sha256()
    done: list[CompletedPartTypeDef] = list(kept.values())
    waiting: dict[Future[CompletedPartTypeDef], Part] = {}

    def collect(at_most: int) -> None:
        while len(waiting) > at_most:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                done.append(future.result())
                on_bytes(waiting.pop(future).bytes)

    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="upload")
    try:
        for part in source.parts:
            data = source.read(part)
            if part.number in kept:
                on_bytes(part.bytes)
            else:
                collect(threads)
                waiting[pool.submit(_send_part, target, upload_id, part.number, data)] = part
            whole.update(data)
        collect(0)
    finally:
        # After a failure nothing further is begun; what is under way ends within the client's time limits.
        pool.shutdown(cancel_futures=True)
    done.sort(key=lambda part: part.get("PartNumber", 0))
    sent = sum(part.bytes for part in source.parts if part.number not in kept)
    return Sent(whole=whole.digest(), parts=done, bytes=sent)


def _send_part(target: Target, upload_id: str, number: int, data: bytes) -> CompletedPartTypeDef:
    checksum = in_base64(hashlib.sha256(data).digest())
    sent = target.s3.upload_part(
        Bucket=target.bucket,
        Key=target.key,
        UploadId=upload_id,
        PartNumber=number,
        Body=data,
        ChecksumAlgorithm=ALGORITHM,
        ChecksumSHA256=checksum,
    )
    return {"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum}


def complete(target: Target, upload_id: str, source: Source, parts: list[CompletedPartTypeDef]) -> bool:
    """Make the object of the parts; False where one lies there. Either way the upload is over."""
    try:
        target.s3.complete_multipart_upload(
            Bucket=target.bucket,
            Key=target.key,
            UploadId=upload_id,
            MultipartUpload={"Parts": parts},
            MpuObjectSize=source.bytes,
            IfNoneMatch="*",
        )
    except ClientError as error:
        if code_of(error) in (ALREADY_THERE, UNDER_WAY):
            # It can never be completed now, whoever else may be at work on it.
            abort(target, upload_id)
        return lost_to_another(error, target.url)
    return True


def abort(target: Target, upload_id: str) -> None:
    try:
        target.s3.abort_multipart_upload(Bucket=target.bucket, Key=target.key, UploadId=upload_id)
    except ClientError as error:
        if code_of(error) not in UPLOAD_GONE:
            raise


def open_uploads(s3: S3Client, bucket: str, prefix: str) -> list[MultipartUploadTypeDef]:
    pages = s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    return [found for page in pages for found in page.get("Uploads", [])]


def listed(target: Target, upload_id: str) -> list[PartTypeDef]:
    pages = target.s3.get_paginator("list_parts").paginate(Bucket=target.bucket, Key=target.key, UploadId=upload_id)
    return [found for page in pages for found in page.get("Parts", [])]
