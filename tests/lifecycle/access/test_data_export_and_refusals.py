"""`serveml data export`, and what both commands refuse before they change anything."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from contract import registry
from contract.objects import USERS_PREFIX, user_prefix
from ops import platform as platforms
from ops.access.buckets import UserObjects
from ops.keys import ApiKeys
from ops.platform import Outputs, Platform
from tests.lifecycle.access.stored import (
    AWAY,
    BAD,
    DATASETS,
    DEPLOYMENTS,
    OTHER,
    OUTPUTS,
    SIGN,
    USER,
    Invoke,
    as_documented,
    by_kind,
    create_deployment,
    everything,
    refused,
)


@pytest.mark.parametrize("missing", ["--report", "--sign-key", "--sign-key-id"])
def test_a_deletion_without_a_signed_report_is_refused(
    platform: Platform, serveml: Invoke, held: list[str], key_file: Path, tmp_path: Path, missing: str
) -> None:
    given = {"--report": str(tmp_path / "report"), "--sign-key": str(key_file), "--sign-key-id": SIGN}
    del given[missing]
    before = everything(platform)
    done = serveml("data", "delete", "--user", USER, "--yes", *(word for pair in given.items() for word in pair))
    assert done.exit_code == BAD
    assert len(done.stderr.splitlines()) == 1
    assert everything(platform) == before
    assert not (tmp_path / "report").exists()


def test_a_folder_in_use_a_key_that_is_none_and_a_user_that_is_none_are_refused(
    platform: Platform, delete: Any, serveml: Invoke, held: list[str], key_file: Path, tmp_path: Path
) -> None:
    before = everything(platform)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").write_text("mine")
    assert "is not an empty folder" in refused(delete("used"))
    assert "is not an empty folder" in refused(
        serveml("data", "export", "--user", USER, "--to", str(tmp_path / "used"))
    )
    key_file.write_text("no key")
    assert "no unencrypted Ed25519 private key" in refused(delete())
    assert "128 printable ASCII" in refused(serveml("data", "delete", "--user", "two words"))
    assert everything(platform) == before
    assert not (tmp_path / "report").exists()


def test_outputs_that_do_not_name_every_bucket_are_refused(platform: Platform, serveml: Invoke) -> None:
    named = {name: getattr(OUTPUTS, name) for name in Outputs.__struct_fields__ if name != "datasets_buckets"}
    platforms.keep(platform.environment, Outputs(**named))
    assert "name no buckets of data sets" in refused(serveml("data", "delete", "--user", USER))


def test_a_bucket_that_is_away_stops_a_deletion_before_anything_is_deleted(
    platform: Platform, delete: Any, keys: ApiKeys, held: list[str]
) -> None:
    boto3.client("s3", OTHER).delete_bucket(Bucket=DATASETS[OTHER])
    done = delete()
    assert done.exit_code == AWAY
    assert "NoSuchBucket" in done.stderr
    assert sorted(record.key_id for record in keys.all(user_id=USER).records) == sorted(held)


def test_an_export_holds_every_version_and_the_keys_without_their_digests(
    platform: Platform, serveml: Invoke, held: list[str], tmp_path: Path
) -> None:
    create_deployment(platform, by=USER)
    before = everything(platform)
    folder = tmp_path / "ann"
    done = serveml("data", "export", "--user", USER, "--to", str(folder), "--json")
    assert done.exit_code == 0, done.output
    report = as_documented(done.stdout)
    assert by_kind(report, "exported") == {
        "api key": 2,
        "object version": 4,
        "record that names the user as an operator": 2,
    }
    for item in report["items"]:
        if item["outcome"] == "exported":
            assert hashlib.sha256((folder / item["file"]).read_bytes()).hexdigest() == item["sha256"]
    assert sorted(path.read_bytes() for path in (folder / "objects").iterdir()) == [
        b"1,2",
        b"first",
        b"second",
        b"second",
    ]
    exported = json.loads((folder / "api_keys.json").read_bytes())
    assert sorted(key["key_id"] for key in exported) == sorted(held)
    assert not any("digest" in key for key in exported)
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*"))
    assert everything(platform) == before


def test_an_export_that_breaks_off_leaves_nothing(
    serveml: Invoke, held: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: Any) -> Any:
        yield b"some"
        raise EndpointConnectionError(endpoint_url="https://s3")

    monkeypatch.setattr(UserObjects, "read", break_off)
    before = sorted(tmp_path.iterdir())
    done = serveml("data", "export", "--user", USER, "--to", str(tmp_path / "ann"))
    assert done.exit_code == AWAY
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("user", ["..", "a/b", "ann", "*", "%2e"])
def test_a_users_prefix_leads_nowhere_else(user: str) -> None:
    prefix = user_prefix(user)
    inner = prefix.removeprefix(USERS_PREFIX).removesuffix("/")
    assert inner
    assert "/" not in inner
    assert "." not in inner
    assert user_prefix(f"{user}x").startswith(prefix) is False


def test_an_item_of_another_kind_in_the_deployments_table_stops_nobody(platform: Platform, serveml: Invoke) -> None:
    key = registry.lease("default", "churn")
    platform.dynamodb.put_item(TableName=DEPLOYMENTS, Item={**key.item, "holder": {"S": USER}})
    assert as_documented(serveml("data", "delete", "--user", USER, "--json").stdout)["items"] == []
