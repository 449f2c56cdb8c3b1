"""What `serveml model publish` refuses and fails at, in one line each, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from contract.objects import Version
from ops import platform
from ops.models.registry import versions_of
from tests.lifecycle.publishing import (
    AWAY,
    NAME,
    PRODUCTION,
    REFUSED,
    described,
    empty_platform,
    key_file,
    keys,
    printed,
    run,
)
from tests.lifecycle.table import REGION, TABLE, create_table
from tests.lifecycle.uploads import BigModel, big_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> BigModel:
    return big_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with empty_platform(tmp_path, monkeypatch) as client:
        yield client


def test_past_staging_in_prod_is_confirmed_first(s3: Any, model: BigModel) -> None:
    result = run(model.onnx, "--to", "production", environment="prod")
    assert (result.exit_code, result.stdout) == (REFUSED, "")
    assert result.stderr == "publishing breast-cancer 1.0.0 past staging in prod was not confirmed: say --yes\n"
    assert keys(s3) == set()


def test_other_bytes_are_refused_in_one_line_and_change_nothing(s3: Any, model: BigModel, tmp_path: Path) -> None:
    run(model.onnx)
    before = described(s3)
    record = versions_of(platform.load("local")).get(NAME, Version(1, 0, 0))
    result = run(big_model(tmp_path, seed=1).onnx)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (REFUSED, "", 1)
    assert "a version is never changed: publish under a new version" in result.stderr
    assert described(s3) == before
    assert versions_of(platform.load("local")).get(NAME, Version(1, 0, 0)) == record


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
