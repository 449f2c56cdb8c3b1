"""Publishing: what lies in the bucket afterwards, and what is refused before anything is written."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import checksums, metadata, signature
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from contract.signature import SIGNATURE_FILE
from ops import demo_model
from ops.demo_model import NAME, DemoModel
from ops.models.publish import PublishedModel, PublishRefused, VersionExists, publish
from ops.signing import CannotSign, FileKey, KmsKey, Signer
from serving.signature import verify

P384 = ec.SECP384R1()
PREFIX = version_prefix(NAME, Version(1, 0, 0))


def put(s3: Any, bucket: str, directory: Path, model: DemoModel, signer: Signer | None = None) -> PublishedModel:
    path = directory / "trained.onnx"
    path.write_bytes(model.onnx)
    return publish(s3, bucket, NAME, Version(1, 0, 0), path, model.metadata, signer=signer)


def pem_of(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def file_key(key_id: str) -> FileKey:
    return FileKey(pem_of(Ed25519PrivateKey.generate()), key_id)


def kms_key(endpoint: str, spec: str = "ECC_NIST_P256") -> KmsKey:
    kms = boto3.client(
        "kms", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a"
    )
    return KmsKey(kms, kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"])


def contents(s3: Any, bucket: str) -> dict[str, bytes]:
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {found["Key"]: s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read() for found in listed}


def test_a_version_is_its_model_its_metadata_and_the_checksums_of_both(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    published = put(s3, own_bucket, tmp_path, first)
    found = contents(s3, own_bucket)
    assert set(found) == {f"{PREFIX}{name}" for name in (MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE)}
    assert found[f"{PREFIX}{MODEL_FILE}"] == first.onnx
    assert metadata.parse(found[f"{PREFIX}{METADATA_FILE}"]) == first.metadata
    digests = {name: hashlib.sha256(found[f"{PREFIX}{name}"]).hexdigest() for name in (MODEL_FILE, METADATA_FILE)}
    assert checksums.parse(found[f"{PREFIX}{CHECKSUMS_FILE}"]) == digests == published.digests
    assert published.created


def test_the_checksums_are_written_last(s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel) -> None:
    written: list[str] = []
    s3.meta.events.register("before-parameter-build.s3.PutObject", lambda params, **_: written.append(params["Key"]))
    put(s3, own_bucket, tmp_path, first)
    assert written[-1] == f"{PREFIX}{CHECKSUMS_FILE}"


def test_a_signer_vouches_for_the_checksums_before_they_complete_the_version(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    written: list[str] = []
    s3.meta.events.register("before-parameter-build.s3.PutObject", lambda params, **_: written.append(params["Key"]))
    signer = file_key("release")
    put(s3, own_bucket, tmp_path, first, signer)
    assert written[-2:] == [f"{PREFIX}{SIGNATURE_FILE}", f"{PREFIX}{CHECKSUMS_FILE}"]
    found = contents(s3, own_bucket)
    made = signature.parse(found[f"{PREFIX}{SIGNATURE_FILE}"])
    assert (made.key_id, made.algorithm) == ("release", signature.ED25519)
    verify(signer.public_key, found[f"{PREFIX}{CHECKSUMS_FILE}"], made)


@pytest.mark.parametrize("kind", ["a file", "KMS"])
def test_signing_the_same_version_again_changes_nothing(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel, endpoint: str, kind: str
) -> None:
    signer = file_key("release") if kind == "a file" else kms_key(endpoint)
    assert put(s3, own_bucket, tmp_path, first, signer).created
    before = contents(s3, own_bucket)
    assert not put(s3, own_bucket, tmp_path, first, signer).created
    assert contents(s3, own_bucket) == before


def test_a_version_that_lies_there_unsigned_gets_its_signature(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    put(s3, own_bucket, tmp_path, first)
    assert put(s3, own_bucket, tmp_path, first, file_key("release")).created
    assert f"{PREFIX}{SIGNATURE_FILE}" in contents(s3, own_bucket)


def test_another_keys_signature_is_never_overwritten(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    put(s3, own_bucket, tmp_path, first, file_key("release"))
    before = contents(s3, own_bucket)
    with pytest.raises(VersionExists, match=r"signature\.json is not a signature of this version by this key"):
        put(s3, own_bucket, tmp_path, first, file_key("release"))
    assert contents(s3, own_bucket) == before


def test_a_key_that_cannot_sign_is_refused_without_a_word_of_it() -> None:
    for pem in (b"not a key", pem_of(rsa.generate_private_key(65537, 2048)), pem_of(ec.generate_private_key(P384))):
        with pytest.raises(CannotSign, match=r"the key release is no unencrypted Ed25519") as refusal:
            FileKey(pem, "release")
        assert pem.decode() not in str(refusal.value)


def test_kms_keys_of_other_curves_are_refused(endpoint: str) -> None:
    with pytest.raises(CannotSign, match="only keys of Ed25519 and of the curve P-256"):
        kms_key(endpoint, "ECC_NIST_P384")


def test_more_than_kms_signs_is_refused_before_it_is_asked(endpoint: str) -> None:
    with pytest.raises(CannotSign, match="4097 bytes, KMS signs 4096"):
        kms_key(endpoint).sign(b"x" * 4097)


def test_publishing_the_same_bytes_again_changes_nothing(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    put(s3, own_bucket, tmp_path, first)
    before = contents(s3, own_bucket)
    assert not put(s3, own_bucket, tmp_path, first).created
    assert contents(s3, own_bucket) == before


def test_an_upload_that_broke_off_is_finished_by_publishing_again(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    s3.put_object(Bucket=own_bucket, Key=f"{PREFIX}{MODEL_FILE}", Body=first.onnx)
    assert put(s3, own_bucket, tmp_path, first).created
    assert f"{PREFIX}{CHECKSUMS_FILE}" in contents(s3, own_bucket)


@pytest.mark.parametrize("present", [MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE])
def test_a_version_with_other_bytes_is_never_overwritten(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel, present: str
) -> None:
    s3.put_object(Bucket=own_bucket, Key=f"{PREFIX}{present}", Body=b"other")
    with pytest.raises(VersionExists, match=f"v1.0.0/{present} holds other bytes.* publish under a new version"):
        put(s3, own_bucket, tmp_path, first)
    assert contents(s3, own_bucket)[f"{PREFIX}{present}"] == b"other"


def test_a_model_that_the_server_would_refuse_is_not_uploaded(
    s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel
) -> None:
    sample = first.metadata.sample
    assert sample is not None
    zeros = replace(sample, outputs={name: [0] * len(rows) for name, rows in sample.outputs.items()})
    refused = {
        "would be refused by the server: .* does not answer": replace(
            first, metadata=replace(first.metadata, sample=zeros)
        ),
        "would be refused by the server: ONNX Runtime does not open": replace(first, onnx=b"not a model"),
        "the metadata describes breast-cancer 3.0.0": replace(
            first, metadata=replace(first.metadata, version=Version(3, 0, 0))
        ),
    }
    for message, model in refused.items():
        with pytest.raises(PublishRefused, match=message):
            put(s3, own_bucket, tmp_path, model)
    assert contents(s3, own_bucket) == {}


def test_a_path_without_a_file_is_named(s3: Any, own_bucket: str, tmp_path: Path, first: DemoModel) -> None:
    with pytest.raises(PublishRefused, match=r"there is no file .*absent\.onnx"):
        publish(s3, own_bucket, NAME, Version(1, 0, 0), tmp_path / "absent.onnx", first.metadata)


def test_training_the_demo_model_twice_gives_the_same_bytes() -> None:
    created_at = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = (demo_model.train(Version(1, 0, 0), iterations=3, created_at=created_at) for _ in range(2))
    assert one.onnx == other.onnx
    assert metadata.render(one.metadata) == metadata.render(other.metadata)
