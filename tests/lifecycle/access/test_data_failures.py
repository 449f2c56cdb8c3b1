"""`serveml data delete` when something is in the way: what was done is said, and another run finishes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from contract.signature import SIGNATURE_FILE
from ops import platform as platforms
from ops.access.buckets import UserObjects
from ops.access.report import REPORT_FILE
from ops.platform import Platform
from ops.signing import FileKey
from tests.lifecycle.access.stored import (
    AWAY,
    DATASETS,
    HOME,
    INTERRUPTED,
    MODELS,
    OTHER,
    PREFIX,
    as_documented,
    by_kind,
    create_bucket,
    put,
    versions,
    with_models_bucket,
)


def test_a_locked_object_stays_with_the_date_until_which_and_the_rest_goes(
    platform: Platform, delete: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    until = datetime(2099, 1, 1, tzinfo=UTC)
    create_bucket(HOME, "locked", lock=True)
    platforms.keep(platform.environment, with_models_bucket("locked"))
    key = f"{PREFIX}contract.pdf"
    locked = put(platform, HOME, "locked", key, b"1", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until)
    on_hold = put(platform, HOME, "locked", key, b"2", ObjectLockLegalHoldStatus="ON")
    put(platform, HOME, "locked", key, b"3")
    done = delete()
    assert done.exit_code == 0, done.output
    report = as_documented(done.stdout)
    kept = {item["version"]: (item["reason"], item["until"]) for item in report["items"] if item["outcome"] == "kept"}
    assert kept[locked] == ("object lock keeps it (governance)", "2099-01-01T00:00:00Z")
    assert "legal hold" in kept[on_hold][0]
    assert sorted(versions(platform, HOME, "locked")) == sorted([(key, locked), (key, on_hold)])
    assert report["complete"]


def test_a_deletion_that_is_stopped_says_what_is_done_and_is_finished_by_another(
    platform: Platform, delete: Any, held: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = UserObjects.delete

    def fail_in_the_other_region(self: UserObjects, items: Any) -> Any:
        if self.bucket == MODELS[OTHER]:
            raise EndpointConnectionError(endpoint_url="https://s3")
        return whole(self, items)

    monkeypatch.setattr(UserObjects, "delete", fail_in_the_other_region)
    done = delete()
    assert done.exit_code == AWAY
    assert "AWS did not answer: EndpointConnectionError: 5 of 8 items were deleted" in done.stderr
    report = as_documented(done.stdout)
    assert not report["complete"]
    assert by_kind(report, "deleted") == {"api key": 2, "object version": 2, "unfinished upload": 1}
    assert json.loads((tmp_path / "report" / REPORT_FILE).read_bytes()) == report
    monkeypatch.undo()
    monkeypatch.setattr(platforms, "FOLDER", tmp_path / ".serveml")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    again = as_documented(delete("again").stdout)
    assert again["complete"]
    assert versions(platform, OTHER, MODELS[OTHER], PREFIX) == []


def test_what_s3_refuses_to_delete_is_named_and_the_rest_goes(
    platform: Platform, delete: Any, held: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = UserObjects.delete

    def refuse_one(self: UserObjects, items: Any) -> Any:
        if self.bucket != MODELS[OTHER]:
            return whole(self, items)
        return {(item.name, item.version): "AccessDenied" for item in items}

    monkeypatch.setattr(UserObjects, "delete", refuse_one)
    done = delete()
    assert done.exit_code == AWAY
    report = as_documented(done.stdout)
    assert by_kind(report, "deleted")["object version"] == 3
    (left,) = [item for item in report["items"] if item["outcome"] == "found"]
    assert (left["place"], left["reason"]) == (MODELS[OTHER], "S3 refused to delete it: AccessDenied")


def test_what_appears_meanwhile_does_not_pass_for_deleted(
    platform: Platform, delete: Any, held: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = UserObjects.delete

    def delete_and_replicate(self: UserObjects, items: Any) -> Any:
        done = whole(self, items)
        put(platform, HOME, DATASETS[HOME], f"{PREFIX}late.csv", b"late")
        return done

    monkeypatch.setattr(UserObjects, "delete", delete_and_replicate)
    done = delete()
    assert done.exit_code == AWAY
    late = [item for item in as_documented(done.stdout)["items"] if item["name"].endswith("late.csv")]
    assert late
    assert all("delete again" in item["reason"] for item in late)


def test_an_interrupted_deletion_leaves_its_report(
    delete: Any, held: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(UserObjects, "delete", interrupt)
    done = delete()
    assert done.exit_code == INTERRUPTED
    report = json.loads((tmp_path / "report" / REPORT_FILE).read_bytes())
    assert (report["failure"], report["dry_run"]) == ("interrupted", False)


def test_a_signature_that_fails_at_the_end_does_not_hide_that_all_was_deleted(
    platform: Platform, delete: Any, held: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = FileKey.sign
    calls: list[bytes] = []

    def sign_once(self: Any, document: bytes) -> Any:
        calls.append(document)
        if len(calls) > 1:
            raise ClientError({"Error": {"Code": "DisabledException", "Message": "off"}}, "Sign")
        return whole(self, document)

    monkeypatch.setattr(FileKey, "sign", sign_once)
    done = delete()
    assert done.exit_code == AWAY
    assert "8 of 8 items were deleted, but the report in" in done.stderr
    assert json.loads((tmp_path / "report" / REPORT_FILE).read_bytes())["complete"]
    assert not (tmp_path / "report" / SIGNATURE_FILE).exists()
