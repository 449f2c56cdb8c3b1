"""`serveml model publish`, called on an account with an empty platform."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from moto import mock_aws
from typer.testing import CliRunner, Result

from contract import metadata as documents
from contract.metadata import ModelMetadata
from contract.objects import METADATA_FILE
from ops import demo_model, platform
from ops.commands import publish as command
from ops.platform import Outputs, Platform
from tests.lifecycle.table import REGION, TABLE, create_table

PRODUCTION, STAGING = "models-production", "models-staging"
NAME = demo_model.NAME
PREFIX = f"models/{NAME}/v1.0.0/"

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(command.publish)
REFUSED, AWAY, INTERRUPTED = 1, 3, 130


@contextmanager
def empty_platform(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Any]:
    """The client that every command gets, of an account with an empty platform, known under each environment."""
    monkeypatch.setattr(platform, "FOLDER", folder / "outputs")
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

        def s3(_: Platform, region: str | None = None) -> Any:
            return client

        monkeypatch.setattr(Platform, "s3", s3)
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
