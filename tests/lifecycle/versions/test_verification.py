"""Verification: every bucket's copy is read whole, what is not as published is found, and what is away stays unsaid."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE
from contract.signature import SIGNATURE_FILE
from contract.versions import Kind
from ops.models import places, reading
from ops.models.places import Copy
from ops.models.reading import digest_of
from ops.models.verify import Outcome, verify
from ops.signing import FileKey
from serving.download import StoreUnreachable
from serving.signature import TrustedKeys
from tests.lifecycle.versions.world import AWAY, HOME, NAME, V1, World


def a_key(key_id: str) -> tuple[FileKey, str]:
    """A key to sign with, and the document by which it is trusted."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return FileKey(pem, key_id), json.dumps({key_id: base64.b64encode(raw).decode()})


def outcomes(answer: Any) -> dict[str, str]:
    return {f"{found['kind']} {found['region']}": found["outcome"] for found in answer["findings"]}


def test_the_staging_copy_is_verified_and_recorded_with_what_was_read(world: World) -> None:
    world.publish()
    found = world.answer("verify", NAME, "1.0.0")
    assert outcomes(found) == {
        "staging us-east-1": "verified",
        "production us-east-1": "absent",
        "production us-west-2": "absent",
    }
    record = world.record()
    verified = record.verified_in(Kind.STAGING, HOME)
    assert verified is not None
    assert (verified.by, verified.digest) == ("grace", record.digest)
    assert set(verified.etags) == {MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE}
    assert record.verified.keys() == {Kind.STAGING}


@pytest.mark.parametrize("file", [MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE])
def test_a_file_with_other_bytes_is_found_and_takes_the_verification_away(world: World, file: str) -> None:
    world.publish()
    world.verified()
    world.spoil(Kind.STAGING, file=file)
    result = world.command("verify", NAME, "1.0.0")
    assert result.exit_code == 1
    assert file in result.stderr
    assert world.record().verified == {}


def test_a_missing_file_is_found(world: World) -> None:
    world.publish()
    world.remove(Kind.STAGING, MODEL_FILE)
    result = world.command("verify", NAME, "1.0.0")
    assert result.exit_code == 1
    assert "v1.0.0/model.onnx is missing, although checksums.json promises it" in result.stderr


def test_half_an_upload_is_no_version(world: World) -> None:
    world.publish()
    world.remove(Kind.STAGING, CHECKSUMS_FILE)
    assert outcomes(world.answer("verify", NAME, "1.0.0"))["staging us-east-1"] == "partial"
    assert world.record().verified == {}


def test_another_version_in_its_place_is_found(world: World) -> None:
    world.publish()
    world.publish(kind=Kind.PRODUCTION, seed=8, registered=False)
    result = world.command("verify", NAME, "1.0.0")
    assert result.exit_code == 1
    assert "checksums.json is not the one that was registered" in result.stderr
    assert world.record().verified.keys() == {Kind.STAGING}


def test_what_replication_still_lacks_is_said(world: World) -> None:
    world.publish(kind=Kind.PRODUCTION)
    answer = world.answer("verify", NAME, "1.0.0", exits=1)
    assert answer["lacking_regions"] == [AWAY]
    world.replicate(only=lambda file: file != CHECKSUMS_FILE)
    assert outcomes(world.answer("verify", NAME, "1.0.0", exits=1))["production us-west-2"] == "partial"
    world.replicate()
    assert world.answer("verify", NAME, "1.0.0")["lacking_regions"] == []
    assert set(world.record().verified[Kind.PRODUCTION]) == {HOME, AWAY}


def test_a_bucket_that_is_away_changes_nothing_of_what_is_known_of_it(world: World) -> None:
    world.publish(kind=Kind.PRODUCTION)
    world.replicate()
    world.verified()
    before = world.record().verified[Kind.PRODUCTION][AWAY]
    world.remove_bucket(Kind.PRODUCTION, AWAY)
    result = world.command("verify", NAME, "1.0.0")
    assert result.exit_code == 3
    assert "production in us-west-2 cannot be read" in result.stderr
    after = world.record().verified[Kind.PRODUCTION]
    assert after[AWAY] == before
    assert after[HOME].at > before.at


def test_a_signature_is_checked_where_keys_are_trusted(world: World, tmp_path: Path) -> None:
    signer, trusted = a_key("release")
    world.publish(signer=signer)
    keys = tmp_path / "keys.json"
    keys.write_text(trusted)
    found = world.answer("verify", NAME, "1.0.0", "--trusted-keys", str(keys))
    assert found["findings"][0]["signed_by"] == "release"
    verified = world.record().verified_in(Kind.STAGING, HOME)
    assert verified is not None
    assert verified.signed_by == "release"
    assert SIGNATURE_FILE in verified.etags


def test_a_wrong_or_missing_signature_is_refused(world: World, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(a_key("release")[1])
    world.publish()
    result = world.command("verify", NAME, "1.0.0", "--trusted-keys", str(keys))
    assert (result.exit_code, "it has no signature.json" in result.stderr) == (1, True)
    world.publish(signer=a_key("release")[0])
    result = world.command("verify", NAME, "1.0.0", "--trusted-keys", str(keys))
    assert (result.exit_code, "is no signature of these checksums by release" in result.stderr) == (1, True)
    assert world.record().verified == {}


def test_the_servers_variable_holds_the_keys_where_no_file_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVEML_TRUSTED_KEYS", a_key("release")[1])
    world.publish()
    assert "it has no signature.json" in world.command("verify", NAME, "1.0.0").stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), ("[]", "not a JSON object"), ("{}", "holds no key"), ("", "holds no key")],
)
def test_keys_that_cannot_be_used_are_refused(world: World, tmp_path: Path, content: str | None, said: str) -> None:
    keys = tmp_path / "keys.json"
    if content is not None:
        keys.write_text(content)
    world.publish()
    result = world.command("verify", NAME, "1.0.0", "--trusted-keys", str(keys))
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert said in result.stderr
    assert world.record().revision == 1


def test_a_version_that_lies_nowhere_any_more_is_said_to(world: World) -> None:
    world.publish()
    for file in world.files(Kind.STAGING):
        world.remove(Kind.STAGING, file)
    result = world.command("verify", NAME, "1.0.0")
    assert result.exit_code == 1
    assert "churn 1.0.0 is registered, but no bucket holds it: publish it again" in result.stderr


class _Broken:
    """A body that ends its connection after some bytes."""

    def __init__(self, data: bytes, after: int) -> None:
        self._data, self._after = data, after

    def iter_chunks(self, _: int) -> Iterator[bytes]:
        yield self._data[: self._after]
        if self._after < len(self._data):
            raise ReadTimeoutError(endpoint_url="s3")

    def close(self) -> None:
        pass


class _Flaky:
    """S3 whose answers break off after so many bytes."""

    def __init__(self, data: bytes, after: int) -> None:
        self.ranges: list[str] = []
        self._data, self._after = data, after

    def get_object(self, **asked: Any) -> Any:
        self.ranges.append(asked["Range"])
        first = int(asked["Range"].removeprefix("bytes=").split("-")[0])
        return {"Body": _Broken(self._data[first:], self._after)}


def a_listed(world: World) -> tuple[Copy, bytes]:
    world.publish()
    copy = places.copy_of(places.staging(world.platform), NAME, V1)
    return copy, world.files(Kind.STAGING)[MODEL_FILE]


def test_a_download_that_breaks_off_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FIRST_PAUSE_SECONDS", 0)
    copy, data = a_listed(world)
    flaky: Any = _Flaky(data, len(data) // 2)
    place = places.Place(kind=Kind.STAGING, region=HOME, bucket="b", s3=flaky)
    digest = digest_of(place, copy.files[MODEL_FILE])
    assert digest == digest_of(copy.place, copy.files[MODEL_FILE])
    assert flaky.ranges[1] == f"bytes={len(data) // 2}-{len(data) - 1}"


def test_a_download_that_never_gets_on_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "FIRST_PAUSE_SECONDS", 0)
    copy, data = a_listed(world)
    flaky: Any = _Flaky(data, 0)
    place = places.Place(kind=Kind.STAGING, region=HOME, bucket="b", s3=flaky)
    with pytest.raises(StoreUnreachable, match="broke off 5 times at byte 0"):
        digest_of(place, copy.files[MODEL_FILE])
    assert len(flaky.ranges) == 5


def test_an_object_that_was_replaced_meanwhile_is_not_mixed(world: World) -> None:
    copy, _ = a_listed(world)
    world.spoil(Kind.STAGING)
    with pytest.raises(reading.CopyCorrupt, match=r"model\.onnx was replaced while it was read"):
        digest_of(copy.place, copy.files[MODEL_FILE])


def test_every_byte_read_is_counted(world: World) -> None:
    world.publish()
    read: list[int] = []
    done = verify(world.platform, NAME, V1, by="ada", trusted=TrustedKeys(), on_bytes=read.append)
    files = world.files(Kind.STAGING)
    assert sum(read) == len(files[MODEL_FILE]) + len(files[METADATA_FILE])
    assert done.of(Outcome.VERIFIED)[0].bytes == sum(map(len, files.values()))
