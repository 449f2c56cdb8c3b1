"""A platform of two regions in this process, with the tables and buckets that the stack makes, for commands to find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from moto import mock_aws
from typer.testing import CliRunner, Result

from contract import access, registry
from contract.objects import USERS_PREFIX
from ops import platform as platforms
from ops.commands import data, key
from ops.keys import ApiKeys
from ops.platform import Platform
from tests.lifecycle.access.stored import (
    DATASETS,
    DEPLOYMENTS,
    ENVIRONMENT,
    HOME,
    KEYS,
    MODELS,
    OTHER,
    OUTPUTS,
    PREFIX,
    SIGN,
    USER,
    Invoke,
    create_bucket,
    put,
)


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Platform]:
    """Its outputs lie where commands look for them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("SERVEML_OPERATOR", "olga")
    monkeypatch.delenv("SERVEML_ENV", raising=False)
    monkeypatch.setattr(platforms, "FOLDER", tmp_path / ".serveml")
    for environment in (ENVIRONMENT, "prod"):
        platforms.keep(environment, OUTPUTS)
    with mock_aws():
        made = Platform(ENVIRONMENT, OUTPUTS)
        _create_tables(made.dynamodb)
        for buckets in (OUTPUTS.models_buckets, OUTPUTS.staging_buckets, OUTPUTS.datasets_buckets):
            for region, bucket in buckets.items():
                create_bucket(region, bucket)
        yield made


@pytest.fixture
def keys(platform: Platform) -> ApiKeys:
    return ApiKeys(platform.dynamodb, KEYS)


@pytest.fixture
def serveml(platform: Platform) -> Invoke:
    """Runs a command line against the platform."""
    app = typer.Typer()
    app.add_typer(key.app, name="key")
    app.add_typer(data.app, name="data")
    runner = CliRunner()

    def invoke(*arguments: str, environment: str = ENVIRONMENT) -> Result:
        return runner.invoke(app, [*arguments, "--env", environment])

    return invoke


@pytest.fixture
def private_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def key_file(private_key: Ed25519PrivateKey, tmp_path: Path) -> Path:
    path = tmp_path / "privacy.pem"
    path.write_bytes(
        private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


@pytest.fixture
def held(platform: Platform, keys: ApiKeys) -> list[str]:
    """Data of the user, and of one whose id begins in the same way; returns the ids of the user's keys."""
    put(platform, HOME, MODELS[HOME], f"{PREFIX}profile.json", b"first")
    put(platform, HOME, MODELS[HOME], f"{PREFIX}profile.json", b"second")
    put(platform, OTHER, MODELS[OTHER], f"{PREFIX}profile.json", b"second")
    put(platform, HOME, DATASETS[HOME], f"{PREFIX}../rows/a.csv", b"1,2")
    platform.s3().delete_object(Bucket=DATASETS[HOME], Key=f"{PREFIX}../rows/a.csv")
    platform.s3().create_multipart_upload(Bucket=DATASETS[HOME], Key=f"{PREFIX}big.csv")
    put(platform, HOME, MODELS[HOME], f"{USERS_PREFIX}ann%40example%2Ecom2/kept.json", b"another user's")
    keys.issue(user_id="bob", scopes=["churn"])
    return [keys.issue(user_id=USER, scopes=["churn"])[1].key_id for _ in range(2)]


@pytest.fixture
def delete(serveml: Invoke, key_file: Path, tmp_path: Path) -> Any:
    def run(folder: str = "report") -> Any:
        return serveml(
            *("data", "delete", "--user", USER, "--yes", "--json", "--report", str(tmp_path / folder)),
            *("--sign-key", str(key_file), "--sign-key-id", SIGN),
        )

    return run


def _create_tables(dynamodb: Any) -> None:
    _create(dynamodb, KEYS, [access.HASH_KEY], access.USER_INDEX, [access.USER_INDEX_HASH_KEY])
    index = [registry.STATUS_ATTRIBUTE, registry.CREATED_AT_ATTRIBUTE]
    _create(dynamodb, DEPLOYMENTS, [registry.HASH_KEY, registry.RANGE_KEY], registry.STATUS_INDEX, index)
    for table in (KEYS, DEPLOYMENTS):
        dynamodb.update_continuous_backups(
            TableName=table,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 21},
        )


def _create(dynamodb: Any, table: str, keys: list[str], index: str, index_keys: list[str]) -> None:
    def schema(names: list[str]) -> list[dict[str, str]]:
        return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]

    dynamodb.create_table(
        TableName=table,
        KeySchema=schema(keys),
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in (*keys, *index_keys)],
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": schema(index_keys), "Projection": {"ProjectionType": "ALL"}}
        ],
        BillingMode="PAY_PER_REQUEST",
    )
