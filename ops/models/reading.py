"""One copy of a version read whole, without keeping it: its signature, its checksums, and what it says it is."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from contract import checksums, metadata, signature
from contract.checksums import InvalidChecksums
from contract.metadata import InvalidMetadata, ModelMetadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE
from contract.signature import SIGNATURE_FILE, InvalidSignature
from ops.aws_errors import NO_OBJECT, PRECONDITION_FAILED, code_of
from ops.models.places import Copy, Listed, Place
from serving.download import (
    ATTEMPTS_WITHOUT_PROGRESS,
    CHUNK_BYTES,
    FIRST_PAUSE_SECONDS,
    ObjectMissing,
    StoreUnreachable,
    read_small,
)
from serving.signature import TrustedKeys
from serving.store import METADATA_MAX_BYTES, SIGNATURE_MAX_BYTES

THREADS = 4
"""Files of a copy that are read side by side; each takes a chunk of memory."""

REMEDY = "withdraw the version, and publish the model under a new one"

OnBytes = Callable[[int], None]

_BROKEN = (BotoCoreError, HTTPError, OSError)


class CopyCorrupt(ValueError):
    """What lies there is not what was published; the message names the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a copy says of itself."""

    digest: str
    """SHA-256 of its `checksums.json`."""
    digests: dict[str, str]
    """Of its other files, by name."""
    metadata: ModelMetadata
    signed_by: str | None
    """Whose key its signature names."""
    checked: bool
    """Whether that was proven, which takes trusted keys."""


def promise_of(copy: Copy, trusted: TrustedKeys) -> Promise:
    """Read the documents of a complete copy; raise CopyCorrupt or StoreUnreachable."""
    promised = document(copy, CHECKSUMS_FILE, checksums.MAX_BYTES)
    signed = document(copy, SIGNATURE_FILE, SIGNATURE_MAX_BYTES) if SIGNATURE_FILE in copy.files else None
    try:
        # First of all who says it, as the server does: nothing that an unknown hand wrote is read further.
        trusted.check(promised, signed)
        digests = checksums.parse(promised)
        signed_by = None if signed is None else signature.parse(signed).key_id
    except (InvalidSignature, InvalidChecksums) as error:
        raise CopyCorrupt(f"{copy.url}: {error}") from error
    return Promise(
        digest=hashlib.sha256(promised).hexdigest(),
        digests=digests,
        metadata=_metadata(copy, digests),
        signed_by=signed_by,
        checked=bool(trusted),
    )


def check_files(copy: Copy, promise: Promise, on_bytes: OnBytes = lambda _: None) -> None:
    """Read every file; raise CopyCorrupt where one is missing or has other bytes, or StoreUnreachable."""
    for file in promise.digests:
        if file not in copy.files:
            raise CopyCorrupt(f"{copy.url}{file} is missing, although {CHECKSUMS_FILE} promises it: {REMEDY}")

    def read(file: str) -> str:
        return digest_of(copy.place, copy.files[file], on_bytes)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(read, promise.digests))
    for file, digest in zip(promise.digests, found, strict=True):
        if digest != promise.digests[file]:
            raise CopyCorrupt(
                f"{copy.url}{file} has the SHA-256 {digest}, {CHECKSUMS_FILE} promises {promise.digests[file]}: "
                f"{REMEDY}"
            )


def digest_of(place: Place, listed: Listed, on_bytes: OnBytes = lambda _: None) -> str:
    """SHA-256 of the object as it was listed, read in chunks and taken up again where a connection broke off."""
    url = f"s3://{place.bucket}/{listed.key}"
    digest, at, attempt = hashlib.sha256(), 0, 0
    while at < listed.bytes:
        begun = at
        try:
            body = place.s3.get_object(
                Bucket=place.bucket, Key=listed.key, Range=f"bytes={at}-{listed.bytes - 1}", IfMatch=listed.etag
            )["Body"]
        except (BotoCoreError, ClientError) as error:
            raise _failed(url, error) from error
        broken: Exception | None = None
        try:
            with closing(body):
                for chunk in body.iter_chunks(CHUNK_BYTES):
                    digest.update(chunk)
                    at += len(chunk)
                    on_bytes(len(chunk))
        except _BROKEN as error:
            broken = error
        attempt = 0 if at > begun else attempt + 1
        if attempt == ATTEMPTS_WITHOUT_PROGRESS:
            raise StoreUnreachable(f"reading {url} broke off {attempt} times at byte {at}: {broken}")
        if broken is not None:
            time.sleep(FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1))
    return digest.hexdigest()


def document(copy: Copy, file: str, max_bytes: int) -> bytes:
    """A small file of the copy; raise CopyCorrupt where it is missing or too long, or StoreUnreachable."""
    if file not in copy.files:
        raise CopyCorrupt(f"{copy.url}{file} is missing: {REMEDY}")
    try:
        data = read_small(copy.place.s3, copy.place.bucket, copy.files[file].key, max_bytes)
    except ObjectMissing as error:
        raise CopyCorrupt(f"{error}: {REMEDY}") from error
    if len(data) > max_bytes:
        raise CopyCorrupt(f"{copy.url}{file} has more than {max_bytes} bytes: {REMEDY}")
    return data


def _metadata(copy: Copy, digests: dict[str, str]) -> ModelMetadata:
    data = document(copy, METADATA_FILE, METADATA_MAX_BYTES)
    found = hashlib.sha256(data).hexdigest()
    if found != digests[METADATA_FILE]:
        raise CopyCorrupt(
            f"{copy.url}{METADATA_FILE} has the SHA-256 {found}, {CHECKSUMS_FILE} promises "
            f"{digests[METADATA_FILE]}: {REMEDY}"
        )
    try:
        described = metadata.parse(data)
    except InvalidMetadata as error:
        raise CopyCorrupt(f"{copy.url}: {error}") from error
    if (described.name, described.version) != (copy.name, copy.version):
        raise CopyCorrupt(f"{copy.url}{METADATA_FILE} is that of {described.name} {described.version}: {REMEDY}")
    return described


def _failed(url: str, error: BotoCoreError | ClientError) -> Exception:
    code = code_of(error) if isinstance(error, ClientError) else None
    if code in PRECONDITION_FAILED:
        return CopyCorrupt(f"{url} was replaced while it was read: look at who wrote it, then verify again")
    if code in NO_OBJECT:
        return CopyCorrupt(f"{url} was deleted while it was read: {REMEDY}")
    return StoreUnreachable(f"reading {url} failed: {error}")
