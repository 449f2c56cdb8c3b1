"""Publishing a model version: checked, uploaded, signed, and completed by its checksums; never changed afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract import checksums, signature
from contract import metadata as documents
from contract.metadata import InvalidMetadata, ModelMetadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from contract.signature import SIGNATURE_FILE, InvalidSignature
from contract.variants import Variant
from ops.models.parts import Source, SourceRefused
from ops.models.upload import THREADS, OnBytes, upload
from ops.models.write_once import ObjectBeingWritten, ObjectDiffers, put_new, same_bytes
from ops.signing import Signer
from serving.model import Model, ModelRefused
from serving.runtime import Runtime
from serving.signature import verify

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class PublishRefused(ValueError):
    """The version cannot be published; the message says why and what to do."""


class VersionExists(PublishRefused):
    """The version's place in the bucket holds other bytes, and a version is never changed."""


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """A version as it lies in the bucket now; `created` is False when all of it lay there before."""

    bucket: str
    prefix: str
    name: str
    version: Version
    digests: dict[str, str]
    created: bool
    total_bytes: int
    """Of the model's files, without the documents beside them."""
    sent_bytes: int
    """Of those: less where an earlier upload was taken up again."""
    signed_by: str | None


def publish(
    s3: S3Client,
    bucket: str,
    name: str,
    version: Version,
    model_path: Path,
    metadata: ModelMetadata,
    *,
    signer: Signer | None = None,
    variants: Mapping[str, Path] | None = None,
    threads: int = THREADS,
    on_bytes: OnBytes = lambda count: None,
) -> PublishedModel:
    """Upload a version with a file for each of its `variants`, its signature and then `checksums.json` last.

    Raises PublishRefused, CannotSign, or botocore's errors. The same bytes again change nothing: an upload that broke
    off is finished by repeating it, and a version that lies there unsigned gets its signature. Other bytes than lie
    there are refused before any are sent. `on_bytes` hears of as many bytes as the model's files have.
    """
    files = {MODEL_FILE: model_path} | {variant.file: path for variant, path in _paired(metadata, variants or {})}
    with _refusals():
        sources = {file: _source(path) for file, path in files.items()}
        check(name, version, model_path, metadata, variants)
        place = _Place(s3, bucket, version_prefix(name, version))
        described = documents.render(metadata)
        there = place.look(sources, described)
        # The metadata come first: of two publishers who differ in them, one learns of it before a gigabyte is sent.
        created = place.put_once(METADATA_FILE, described)
        digests = {METADATA_FILE: hashlib.sha256(described).hexdigest()}
        sent_bytes = 0
        for file, source in sources.items():
            if file in there:
                digests[file] = there[file]
                on_bytes(source.bytes)
                continue
            done = upload(s3, source, bucket, place.key(file), threads=threads, on_bytes=on_bytes)
            digests[file] = done.sha256
            sent_bytes += done.sent_bytes
            created |= done.created
        for source in sources.values():
            # What was checked must be what was sent.
            source.check_unchanged()
        promised = checksums.render(digests)
        signed_by = None
        if signer is not None:
            signed_by, signed_now = place.sign_once(promised, signer)
            created |= signed_now
        created |= place.put_once(CHECKSUMS_FILE, promised)
    return PublishedModel(
        bucket=bucket,
        prefix=place.prefix,
        name=name,
        version=version,
        digests=digests,
        created=created,
        total_bytes=sum(source.bytes for source in sources.values()),
        sent_bytes=sent_bytes,
        signed_by=signed_by,
    )


def check(
    name: str,
    version: Version,
    model_path: Path,
    metadata: ModelMetadata,
    variants: Mapping[str, Path] | None = None,
) -> None:
    """Raise PublishRefused unless the server would take this model: its own loading and sample check run here."""
    if (metadata.name, metadata.version) != (name, version):
        raise PublishRefused(
            f"the metadata describes {metadata.name} {metadata.version}, not {name} {version}: make them the same"
        )
    paired = _paired(metadata, variants or {})
    for path in (model_path, *(path for _, path in paired)):
        _source(path)
    try:
        served = documents.parse(documents.render(metadata))
        for variant, path in ((None, model_path), *paired):
            # On the CPU, which every machine has: what a GPU makes of it shows in staging.
            Model.load(served, path, variant=variant, runtime=Runtime(device="cpu"))
    except (InvalidMetadata, ModelRefused) as error:
        raise PublishRefused(f"{name} {version} would be refused by the server: {error}") from error


def _paired(metadata: ModelMetadata, paths: Mapping[str, Path]) -> list[tuple[Variant, Path]]:
    """Each variant that the metadata lists with its file here; raise PublishRefused unless they are the same ones."""
    listed = {variant.name: variant for variant in metadata.variants}
    if listed.keys() != paths.keys():
        raise PublishRefused(
            f"the metadata lists the variants {sorted(listed)}, files were given for {sorted(paths)}: give the same"
        )
    return [(listed[name], path) for name, path in paths.items()]


def _source(path: Path) -> Source:
    if not path.is_file():
        raise PublishRefused(f"there is no file {path}: give the path of an ONNX model")
    return Source(path)


class _Place:
    """A version's place in a bucket."""

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self.prefix = prefix
        self._s3 = s3
        self._bucket = bucket

    def key(self, file: str) -> str:
        return f"{self.prefix}{file}"

    def look(self, sources: Mapping[str, Source], described: bytes) -> dict[str, str]:
        """The digests of the files that lie there already; raise VersionExists if anything there is different."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self.prefix)
        lying = {found.get("Key", "").removeprefix(self.prefix) for page in pages for found in page.get("Contents", [])}
        if METADATA_FILE in lying and self._get(METADATA_FILE) != described:
            raise self._differs(METADATA_FILE)
        if CHECKSUMS_FILE in lying:
            digests = {METADATA_FILE: hashlib.sha256(described).hexdigest()}
            digests |= {file: source.survey().whole.hex() for file, source in sources.items()}
            if self._get(CHECKSUMS_FILE) != checksums.render(digests):
                raise self._differs(CHECKSUMS_FILE)
        there: dict[str, str] = {}
        for file in sources.keys() & lying:
            digest = same_bytes(self._s3, self._bucket, self.key(file), sources[file])
            if digest is None:
                raise self._differs(file)
            there[file] = digest
        return there

    def put_once(self, file: str, data: bytes) -> bool:
        """Write a document if it is not there; True when this call wrote it, False when it held the same bytes."""
        if put_new(self._s3, self._bucket, self.key(file), data):
            return True
        if self._get(file) != data:
            raise self._differs(file)
        return False

    def sign_once(self, promised: bytes, signer: Signer) -> tuple[str, bool]:
        """Write the signature if none is there; who signed, and False when this key had signed before."""
        made = signer.sign(promised)
        if put_new(self._s3, self._bucket, self.key(SIGNATURE_FILE), signature.render(made)):
            return made.key_id, True
        try:
            # ECDSA signs the same bytes differently each time: what is there counts if it proves the same.
            found = signature.parse(self._get(SIGNATURE_FILE))
            verify(signer.public_key, promised, found)
        except InvalidSignature as error:
            raise VersionExists(
                f"s3://{self._bucket}/{self.key(SIGNATURE_FILE)} is not a signature of this version by this key "
                f"({error}), and a version is never changed: publish under a new version"
            ) from error
        return found.key_id, False

    def _get(self, file: str) -> bytes:
        return self._s3.get_object(Bucket=self._bucket, Key=self.key(file))["Body"].read()

    def _differs(self, file: str) -> ObjectDiffers:
        return ObjectDiffers(f"s3://{self._bucket}/{self.key(file)} holds other bytes")


@contextmanager
def _refusals() -> Generator[None]:
    """What the upload refuses, as publishing's own refusals."""
    try:
        yield
    except ObjectDiffers as error:
        raise VersionExists(f"{error}, and a version is never changed: publish under a new version") from error
    except ObjectBeingWritten as error:
        raise VersionExists(str(error)) from error
    except SourceRefused as error:
        raise PublishRefused(str(error)) from error
