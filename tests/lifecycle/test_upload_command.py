"""`serveml model publish` as an operator meets it: what it prints, what it ends with, and what it leaves behind."""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from moto import mock_aws
from rich.console import Console
from typer.testing import CliRunner, Result

from contract import metadata as documents
from contract.metadata import ModelMetadata
from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE, Version
from contract.signature import SIGNATURE_FILE
from ops import demo_model, platform
from ops.commands import publish as command
from ops.models.registry import versions_of
from ops.platform import Outputs, Platform
from tests.lifecycle.table import REGION, TABLE, create_table
from tests.lifecycle.uploads import BigModel, Calls, big_model

PRODUCTION, STAGING = "models-production", "models-staging"
NAME = demo_model.NAME
PREFIX = f"models/{NAME}/v1.0.0/"
APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(command.publish)
REFUSED, AWAY, INTERRUPTED = 1, 3, 130


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> BigModel:
    return big_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The client that every command gets, of an account with an empty platform, known under each environment."""
    monkeypatch.setattr(platform, "FOLDER", tmp_path / "outputs")
    monkeypatch.setenv("SERVEML_OPERATOR", "ada")
    monkeypatch.delenv("SERVEML_ENV", raising=False)
    outputs = Outputs(
        regions=(REGION,),
        models_buckets={REGION: PRODUCTION},
        staging_buckets={REGION: STAGING},
        deployments_table=TABLE,
        api_keys_table="keys",
    )
    for environment in platform.ENVIRONMENTS:
        platform.keep(environment, outputs)
    with mock_aws():
        client = boto3.client("s3", region_name=REGION)
        for bucket in (PRODUCTION, STAGING):
            client.create_bucket(Bucket=bucket)
        create_table(boto3.client("dynamodb", region_name=REGION))
        monkeypatch.setattr(Platform, "s3", lambda self, region=None: client)
        yield client


def run(path: Path, *options: str | Path, environment: str = "local") -> Result:
    arguments = [NAME, path, "--version", "1.0.0", "--env", environment, *options]
    return CliRunner().invoke(APP, [str(argument) for argument in arguments])


def printed(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def keys(s3: Any, bucket: str = PRODUCTION) -> set[str]:
    return {found["Key"].removeprefix(PREFIX) for found in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def described(s3: Any) -> ModelMetadata:
    return documents.parse(s3.get_object(Bucket=PRODUCTION, Key=f"{PREFIX}{METADATA_FILE}")["Body"].read())


def key_file(folder: Path) -> Path:
    path = folder / "key.pem"
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem)
    return path


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


def test_past_staging_in_prod_is_confirmed_first(s3: Any, model: BigModel) -> None:
    result = run(model.onnx, "--to", "production", environment="prod")
    assert (result.exit_code, result.stdout) == (REFUSED, "")
    assert result.stderr == "publishing breast-cancer 1.0.0 past staging in prod was not confirmed: say --yes\n"
    assert keys(s3) == set()


def test_the_same_command_again_changes_nothing(s3: Any, model: BigModel) -> None:
    first = run(model.onnx)
    assert "is published" in first.stdout
    assert "not signed" in first.stdout
    before = keys(s3)
    again = run(model.onnx)
    assert again.exit_code == 0
    assert "was published before, with the same bytes" in again.stdout
    assert keys(s3) == before


def test_other_bytes_are_refused_in_one_line_and_change_nothing(s3: Any, model: BigModel, tmp_path: Path) -> None:
    run(model.onnx)
    before = described(s3)
    record = versions_of(platform.load("local")).get(NAME, Version(1, 0, 0))
    result = run(big_model(tmp_path, seed=1).onnx)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (REFUSED, "", 1)
    assert "a version is never changed: publish under a new version" in result.stderr
    assert described(s3) == before
    assert versions_of(platform.load("local")).get(NAME, Version(1, 0, 0)) == record


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


BAD = {
    "a name": (("--version", "one"), "model version 'one' is not a semantic version"),
    "an environment": (("--env", "moon"), "--env 'moon' is none of local, dev, staging, prod"),
    "a figure without a value": (("--metrics", "accuracy"), "--metrics 'accuracy' is not NAME=VALUE"),
    "a figure that is no number": (("--metrics", "accuracy=high"), "--metrics gives 'accuracy' the value 'high'"),
    "an infinite figure": (("--metrics", "loss=inf"), "--metrics gives 'loss' the value 'inf'"),
    "a figure twice": (("--metrics", "a=1", "--metrics", "a=2"), "--metrics names 'a' twice"),
    "a variant of no precision": (("--variant", "tiny=x.onnx"), "--variant 'tiny' is no precision"),
    "a variant's file": (("--variant", "int8=absent.onnx"), "there is no file absent.onnx"),
    "a tolerance alone": (("--tolerance", "int8=0.1"), "--tolerance names 'int8', for which there is no --variant"),
    "a tolerance above one": (
        ("--variant", "int8=x", "--tolerance", "int8=2"),
        "variants[0] has tolerance 2.0: use a number above 0",
    ),
    "a key without its name": (("--sign-key", "key.pem"), "--sign-key and --sign-key-id belong together"),
    "a name without its key": (("--sign-key-id", "release"), "--sign-key and --sign-key-id belong together"),
    "a key that is not there": (
        ("--sign-key", "absent.pem", "--sign-key-id", "release"),
        "--sign-key absent.pem cannot be read (No such file or directory)",
    ),
    "two ways to sign": (("--kms-key", "k", "--sign-key", "f"), "--kms-key and --sign-key are two ways to sign"),
    "metadata and figures": (
        ("--metadata", "m.json", "--metrics", "a=1", "--dataset-version", "d"),
        "--metadata describes the version already: leave out --dataset-version, --metrics",
    ),
    "metadata that are not there": (("--metadata", "m.json"), "--metadata m.json cannot be read: No such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_refused_in_one_line_before_anything_is_sent(s3: Any, model: BigModel, case: str) -> None:
    options, message = BAD[case]
    result = run(model.onnx, *options)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (REFUSED, "", 1)
    assert message in result.stderr
    assert keys(s3) == set()


@pytest.mark.parametrize("content", [b"{}", b"not JSON", b"\xff"])
def test_metadata_that_are_none_are_refused(s3: Any, model: BigModel, tmp_path: Path, content: bytes) -> None:
    document = tmp_path / "metadata.json"
    document.write_bytes(content)
    result = run(model.onnx, "--metadata", document)
    assert (result.exit_code, result.stderr.count("\n")) == (REFUSED, 1)
    assert f"--metadata {document}: " in result.stderr
    assert keys(s3) == set()


def test_a_key_file_that_holds_no_key_is_refused_without_a_word_of_it(s3: Any, model: BigModel, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("a secret of another kind")
    result = run(model.onnx, "--sign-key", tmp_path / "key.pem", "--sign-key-id", "release")
    assert (result.exit_code, result.stderr.count("\n")) == (REFUSED, 1)
    assert "no unencrypted Ed25519 private key" in result.stderr
    assert "secret" not in result.stderr
    bad_name = run(model.onnx, "--sign-key", key_file(tmp_path), "--sign-key-id", "no name")
    assert (bad_name.exit_code, bad_name.stderr.count("\n")) == (REFUSED, 1)
    assert "'no name' is no name of a key" in bad_name.stderr
    assert keys(s3) == set()


def test_a_bucket_that_is_not_there_is_said_in_aws_words(s3: Any, model: BigModel) -> None:
    s3.delete_bucket(Bucket=PRODUCTION)
    result = run(model.onnx)
    assert result.exit_code == AWAY
    assert "AWS refused ListObjectsV2: NoSuchBucket" in result.stderr


def test_a_table_that_is_not_there_leaves_the_files_for_the_next_try(s3: Any, model: BigModel) -> None:
    dynamodb = boto3.client("dynamodb", region_name=REGION)
    dynamodb.delete_table(TableName=TABLE)
    result = run(model.onnx)
    assert result.exit_code == AWAY
    assert "the same command again goes on" in result.stderr
    create_table(dynamodb)
    again = printed(run(model.onnx, "--json"))
    assert (again["created"], again["published_by"]) == (False, "ada")


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
