"""Publishing a model version: checked, uploaded with its checksums, and never changed afterwards."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from contract import checksums
from contract import metadata as documents
from contract.metadata import InvalidMetadata, ModelMetadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from serving.model import Model, ModelRefused

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
    s3: S3Client, bucket: str, name: str, version: Version, model_path: Path, metadata: ModelMetadata
) -> PublishedModel:
    """Upload a version, `checksums.json` last; raise PublishRefused, or botocore's ClientError.

    The same bytes again change nothing: an upload that broke off is finished by repeating it.
    """
    check(name, version, model_path, metadata)
    files = {MODEL_FILE: model_path.read_bytes(), METADATA_FILE: documents.render(metadata)}
    digests = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
    files[CHECKSUMS_FILE] = checksums.render(digests)
    prefix = version_prefix(name, version)
    created = [_put_once(s3, bucket, f"{prefix}{file}", data) for file, data in files.items()]
    return PublishedModel(
        bucket=bucket, prefix=prefix, name=name, version=version, digests=digests, created=any(created)
    )


def check(name: str, version: Version, model_path: Path, metadata: ModelMetadata) -> None:
    """Raise PublishRefused unless the server would take this model: its own loading and sample check run here."""
    if (metadata.name, metadata.version) != (name, version):
        raise PublishRefused(
            f"the metadata describes {metadata.name} {metadata.version}, not {name} {version}: make them the same"
        )
    if not model_path.is_file():
        raise PublishRefused(f"there is no file {model_path}: give the path of an ONNX model")
    try:
        Model.load(documents.parse(documents.render(metadata)), model_path)
    except (InvalidMetadata, ModelRefused) as error:
        raise PublishRefused(f"{name} {version} would be refused by the server: {error}") from error


def _put_once(s3: S3Client, bucket: str, key: str, data: bytes) -> bool:
    """Write the object if it is not there; True when this call wrote it, False when it held the same bytes."""
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
    else:
        return True
    if s3.get_object(Bucket=bucket, Key=key)["Body"].read() != data:
        raise VersionExists(
            f"s3://{bucket}/{key} holds other bytes, and a version is never changed: publish under a new version"
        )
    return False
