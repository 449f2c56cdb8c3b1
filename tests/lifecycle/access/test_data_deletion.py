"""`serveml data delete`: two regions' buckets and tables emptied of one user, and what stays is said and signed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract import access, signature
from contract.objects import USERS_PREFIX
from contract.retention import BACKUPS_KEPT
from contract.signature import SIGNATURE_FILE
from ops.access.report import DIGEST_FILE, REPORT_FILE
from ops.platform import Platform
from ops.signing import KmsKey
from serving.signature import verify
from tests.lifecycle.access.stored import (
    DATASETS,
    DEPLOYMENTS,
    HOME,
    KEYS,
    MODELS,
    OTHER,
    OUTPUTS,
    PREFIX,
    SIGN,
    USER,
    Invoke,
    as_documented,
    by_kind,
    create_deployment,
    everything,
    put,
    versions,
)


def test_without_yes_a_deletion_shows_what_would_go_and_changes_nothing(
    platform: Platform, serveml: Invoke, held: list[str]
) -> None:
    before = everything(platform)
    done = serveml("data", "delete", "--user", USER, "--json")
    assert done.exit_code == 0
    report = as_documented(done.stdout)
    assert report["dry_run"]
    assert by_kind(report, "found") == {
        "api key": 2,
        "delete marker": 1,
        "object version": 4,
        "unfinished upload": 1,
    }
    assert everything(platform) == before
    assert "8 items would be deleted, 0 kept; nothing was changed: say --yes" in serveml(
        "data", "delete", "--user", USER
    ).stdout.replace("\n", " ")
    assert everything(platform) == before


def test_a_deletion_takes_keys_uploads_and_every_version_in_both_regions_and_nothing_of_others(
    platform: Platform, delete: Any, held: list[str]
) -> None:
    done = delete()
    assert done.exit_code == 0, done.output
    report = as_documented(done.stdout)
    assert report["complete"]
    assert by_kind(report, "deleted") == {
        "api key": 2,
        "delete marker": 1,
        "object version": 4,
        "unfinished upload": 1,
    }
    for region in (HOME, OTHER):
        for bucket in (MODELS[region], DATASETS[region]):
            assert versions(platform, region, bucket, PREFIX) == []
    assert platform.s3().list_multipart_uploads(Bucket=DATASETS[HOME]).get("Uploads", []) == []
    assert [key for key, _ in versions(platform, HOME, MODELS[HOME])] == [
        f"{USERS_PREFIX}ann%40example%2Ecom2/kept.json"
    ]
    (left,) = platform.dynamodb.scan(TableName=KEYS)["Items"]
    assert left["user_id"] == {"S": "bob"}


def test_a_second_deletion_finds_nothing_and_is_done_too(delete: Any, held: list[str]) -> None:
    delete()
    report = as_documented(delete("again").stdout)
    assert (report["complete"], report["items"]) == (True, [])
    assert all(place["found"] == 0 for place in report["looked_at"])


def test_the_report_is_signed_and_a_changed_byte_shows(
    delete: Any, held: list[str], tmp_path: Path, private_key: Ed25519PrivateKey
) -> None:
    done = delete()
    folder = tmp_path / "report"
    document, line = (folder / REPORT_FILE).read_bytes(), (folder / DIGEST_FILE).read_bytes()
    assert json.loads(document) == json.loads(done.stdout)
    assert line == f"{hashlib.sha256(document).hexdigest()}  report.json\n".encode()
    signed = signature.parse((folder / SIGNATURE_FILE).read_bytes())
    assert signed.key_id == SIGN
    verify(private_key.public_key(), line, signed)
    with pytest.raises(signature.InvalidSignature):
        verify(private_key.public_key(), line.replace(b"report", b"Report"), signed)
    assert (folder / REPORT_FILE).stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


def test_a_report_longer_than_kms_signs_is_signed_all_the_same(
    platform: Platform, serveml: Invoke, held: list[str], tmp_path: Path
) -> None:
    for number in range(30):
        put(platform, HOME, MODELS[HOME], f"{PREFIX}{number}", b"x")
    key = platform.kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    folder = tmp_path / "report"
    done = serveml("data", "delete", "--user", USER, "--yes", "--report", str(folder), "--kms-key", key)
    assert done.exit_code == 0, done.output
    assert len((folder / REPORT_FILE).read_bytes()) > 4096
    line = (folder / DIGEST_FILE).read_bytes()
    verify(KmsKey(platform.kms, key).public_key, line, signature.parse((folder / SIGNATURE_FILE).read_bytes()))


def test_the_report_says_what_is_not_reached_with_the_figures_of_the_account(
    serveml: Invoke, platform: Platform
) -> None:
    report = as_documented(serveml("data", "delete", "--user", USER, "--json").stdout)
    until = {copy["what"]: copy["until"] for copy in report["elsewhere"]}
    assert until[f"point-in-time recovery of the table {KEYS}, in each region"] == "21 days"
    assert until[f"overwritten and deleted versions in the bucket {MODELS[OTHER]}"].startswith("17 days")
    assert all(length in until["backups in both regions"] for length in BACKUPS_KEPT.values())
    assert {place["name"] for place in report["looked_at"]} == {
        KEYS,
        DEPLOYMENTS,
        *MODELS.values(),
        *OUTPUTS.staging_buckets.values(),
        *DATASETS.values(),
    }


def test_records_that_name_an_operator_are_listed_and_stay(platform: Platform, delete: Any, serveml: Invoke) -> None:
    create_deployment(platform, by=USER)
    before = everything(platform)
    report = as_documented(delete().stdout)
    kept = [item for item in report["items"] if item["outcome"] == "kept"]
    assert {item["name"].partition("/")[0] for item in kept} == {"default", "history#default#churn"}
    assert all("who changed what serves" in item["reason"] for item in kept)
    assert everything(platform) == before
    # A model's name is no person's.
    assert as_documented(serveml("data", "delete", "--user", "churn", "--json").stdout)["items"] == []


def test_a_tenants_deployments_are_no_users_to_delete(
    platform: Platform, serveml: Invoke, key_file: Path, tmp_path: Path
) -> None:
    create_deployment(platform, by="olga")
    before = everything(platform)
    done = serveml(
        *("data", "delete", "--user", "default", "--yes", "--json", "--report", str(tmp_path / "r")),
        *("--sign-key", str(key_file), "--sign-key-id", SIGN),
    )
    (kept,) = as_documented(done.stdout)["items"]
    assert (kept["kind"], kept["outcome"]) == ("deployment", "kept")
    assert everything(platform) == before


def test_an_item_that_is_no_key_by_its_shape_is_deleted_with_the_keys(platform: Platform, delete: Any) -> None:
    platform.dynamodb.put_item(TableName=KEYS, Item={access.HASH_KEY: {"S": "odd"}, "user_id": {"S": USER}})
    assert by_kind(as_documented(delete().stdout), "deleted") == {"api key": 1}
    assert platform.dynamodb.scan(TableName=KEYS)["Items"] == []
