"""Model versions as they lie in the bucket: lists them, downloads one, and lets nothing through unverified.

A version counts as published once its `checksums.json` is there, since that is uploaded last.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from contract import checksums, metadata
from contract.checksums import InvalidChecksums
from contract.metadata import InvalidMetadata, ModelMetadata
from contract.objects import (
    CHECKSUMS_FILE,
    METADATA_FILE,
    MODEL_FILE,
    Version,
    model_prefix,
    version_of_prefix,
    version_prefix,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10
ATTEMPTS = 3
_CHUNK_BYTES = 1024 * 1024
_UNFINISHED = "unfinished-"


class StoreUnreachable(Exception):
    """The bucket did not answer, or refused to: worth another try later."""


class VersionCorrupt(Exception):
    """What lies in the bucket is not what was published: the same bytes will not do better."""


@dataclass(frozen=True)
class Published:
    """A complete version in the bucket, and a fingerprint that changes whenever one of its objects does."""

    version: Version
    fingerprint: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Files:
    """A version on disk, each file with the digest that was published."""

    metadata: ModelMetadata
    model: Path


def client() -> S3Client:
    """An S3 client that gives up in bounded time; region, credentials and endpoint come from the environment."""
    return boto3.client(
        "s3",
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        ),
    )


class Store:
    """The versions of one model in one bucket, with a directory for what was downloaded."""

    def __init__(self, s3: S3Client, bucket: str, name: str, cache_dir: Path) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._name = name
        self._dir = cache_dir / name

    def published(self) -> list[Published]:
        """Every complete version, in no order; raise StoreUnreachable."""
        objects: defaultdict[Version, dict[str, str]] = defaultdict(dict)
        head = model_prefix(self._name)
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=head):
                for found in page.get("Contents", []):
                    directory, _, file = found.get("Key", "").rpartition("/")
                    version = version_of_prefix(self._name, f"{directory}/")
                    if version is not None:
                        objects[version][file] = found.get("ETag", "")
        except (BotoCoreError, ClientError) as error:
            raise StoreUnreachable(f"listing s3://{self._bucket}/{head} failed: {error}") from error
        return [
            Published(version, frozenset(files.items()))
            for version, files in objects.items()
            if CHECKSUMS_FILE in files
        ]

    def fetch(self, version: Version) -> Files:
        """The version's verified files; raise VersionCorrupt or StoreUnreachable."""
        try:
            digests = checksums.parse(self._read(version, CHECKSUMS_FILE))
            directory = self._cached(version, digests) or self._download(version, digests)
            described = metadata.parse((directory / METADATA_FILE).read_bytes())
        except (InvalidChecksums, InvalidMetadata) as error:
            raise VersionCorrupt(f"{self._name} {version}: {error}") from error
        if (described.name, described.version) != (self._name, version):
            raise VersionCorrupt(
                f"{self._name} {version}: its {METADATA_FILE} is that of {described.name} {described.version}"
            )
        return Files(described, directory / MODEL_FILE)

    def keep_only(self, version: Version) -> None:
        """Delete from disk every other version, and what a killed process left unfinished."""
        for directory in self._dir.iterdir():
            if directory.name != f"v{version}":
                shutil.rmtree(directory, ignore_errors=True)

    def _cached(self, version: Version, digests: dict[str, str]) -> Path | None:
        directory = self._dir / f"v{version}"
        if not directory.is_dir():
            return None
        for name, digest in digests.items():
            file = directory / name
            if not file.is_file() or checksums.digest_of_file(file) != digest:
                shutil.rmtree(directory)
                return None
        return directory

    def _download(self, version: Version, digests: dict[str, str]) -> Path:
        self._dir.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._dir))
        try:
            for name, digest in digests.items():
                self._save(version, name, unfinished / name)
                found = checksums.digest_of_file(unfinished / name)
                if found != digest:
                    raise VersionCorrupt(
                        f"{self._name} {version}: {name} has the SHA-256 {found}, {CHECKSUMS_FILE} promises {digest}"
                    )
            # A rename within one directory is atomic: a version is on disk whole or not at all.
            return unfinished.rename(self._dir / f"v{version}")
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def _save(self, version: Version, name: str, path: Path) -> None:
        with path.open("wb") as file:
            for chunk in self._chunks(version, name):
                file.write(chunk)

    def _read(self, version: Version, name: str) -> bytes:
        return b"".join(self._chunks(version, name))

    def _chunks(self, version: Version, name: str) -> Iterator[bytes]:
        key = f"{version_prefix(self._name, version)}{name}"
        try:
            yield from self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].iter_chunks(_CHUNK_BYTES)
        except self._s3.exceptions.NoSuchKey as error:
            raise VersionCorrupt(f"{self._name} {version}: s3://{self._bucket}/{key} is missing") from error
        except (BotoCoreError, ClientError) as error:
            raise StoreUnreachable(f"reading s3://{self._bucket}/{key} failed: {error}") from error
