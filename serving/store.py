"""Model versions as they lie in the bucket: lists them, brings one to disk, and lets nothing through unverified.

A version counts as published once its `checksums.json` is there, since that is uploaded last. Its signature, where keys
are trusted, and its digests are checked whenever a version is opened, wherever its bytes come from.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
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
from contract.signature import SIGNATURE_FILE, InvalidSignature
from contract.variants import Variant
from serving import disk
from serving.disk import Disk
from serving.download import ObjectMissing, StoreUnreachable, download, look_at, read_small
from serving.signature import TrustedKeys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

__all__ = ["Files", "Published", "Store", "StoreUnreachable", "VersionCorrupt", "client"]

CONNECT_TIMEOUT_SECONDS = 3
READ_TIMEOUT_SECONDS = 10
ATTEMPTS = 3
DEFAULT_THREADS = 8
SIGNATURE_MAX_BYTES = 4096
METADATA_MAX_BYTES = 16 * 1024 * 1024


class VersionCorrupt(Exception):
    """What lies there is not what was published: the same bytes will not do better."""


@dataclass(frozen=True)
class Published:
    """A complete version in the bucket, and its objects with their ETags, which tell whether one was replaced."""

    version: Version
    objects: frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Files:
    """A verified version on disk, the one of its model files to serve, and the size of that."""

    metadata: ModelMetadata
    model: Path
    model_bytes: int
    variant: Variant | None = None
    """Which file `model` is; None: the version's default."""


@dataclass(frozen=True)
class _Promise:
    """What the publisher says of a version, checked for who says it."""

    version: Version
    checksums: bytes
    signature: bytes | None
    digests: dict[str, str]


def client(threads: int = DEFAULT_THREADS) -> S3Client:
    """An S3 client that gives up in bounded time; region, credentials and endpoint come from the environment."""
    return boto3.client(
        "s3",
        config=Config(
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=threads + 2,
            # Every file's SHA-256 is checked against what was published, so S3's own checksum would be a second one.
            response_checksum_validation="when_required",
        ),
    )


class Store:
    """The versions of one model in one bucket, and those of them that are on disk."""

    def __init__(
        self,
        s3: S3Client,
        bucket: str,
        name: str,
        cache_dir: Path,
        *,
        max_disk_bytes: int = disk.DEFAULT_MAX_BYTES,
        threads: int = DEFAULT_THREADS,
        trusted: TrustedKeys | None = None,
        variant: str | None = None,
    ) -> None:
        """`variant` names the file to serve of the versions that list one of that name."""
        self.name = name
        self.disk = Disk(cache_dir, max_disk_bytes)
        self._s3 = s3
        self._bucket = bucket
        self._threads = threads
        self._trusted = trusted or TrustedKeys()
        self._variant = variant

    def published(self) -> list[Published]:
        """Every complete version, in no order; raise StoreUnreachable."""
        objects: defaultdict[Version, dict[str, str]] = defaultdict(dict)
        head = model_prefix(self.name)
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=head):
                for found in page.get("Contents", []):
                    directory, _, file = found.get("Key", "").rpartition("/")
                    version = version_of_prefix(self.name, f"{directory}/")
                    if version is not None:
                        objects[version][file] = found.get("ETag", "")
        except (BotoCoreError, ClientError) as error:
            raise StoreUnreachable(f"listing s3://{self._bucket}/{head} failed: {error}") from error
        return [
            Published(version, frozenset(files.items()))
            for version, files in objects.items()
            if CHECKSUMS_FILE in files
        ]

    def kept(self) -> list[Version]:
        """Versions on disk, the one that was served last first."""
        return self.disk.kept(self.name)

    @contextmanager
    def opened(self, version: Version) -> Generator[Files]:
        """The version's files, verified against the bucket's promise, downloaded unless they are on disk already.

        Raises VersionCorrupt, StoreUnreachable, or one of `serving.disk`. The files stay until the block ends.
        """
        promise = self._promise(
            version,
            self._document(version, CHECKSUMS_FILE, checksums.MAX_BYTES),
            self._document(version, SIGNATURE_FILE, SIGNATURE_MAX_BYTES) if self._trusted else None,
        )
        with self.disk.hold(self.name, version, promise.digests, self._filling(promise)) as directory:
            self._note(promise, directory)
            yield self._files(promise, directory)

    @contextmanager
    def opened_from_disk(self, version: Version) -> Generator[Files]:
        """The version's files as they were kept, verified against the promise kept with them; raise VersionCorrupt."""
        promise = self._promise(
            version,
            self.disk.file(self.name, version, CHECKSUMS_FILE),
            self.disk.file(self.name, version, SIGNATURE_FILE),
        )

        def missing(_: Path) -> None:
            raise VersionCorrupt(f"{self.name} {version}: what is on disk is not what its {CHECKSUMS_FILE} promises")

        with self.disk.hold(self.name, version, promise.digests, missing) as directory:
            yield self._files(promise, directory)

    def _promise(self, version: Version, promised: bytes | None, signature: bytes | None) -> _Promise:
        if promised is None:
            raise VersionCorrupt(f"{self.name} {version}: its {CHECKSUMS_FILE} is missing")
        try:
            # First of all who says it: nothing that an unknown hand wrote is parsed further or downloaded.
            self._trusted.check(promised, signature)
            return _Promise(version, promised, signature, checksums.parse(promised))
        except (InvalidSignature, InvalidChecksums) as error:
            raise VersionCorrupt(f"{self.name} {version}: {error}") from error

    def _filling(self, promise: _Promise) -> Callable[[Path], None]:
        def fill(directory: Path) -> None:
            try:
                objects = {
                    name: look_at(self._s3, self._bucket, self._key(promise.version, name)) for name in promise.digests
                }
                self.disk.make_room(sum(found.bytes for found in objects.values()), f"{self.name} {promise.version}")
                for name, found in objects.items():
                    download(self._s3, found, directory / name, threads=self._threads)
            except ObjectMissing as error:
                raise VersionCorrupt(f"{self.name} {promise.version}: {error}") from error
            for name, digest in promise.digests.items():
                arrived = checksums.digest_of_file(directory / name)
                if arrived != digest:
                    raise VersionCorrupt(
                        f"{self.name} {promise.version}: {name} has the SHA-256 {arrived}, "
                        f"{CHECKSUMS_FILE} promises {digest}"
                    )
            self._note(promise, directory)

        return fill

    def _note(self, promise: _Promise, directory: Path) -> None:
        # What a restart needs to verify the files again without the bucket. Later signatures replace earlier ones.
        for name, document in ((CHECKSUMS_FILE, promise.checksums), (SIGNATURE_FILE, promise.signature)):
            if document is not None and self.disk.file(self.name, promise.version, name) != document:
                disk.replace(directory / name, document)

    def _files(self, promise: _Promise, directory: Path) -> Files:
        version = promise.version
        path = directory / METADATA_FILE
        try:
            if path.stat().st_size > METADATA_MAX_BYTES:
                raise InvalidMetadata(f"{METADATA_FILE} has more than {METADATA_MAX_BYTES} bytes")
            described = metadata.parse(path.read_bytes())
        except InvalidMetadata as error:
            raise VersionCorrupt(f"{self.name} {version}: {error}") from error
        # The signature covers this name: a signed version copied to another place is refused here.
        if (described.name, described.version) != (self.name, version):
            raise VersionCorrupt(
                f"{self.name} {version}: its {METADATA_FILE} is that of {described.name} {described.version}"
            )
        for listed in described.variants:
            if listed.file not in promise.digests:
                raise VersionCorrupt(f"{self.name} {version}: {CHECKSUMS_FILE} leaves out the variant {listed.file}")
        variant = None if self._variant is None else described.variant(self._variant)
        if variant is None and self._variant is not None:
            logger.warning("%s %s lists no variant %s: its default is served", self.name, version, self._variant)
        model = directory / (variant.file if variant else MODEL_FILE)
        return Files(described, model, model.stat().st_size, variant)

    def _document(self, version: Version, name: str, max_bytes: int) -> bytes | None:
        try:
            document = read_small(self._s3, self._bucket, self._key(version, name), max_bytes)
        except ObjectMissing:
            return None
        if len(document) > max_bytes:
            raise VersionCorrupt(f"{self.name} {version}: {name} has more than {max_bytes} bytes")
        return document

    def _key(self, version: Version, name: str) -> str:
        return f"{version_prefix(self.name, version)}{name}"
