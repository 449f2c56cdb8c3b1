"""`serveml model publish` as an operator meets it: what it prints, what it ends with, and what it leaves behind."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console

from contract import metadata as documents
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version
from contract.signature import SIGNATURE_FILE
from ops import platform
from ops.commands import publish as command
from ops.models.registry import versions_of
from tests.lifecycle.publishing import (
    AWAY,
    INTERRUPTED,
    NAME,
    PRODUCTION,
    STAGING,
    described,
    empty_platform,
    key_file,
    keys,
    printed,
    run,
)
from tests.lifecycle.table import REGION
from tests.lifecycle.uploads import BigModel, Calls, big_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> BigModel:
    return big_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with empty_platform(tmp_path, monkeypatch) as client:
        yield client


def test_a_published_version_lies_in_the_bucket_and_has_its_record(s3: Any, model: BigModel) -> None:
    result = printed(run(model.onnx, "--dataset-version", "2026-01", "--metrics", "accuracy=0.97", "--json"))
    assert keys(s3) == {MODEL_FILE, METADATA_FILE, CHECKSUMS_FILE}
    size = model.onnx.stat().st_size
    assert (result["to"], result["created"], result["sent_bytes"], result["total_bytes"]) == (
        "production",
        True,
        size,
        size,
    )
    assert set(result["files"]) == {MODEL_FILE, METADATA_FILE}
    record = versions_of(platform.load("local")).get(NAME, Version(1, 0, 0))
    assert (record.published_by, record.dataset_version, record.signed_by) == ("ada", "2026-01", None)
    assert (described(s3).metrics, described(s3).dataset_version) == ({"accuracy": 0.97}, "2026-01")


@pytest.mark.parametrize(
    ("environment", "options", "bucket"),
    [
        ("local", (), PRODUCTION),
        ("dev", (), PRODUCTION),
        ("staging", (), STAGING),
        ("prod", (), STAGING),
        ("local", ("--to", "staging"), STAGING),
        ("staging", ("--to", "production"), PRODUCTION),
        ("prod", ("--to", "production", "--yes"), PRODUCTION),
    ],
)
def test_where_versions_are_promoted_they_go_to_the_staging_bucket(
    s3: Any, model: BigModel, environment: str, options: tuple[str, ...], bucket: str
) -> None:
    assert printed(run(model.onnx, *options, "--json", environment=environment))["bucket"] == bucket
    assert CHECKSUMS_FILE in keys(s3, bucket)
    assert keys(s3, STAGING if bucket == PRODUCTION else PRODUCTION) == set()


def test_the_same_command_again_changes_nothing(s3: Any, model: BigModel) -> None:
    first = run(model.onnx)
    assert "is published" in first.stdout
    assert "not signed" in first.stdout
    before = keys(s3)
    again = run(model.onnx)
    assert again.exit_code == 0
    assert "was published before, with the same bytes" in again.stdout
    assert keys(s3) == before


def test_an_interrupted_command_says_how_to_go_on_and_does_so(s3: Any, model: BigModel) -> None:
    calls = Calls(s3)
    calls.break_at = 6
    broken = run(model.onnx)
    assert broken.exit_code == AWAY
    assert broken.stderr.splitlines() == [
        "What was uploaded stays there: the same command again goes on from it.",
        "AWS did not answer: Connection was closed before we received a valid response from endpoint URL: "
        '"https://s3.example.com".',
    ]
    calls.break_at = None
    assert keys(s3) == {METADATA_FILE}
    result = printed(run(model.onnx, "--json"))
    assert result["sent_bytes"] < result["total_bytes"]
    assert CHECKSUMS_FILE in keys(s3)


def test_a_command_that_is_stopped_by_hand_says_how_to_go_on(s3: Any, model: BigModel) -> None:
    def stop(**_: Any) -> None:
        raise KeyboardInterrupt

    s3.meta.events.register("after-call.s3.UploadPart", stop)
    result = run(model.onnx)
    assert (result.exit_code, result.stdout) == (INTERRUPTED, "")
    assert result.stderr == "What was uploaded stays there: the same command again goes on from it.\n"
    s3.meta.events.unregister("after-call.s3.UploadPart", stop)
    result = printed(run(model.onnx, "--json"))
    assert result["sent_bytes"] < result["total_bytes"]


def test_a_version_is_signed_by_a_key_in_a_file(s3: Any, model: BigModel, tmp_path: Path) -> None:
    result = run(model.onnx, "--sign-key", key_file(tmp_path), "--sign-key-id", "release", "--json")
    assert printed(result)["signed_by"] == "release"
    assert SIGNATURE_FILE in keys(s3)


def test_a_version_is_signed_by_a_key_in_kms(s3: Any, model: BigModel) -> None:
    kms = boto3.client("kms", region_name=REGION)
    arn = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    # AWS answers with the ARN, moto with the id at its end.
    assert arn.endswith(printed(run(model.onnx, "--kms-key", arn, "--json"))["signed_by"])
    assert SIGNATURE_FILE in keys(s3)


def test_a_variant_lies_beside_the_default_file(s3: Any, model: BigModel) -> None:
    result = run(model.onnx, "--variant", f"fp16={model.variant}", "--tolerance", "fp16=0.05", "--json")
    assert printed(result)["total_bytes"] == model.total_bytes
    assert "model.fp16.onnx" in keys(s3)
    (variant,) = described(s3).variants
    assert (variant.name, variant.precision, variant.tolerance) == ("fp16", "fp16", 0.05)


def test_metadata_written_elsewhere_are_published_as_they_are(s3: Any, model: BigModel, tmp_path: Path) -> None:
    document = tmp_path / "metadata.json"
    document.write_bytes(documents.render(model.metadata))
    result = printed(run(model.onnx, "--metadata", document, "--variant", f"fp16={model.variant}", "--json"))
    assert result["preparation"] is None
    assert described(s3) == model.metadata


def test_the_commit_is_the_one_that_is_checked_out_where_the_model_lies(
    s3: Any, model: BigModel, tmp_path: Path
) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    path = folder / "model.onnx"
    path.write_bytes(model.variant.read_bytes())
    author = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    for arguments in (("init", "-q"), (*author, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *arguments], cwd=folder, check=True, timeout=30)
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True, timeout=30
    ).stdout.strip()
    printed(run(path, "--json"))
    assert described(s3).git_sha == head
    printed(run(path, "--version", "1.0.1", "--git-sha", "abc123", "--json"))
    later = s3.get_object(Bucket=PRODUCTION, Key=f"models/{NAME}/v1.0.1/{METADATA_FILE}")["Body"].read()
    assert documents.parse(later).git_sha == "abc123"


@pytest.mark.parametrize(("terminal", "options", "shown"), [(True, (), 1), (False, (), 0), (True, ("--json",), 0)])
def test_progress_is_shown_to_who_watches_a_terminal(
    s3: Any,
    model: BigModel,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    options: tuple[str, ...],
    shown: bool,
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(command, "errors", Console(file=written, force_terminal=terminal, width=120))
    assert run(model.onnx, *options).exit_code == 0
    assert ("uploading" in written.getvalue()) == shown
    assert ("MB/s" in written.getvalue()) == shown
