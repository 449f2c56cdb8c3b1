"""Large objects from S3 to disk: in parts side by side, each taken up again where its connection broke off."""

from __future__ import annotations

import os
import queue
import random
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024
# What is lost when a connection breaks off, and what each thread holds in memory.
CHUNK_BYTES = 64 * 1024
ATTEMPTS_WITHOUT_PROGRESS = 5
FIRST_PAUSE_SECONDS = 0.1

# Whatever a body that breaks off, stalls or ends early raises.
_BROKEN = (BotoCoreError, HTTPError, OSError)
_MISSING = ("NoSuchKey", "404")


class StoreUnreachable(Exception):
    """The bucket did not answer, or refused to: worth another try later."""


class ObjectMissing(Exception):
    """There is no such object in the bucket."""


@dataclass(frozen=True)
class Object:
    """One object as it was when it was looked at; its ETag keeps parts of two writes from being mixed."""

    bucket: str
    key: str
    bytes: int
    etag: str

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def look_at(s3: S3Client, bucket: str, key: str) -> Object:
    """The object's size and ETag; raise ObjectMissing or StoreUnreachable."""
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except (BotoCoreError, ClientError) as error:
        raise _failed(f"s3://{bucket}/{key}", error) from error
    return Object(bucket, key, found["ContentLength"], found["ETag"])


def read_small(s3: S3Client, bucket: str, key: str, max_bytes: int) -> bytes:
    """A document, cut off behind `max_bytes` + 1: longer ones are for the caller to refuse."""
    url = f"s3://{bucket}/{key}"
    broken: Exception | None = None
    for attempt in range(ATTEMPTS_WITHOUT_PROGRESS):
        try:
            body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        except (BotoCoreError, ClientError) as error:
            raise _failed(url, error) from error
        try:
            with closing(body):
                return body.read(max_bytes + 1)
        except _BROKEN as error:
            broken = error
        time.sleep(_pause_seconds(attempt))
    raise StoreUnreachable(f"reading {url} broke off {ATTEMPTS_WITHOUT_PROGRESS} times: {broken}")


def download(s3: S3Client, wanted: Object, path: Path, *, threads: int, part_bytes: int = PART_BYTES) -> None:
    """Write the object to `path`; raise ObjectMissing or StoreUnreachable, with whatever was written left there."""
    parts: queue.SimpleQueue[int] = queue.SimpleQueue()
    for first in range(0, wanted.bytes, part_bytes):
        parts.put(first)
    with path.open("wb") as file:
        # The whole size at once: a full disk shows now, and whoever adds up the directory sees what it will take.
        if wanted.bytes:
            os.posix_fallocate(file.fileno(), 0, wanted.bytes)
        work = _Work(s3, wanted, file.fileno(), parts, part_bytes)
        # Daemons, unlike an executor's threads: a process that is told to stop does not wait for a download.
        helpers = [
            threading.Thread(target=work.run, name="download", daemon=True) for _ in range(min(threads, parts.qsize()))
        ]
        for helper in helpers:
            helper.start()
        for helper in helpers:
            helper.join()
    if work.failures:
        raise work.failures[0]


class _Work:
    """The parts of one object still to be had; the first failure stops every thread."""

    def __init__(self, s3: S3Client, wanted: Object, file: int, parts: queue.SimpleQueue[int], part_bytes: int) -> None:
        self._s3 = s3
        self._wanted = wanted
        self._file = file
        self._parts = parts
        self._part_bytes = part_bytes
        self._stop = threading.Event()
        self.failures: list[Exception] = []

    def run(self) -> None:
        while not self._stop.is_set():
            try:
                first = self._parts.get_nowait()
            except queue.Empty:
                return
            try:
                self._part(first, min(first + self._part_bytes, self._wanted.bytes))
            except Exception as error:
                self.failures.append(error)
                self._stop.set()

    def _part(self, at: int, end: int) -> None:
        attempt = 0
        while not self._stop.is_set():
            reached, broken = self._read(at, end)
            if reached == end:
                return
            attempt = 0 if reached > at else attempt + 1
            if attempt == ATTEMPTS_WITHOUT_PROGRESS:
                raise StoreUnreachable(
                    f"reading {self._wanted.url} broke off {attempt} times at byte {reached}: {broken}"
                )
            at = reached
            self._stop.wait(_pause_seconds(attempt))

    def _read(self, at: int, end: int) -> tuple[int, Exception | None]:
        """Write what one request brings; return how far it came and what ended it."""
        wanted = self._wanted
        try:
            answer = self._s3.get_object(
                Bucket=wanted.bucket, Key=wanted.key, Range=f"bytes={at}-{end - 1}", IfMatch=wanted.etag
            )
        except (BotoCoreError, ClientError) as error:
            raise _failed(wanted.url, error) from error
        if not answer.get("ContentRange", "").startswith(f"bytes {at}-"):
            raise StoreUnreachable(f"reading {wanted.url} from byte {at} got another part: the store knows no ranges")
        try:
            with closing(answer["Body"]) as body:
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    kept = chunk[: end - at]
                    _write(self._file, kept, at)
                    at += len(kept)
                    if at == end or self._stop.is_set():
                        break
        except _BROKEN as error:
            return at, error
        return at, None


def _write(file: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written


def _failed(url: str, error: BotoCoreError | ClientError) -> Exception:
    if isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _MISSING:
        return ObjectMissing(f"{url} is missing")
    return StoreUnreachable(f"reading {url} failed: {error}")


def _pause_seconds(attempt: int) -> float:
    # Spread out, so that the parts that broke off together do not come back together.
    return FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1)
