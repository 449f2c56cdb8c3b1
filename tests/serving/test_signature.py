"""Signatures: what a server with trusted keys takes, and what it refuses before anything is downloaded or loaded."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import checksums, metadata, signature
from contract.checksums import InvalidChecksums
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version, version_prefix
from contract.signature import ECDSA_SHA_256, ED25519, SIGNATURE_FILE, InvalidSignature, Signature
from ops.demo_model import NAME, DemoModel
from ops.models.publish import publish
from ops.signing import FileKey, KmsKey
from serving.catalogue import Catalogue
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.signature import InvalidKey, TrustedKeys, public_key
from serving.store import Files, Store
from tests.serving.test_publish import kms_key, pem_of

RELEASE = Ed25519PrivateKey.from_private_bytes(b"RELEASE".ljust(32))
CURVE = ec.generate_private_key(ec.SECP256R1())
SIGNED = b"the bytes of checksums.json"


def raw(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def pem(key: Any) -> str:
    encoded = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


def trusting(**keys: str) -> TrustedKeys:
    return TrustedKeys.parse(json.dumps(keys))


def document(algorithm: str, key_id: str, value: bytes) -> bytes:
    return signature.render(Signature(algorithm, key_id, value))


@pytest.mark.parametrize("written", [raw(RELEASE), pem(RELEASE.public_key())])
def test_an_ed25519_signature_by_a_trusted_key_is_accepted_however_the_key_is_written(written: str) -> None:
    trusting(release=written, other=raw(Ed25519PrivateKey.generate())).check(
        SIGNED, document(ED25519, "release", RELEASE.sign(SIGNED))
    )


def test_an_ecdsa_signature_by_a_trusted_key_is_accepted() -> None:
    made = CURVE.sign(SIGNED, ec.ECDSA(hashes.SHA256()))
    trusting(release=pem(CURVE.public_key())).check(SIGNED, document(ECDSA_SHA_256, "release", made))


def test_without_trusted_keys_no_signature_is_asked_for() -> None:
    nobody = TrustedKeys.parse("")
    assert not nobody
    nobody.check(SIGNED, None)
    nobody.check(SIGNED, b"anything")


BAD = {
    "there is none": (None, "it has no signature.json"),
    "it is no JSON": (b"\xff", "not a JSON document"),
    "it is deep": (b"[" * 100_000, "not a JSON document"),
    "it is a list": (b"[]", "must hold the strings algorithm, key_id, signature"),
    "it lacks a field": (b'{"algorithm": "ED25519", "key_id": "release"}', "must hold the strings"),
    "it is not base64": (b'{"algorithm": "ED25519", "key_id": "release", "signature": "!"}', "not base64"),
    "its algorithm is unknown": (b'{"algorithm": "none", "key_id": "release", "signature": ""}', "one of ED25519"),
    "its key id is a line": (b'{"algorithm": "ED25519", "key_id": "a\\nb", "signature": ""}', "no name of a key"),
    "it is of other bytes": (document(ED25519, "release", RELEASE.sign(b"other")), "no signature of these checksums"),
    "it is by another key": (
        document(ED25519, "release", Ed25519PrivateKey.generate().sign(SIGNED)),
        "no signature of these checksums by release",
    ),
    "its key is not trusted": (document(ED25519, "mine", RELEASE.sign(SIGNED)), "does not trust"),
    "it is cut short": (document(ED25519, "release", RELEASE.sign(SIGNED)[:-1]), "no signature of these checksums"),
    "it names another algorithm than its key's": (
        document(ECDSA_SHA_256, "release", RELEASE.sign(SIGNED)),
        "the key release is one of ED25519",
    ),
    "it is no DER": (document(ECDSA_SHA_256, "curve", b"\x30\x00"), "no signature of these checksums"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_signature_is_refused_when(fault: str) -> None:
    found, reason = BAD[fault]
    with pytest.raises(InvalidSignature, match=reason):
        trusting(release=raw(RELEASE), curve=pem(CURVE.public_key())).check(SIGNED, found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not a JSON object"),
        ("{", "not a JSON object"),
        ("{}", "holds no key"),
        ('{"a": 1}', "'a' is not a string"),
        (json.dumps({"a": "AAAA"}), "'a' cannot be used: it is neither"),
        (json.dumps({"a": "-----BEGIN PUBLIC KEY-----"}), "'a' cannot be used: it is neither"),
        (json.dumps({"a b": raw(RELEASE)}), "'a b' is no name of a key"),
        (f'{{"a": "{raw(RELEASE)}", "a": "{raw(RELEASE)}"}}', "'a' stands there twice"),
    ],
)
def test_trusted_keys_that_cannot_be_meant_are_refused_and_never_read_as_none(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        TrustedKeys.parse(text)


def test_keys_of_other_kinds_are_refused() -> None:
    others = [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())]
    for key in others:
        with pytest.raises(InvalidKey, match="only keys of Ed25519 and of the curve P-256"):
            public_key(pem(key.public_key()))


def test_the_checksums_cannot_name_the_file_that_signs_them() -> None:
    named = {MODEL_FILE: "0" * 64, METADATA_FILE: "0" * 64, SIGNATURE_FILE: "0" * 64}
    with pytest.raises(InvalidChecksums, match=r"'signature\.json', which is not a plain name"):
        checksums.parse(checksums.render(named))


Serve = Callable[..., tuple[str | None, list[str]]]


@pytest.fixture
def serve(s3: Any, own_bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Serve:
    """A fresh server's version after one look at the bucket, and the refusals that it logged."""

    def open_version(files: Files) -> Predictor:
        return Predictor.load(files.metadata, files.model)

    def run(trusted: TrustedKeys, *, s3: Any = s3) -> tuple[str | None, list[str]]:
        caplog.clear()
        store = Store(s3, own_bucket, NAME, tmp_path / "cache", trusted=trusted)
        catalogue = Catalogue(store, open_version, Metrics())
        catalogue.refresh()
        current = catalogue.current
        errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        return (current.version if current else None), errors

    return run


@pytest.fixture
def put(s3: Any, own_bucket: str, tmp_path: Path) -> Callable[..., None]:
    def run(model: DemoModel, version: str, signer: FileKey | KmsKey | None = None) -> None:
        path = tmp_path / "to-publish.onnx"
        path.write_bytes(model.onnx)
        at = Version.parse(version)
        publish(s3, own_bucket, NAME, at, path, replace(model.metadata, version=at), signer=signer)

    return run


def test_a_server_with_keys_serves_the_signed_version_and_not_a_higher_unsigned_one(
    serve: Serve, put: Callable[..., None], first: DemoModel, s3: Any, own_bucket: str
) -> None:
    put(first, "1.0.0", FileKey(pem_of(RELEASE), "release"))
    put(first, "2.0.0")
    fetched: list[str] = []
    s3.meta.events.register("before-parameter-build.s3.HeadObject", lambda params, **_: fetched.append(params["Key"]))
    version, [refusal] = serve(trusting(release=raw(RELEASE)))
    assert version == "1.0.0"
    assert "refused version 2.0.0" in refusal
    assert "has no signature.json" in refusal
    assert not [key for key in fetched if "v2.0.0" in key], "an unsigned model is not even downloaded"
    assert serve(TrustedKeys()) == ("2.0.0", [])


def test_a_version_signed_by_kms_is_served(
    serve: Serve, put: Callable[..., None], first: DemoModel, endpoint: str
) -> None:
    signer = kms_key(endpoint)
    put(first, "1.0.0", signer)
    key_id = signer.sign(SIGNED).key_id
    assert serve(TrustedKeys.parse(json.dumps({key_id: pem(signer.public_key)}))) == ("1.0.0", [])


def test_a_signed_version_cannot_be_passed_off_as_a_later_one(
    serve: Serve, put: Callable[..., None], first: DemoModel, s3: Any, own_bucket: str
) -> None:
    put(first, "1.0.0", FileKey(pem_of(RELEASE), "release"))
    here, there = (version_prefix(NAME, Version.parse(version)) for version in ("1.0.0", "3.0.0"))
    for file in (MODEL_FILE, METADATA_FILE, SIGNATURE_FILE, CHECKSUMS_FILE):
        s3.copy_object(Bucket=own_bucket, Key=f"{there}{file}", CopySource=f"{own_bucket}/{here}{file}")
    version, [refusal] = serve(trusting(release=raw(RELEASE)))
    assert version == "1.0.0"
    assert "its metadata.json is that of breast-cancer 1.0.0" in refusal


def test_checksums_rewritten_to_fit_another_model_are_refused(
    serve: Serve, put: Callable[..., None], first: DemoModel, second: DemoModel, s3: Any, own_bucket: str
) -> None:
    put(first, "1.0.0", FileKey(pem_of(RELEASE), "release"))
    prefix = version_prefix(NAME, Version(1, 0, 0))
    described = metadata.render(replace(second.metadata, version=Version(1, 0, 0)))
    files = {MODEL_FILE: second.onnx, METADATA_FILE: described}
    digest = {name: hash_of(data) for name, data in files.items()}
    for name, data in {**files, CHECKSUMS_FILE: checksums.render(digest)}.items():
        s3.put_object(Bucket=own_bucket, Key=f"{prefix}{name}", Body=data)
    version, [refusal] = serve(trusting(release=raw(RELEASE)))
    assert version is None
    assert "no signature of these checksums by release" in refusal


def test_the_signature_is_checked_again_when_the_disk_serves_for_the_bucket(
    serve: Serve, put: Callable[..., None], first: DemoModel, tmp_path: Path, away: Any
) -> None:
    put(first, "1.0.0", FileKey(pem_of(RELEASE), "release"))
    assert serve(trusting(release=raw(RELEASE)))[0] == "1.0.0"
    assert serve(trusting(release=raw(RELEASE)), s3=away) == ("1.0.0", [])

    version, [refusal] = serve(trusting(successor=raw(Ed25519PrivateKey.generate())), s3=away)
    assert version is None
    assert "by the key release, which this server does not trust" in refusal

    (tmp_path / "cache" / NAME / "v1.0.0" / SIGNATURE_FILE).unlink()
    version, [refusal] = serve(trusting(release=raw(RELEASE)), s3=away)
    assert version is None
    assert "has no signature.json" in refusal


def hash_of(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()
