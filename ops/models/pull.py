"""A version's files on this machine: downloaded, checked as the server checks them, and never over other bytes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from contract import checksums
from contract.metadata import ModelMetadata
from contract.objects import CHECKSUMS_FILE, MODEL_FILE, Version
from contract.signature import SIGNATURE_FILE
from ops.models import places
from ops.models.places import Copy
from ops.models.reading import REMEDY, CopyCorrupt, document, promise_of
from ops.platform import Platform
from serving.download import Object, ObjectMissing, download
from serving.signature import TrustedKeys
from serving.store import SIGNATURE_MAX_BYTES

THREADS = 8
_UNFINISHED = ".unfinished"


class PullRefused(ValueError):
    """The directory holds other bytes, or cannot be written; nothing in it was replaced."""


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """A version on disk. `written` names the files that were not there before."""

    copy: Copy
    directory: Path
    metadata: ModelMetadata
    written: tuple[str, ...]

    @property
    def model(self) -> Path:
        return self.directory / MODEL_FILE


def pull(platform: Platform, name: str, version: Version, directory: Path, *, trusted: TrustedKeys) -> Pulled:
    """Download from the first bucket that holds the version whole, production before staging.

    Raises PullRefused, NoVersion, CopyCorrupt or StoreUnreachable.
    """
    looked = (*places.production(platform), places.staging(platform))
    return pull_copy(places.whole_copy(looked, name, version), directory, trusted=trusted)


def pull_copy(copy: Copy, directory: Path, *, trusted: TrustedKeys) -> Pulled:
    """Download one copy."""
    promise = promise_of(copy, trusted)
    documents = {CHECKSUMS_FILE: document(copy, CHECKSUMS_FILE, checksums.MAX_BYTES)}
    if SIGNATURE_FILE in copy.files:
        documents[SIGNATURE_FILE] = document(copy, SIGNATURE_FILE, SIGNATURE_MAX_BYTES)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        wanted = [file for file, digest in promise.digests.items() if not _holds(directory / file, digest)]
        for file, data in documents.items():
            path = directory / file
            if path.exists() and path.read_bytes() != data:
                raise _other_bytes(path)
        for file in wanted:
            _download(copy, file, promise.digests[file], directory)
        new = [file for file, data in documents.items() if _write(directory / file, data)]
    except OSError as error:
        raise PullRefused(f"{directory} cannot be written: {error.strerror or error}") from error
    return Pulled(copy=copy, directory=directory, metadata=promise.metadata, written=(*wanted, *new))


@contextmanager
def pulled_aside(copy: Copy, *, trusted: TrustedKeys) -> Generator[Pulled]:
    """The copy in a directory that goes away with the block."""
    with TemporaryDirectory(prefix="serveml-") as directory:
        yield pull_copy(copy, Path(directory), trusted=trusted)


def _holds(path: Path, digest: str) -> bool:
    if not path.exists():
        return False
    if not path.is_file() or checksums.digest_of_file(path) != digest:
        raise _other_bytes(path)
    return True


def _other_bytes(path: Path) -> PullRefused:
    return PullRefused(f"{path} is there with other bytes, and is not replaced: give another directory")


def _download(copy: Copy, file: str, digest: str, directory: Path) -> None:
    listed = copy.files.get(file)
    if listed is None:
        raise CopyCorrupt(f"{copy.url}{file} is missing, although {CHECKSUMS_FILE} promises it: {REMEDY}")
    beside = directory / f"{file}{_UNFINISHED}"
    try:
        wanted = Object(copy.place.bucket, listed.key, listed.bytes, listed.etag)
        download(copy.place.s3, wanted, beside, threads=THREADS)
        arrived = checksums.digest_of_file(beside)
        if arrived != digest:
            raise CopyCorrupt(
                f"{copy.url}{file} has the SHA-256 {arrived}, {CHECKSUMS_FILE} promises {digest}: {REMEDY}"
            )
        beside.rename(directory / file)
    except ObjectMissing as error:
        raise CopyCorrupt(f"{error}: {REMEDY}") from error
    finally:
        beside.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> bool:
    if path.exists():
        return False
    path.write_bytes(data)
    return True
