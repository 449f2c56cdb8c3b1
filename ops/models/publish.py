"""Publishing a model version: checked, signed, uploaded with its checksums, and never changed afterwards."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from contract import checksums, signature
from contract import metadata as documents
from contract.metadata import InvalidMetadata, ModelMetadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from contract.signature import SIGNATURE_FILE, InvalidSignature
from contract.variants import Variant
from ops.signing import Signer
from serving.model import Model, ModelRefused
from serving.runtime import Runtime
from serving.signature import verify

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3's answers to a conditional write: the object is there, or another write of it is under way.
_ALREADY_THERE = "PreconditionFailed"
_UNDER_WAY = "ConditionalRequestConflict"


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
) -> PublishedModel:
    """Upload a version with a file for each of its `variants`, its signature and then `checksums.json` last.

    Raises PublishRefused, CannotSign, or botocore's ClientError. The same bytes again change nothing: an upload that
    broke off is finished by repeating it, and a version that lies there unsigned gets its signature.
    """
    check(name, version, model_path, metadata, variants)
    files = {MODEL_FILE: model_path.read_bytes(), METADATA_FILE: documents.render(metadata)}
    files |= {variant.file: path.read_bytes() for variant, path in _paired(metadata, variants or {})}
    digests = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
    promised = checksums.render(digests)
    prefix = version_prefix(name, version)
    created = [_put_once(s3, bucket, f"{prefix}{file}", data) for file, data in files.items()]
    if signer is not None:
        created.append(_sign_once(s3, bucket, f"{prefix}{SIGNATURE_FILE}", promised, signer))
    created.append(_put_once(s3, bucket, f"{prefix}{CHECKSUMS_FILE}", promised))
    return PublishedModel(
        bucket=bucket, prefix=prefix, name=name, version=version, digests=digests, created=any(created)
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
        if not path.is_file():
            raise PublishRefused(f"there is no file {path}: give the path of an ONNX model")
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


def _sign_once(s3: S3Client, bucket: str, key: str, promised: bytes, signer: Signer) -> bool:
    """Write the signature if none is there; True when this call wrote it, False when this key had signed before."""
    if _put_new(s3, bucket, key, signature.render(signer.sign(promised))):
        return True
    try:
        # ECDSA signs the same bytes differently each time: what is there counts if it proves the same.
        verify(signer.public_key, promised, signature.parse(_get(s3, bucket, key)))
    except InvalidSignature as error:
        raise VersionExists(
            f"s3://{bucket}/{key} is not a signature of this version by this key ({error}), and a version is never "
            "changed: publish under a new version"
        ) from error
    return False


def _put_once(s3: S3Client, bucket: str, key: str, data: bytes) -> bool:
    """Write the object if it is not there; True when this call wrote it, False when it held the same bytes."""
    if _put_new(s3, bucket, key, data):
        return True
    if _get(s3, bucket, key) != data:
        raise VersionExists(
            f"s3://{bucket}/{key} holds other bytes, and a version is never changed: publish under a new version"
        )
    return False


def _put_new(s3: S3Client, bucket: str, key: str, data: bytes) -> bool:
    """Write the object; False, and nothing done, where one lies there already."""
    try:
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=data,
            IfNoneMatch="*",
            ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
        )
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code == _UNDER_WAY:
            raise VersionExists(f"s3://{bucket}/{key} is being written by somebody else: publish again") from error
        if code != _ALREADY_THERE:
            raise
        return False
    return True


def _get(s3: S3Client, bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
