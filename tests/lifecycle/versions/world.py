"""What the tests do to a platform: publish, replicate, spoil, look, and call commands as somebody."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import onnx
import pytest
from click.testing import Result
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from contract.deployment import Deployment
from contract.metadata import ModelMetadata, Sample, TensorSpec
from contract.objects import MODEL_FILE, Version, version_prefix
from contract.versions import Kind, VersionRecord
from ops import platform as platforms
from ops.commands.model import app
from ops.models.publish import publish
from ops.models.registry import Versions, register, versions_of
from ops.models.smoke import smoke
from ops.models.verify import verify
from ops.platform import Outputs, Platform
from ops.rollout import transitions
from ops.rollout.records import Records
from ops.signing import Signer
from serving.signature import TrustedKeys
from tests.lifecycle.table import TABLE

NAME = "churn"
HOME, AWAY = "us-east-1", "us-west-2"
V1, V2, V3 = Version(1, 0, 0), Version(1, 1, 0), Version(1, 2, 0)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUBLISHER, APPROVER = "ada", "grace"
COLUMNS, ROWS = 4, 3
SESSION = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")

OUTPUTS = Outputs(
    regions=(HOME, AWAY),
    models_buckets={region: f"models-production-{region}" for region in (HOME, AWAY)},
    staging_buckets={region: f"models-staging-{region}" for region in (HOME, AWAY)},
    deployments_table=TABLE,
    api_keys_table="api-keys",
)


class World:
    """A platform of two regions, as production unless a test says otherwise."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.platform = Platform("prod", OUTPUTS)
        self._monkeypatch = monkeypatch
        for environment in platforms.ENVIRONMENTS:
            platforms.keep(environment, OUTPUTS)

    def s3(self, region: str = HOME) -> Any:
        return SESSION.client("s3", region_name=region)

    def bucket(self, kind: Kind = Kind.STAGING, region: str = HOME) -> str:
        return (OUTPUTS.staging_buckets if kind is Kind.STAGING else OUTPUTS.models_buckets)[region]

    def publish(
        self,
        version: Version = V1,
        *,
        kind: Kind = Kind.STAGING,
        seed: int = 7,
        signer: Signer | None = None,
        described: Callable[[ModelMetadata], ModelMetadata] = lambda metadata: metadata,
        registered: bool = True,
    ) -> Any:
        path, metadata = linear(self.directory, version, seed)
        published = publish(self.s3(), self.bucket(kind), NAME, version, path, described(metadata), signer=signer)
        if registered:
            register(self.platform, published, PUBLISHER, now=lambda: NOW)
        return published

    def verified(self, version: Version = V1) -> None:
        verify(self.platform, NAME, version, by=PUBLISHER, trusted=TrustedKeys())

    def tested(self, version: Version = V1) -> None:
        """Published, verified and tried."""
        self.publish(version)
        self.verified(version)
        smoke(self.platform, NAME, version, by=PUBLISHER, trusted=TrustedKeys())

    def approved(self, version: Version = V1) -> None:
        self.tested(version)
        assert self.command("approve", NAME, str(version), "--note", "looked at it", "--yes").exit_code == 0

    def promoted(self, version: Version = V1) -> None:
        self.approved(version)
        assert self.command("promote", NAME, str(version), "--copy", "--yes").exit_code == 0

    def replicate(self, version: Version = V1, *, only: Callable[[str], bool] = lambda file: True) -> None:
        """What S3 does to the first region's production bucket."""
        source, to = self.bucket(Kind.PRODUCTION), self.bucket(Kind.PRODUCTION, AWAY)
        for file, data in self.files(Kind.PRODUCTION, version=version).items():
            if only(file):
                self.s3(AWAY).put_object(Bucket=to, Key=f"{version_prefix(NAME, version)}{file}", Body=data)
        assert source != to

    def spoil(self, kind: Kind, region: str = HOME, *, file: str = MODEL_FILE, version: Version = V1) -> None:
        self.s3(region).put_object(
            Bucket=self.bucket(kind, region), Key=f"{version_prefix(NAME, version)}{file}", Body=b"other bytes"
        )

    def remove(self, kind: Kind, file: str, region: str = HOME, version: Version = V1) -> None:
        self.s3(region).delete_object(Bucket=self.bucket(kind, region), Key=f"{version_prefix(NAME, version)}{file}")

    def remove_bucket(self, kind: Kind, region: str) -> None:
        bucket, s3 = self.bucket(kind, region), self.s3(region)
        listed = s3.list_object_versions(Bucket=bucket)
        for entry in (*listed.get("Versions", []), *listed.get("DeleteMarkers", [])):
            s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])
        s3.delete_bucket(Bucket=bucket)

    def files(self, kind: Kind, region: str = HOME, version: Version = V1) -> dict[str, bytes]:
        """What readers find of the version in a bucket."""
        s3, bucket, prefix = self.s3(region), self.bucket(kind, region), version_prefix(NAME, version)
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
        return {
            entry["Key"].removeprefix(prefix): s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            for entry in listed
        }

    def record(self, version: Version = V1) -> VersionRecord:
        return versions_of(self.platform).get(NAME, version)

    @property
    def records(self) -> Versions:
        return versions_of(self.platform)

    @property
    def deployments(self) -> Records:
        return Records(self.platform.dynamodb, TABLE, pause=lambda _: None)

    def deploy(self, version: Version, *, tenant: str = "default", model: str = NAME) -> Deployment:
        made = transitions.new("churn-eu", version, by="ada", now=NOW, model=model, tenant=tenant)
        return Records(self.platform.dynamodb, TABLE, tenant).create(made, action="create", reason="test")

    def table_items(self) -> list[Any]:
        return self.platform.dynamodb.scan(TableName=TABLE)["Items"]

    def drop_table(self) -> None:
        self.platform.dynamodb.delete_table(TableName=TABLE)

    def command(self, *arguments: str, by: str = APPROVER, env: str = "prod") -> Result:
        """Call `serveml model` as somebody."""
        self._monkeypatch.setenv("SERVEML_OPERATOR", by)
        return CliRunner().invoke(app, [*arguments, "--env", env])

    def answer(self, *arguments: str, by: str = APPROVER, env: str = "prod", exits: int = 0) -> Any:
        """What a command prints as JSON."""
        result = self.command(*arguments, "--json", by=by, env=env)
        assert result.exit_code == exits, result.output
        return json.loads(result.stdout)


def linear(directory: Path, version: Version, seed: int = 7) -> tuple[Path, ModelMetadata]:
    """One small matrix, other ones for other seeds, with a sample."""
    random = np.random.default_rng(seed)
    weights = random.standard_normal((COLUMNS, 1)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["score"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", COLUMNS])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", 1])],
        [numpy_helper.from_array(weights, "weights")],
    )
    path = directory / f"linear-{version}-{seed}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    rows = np.random.default_rng(1).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    metadata = ModelMetadata(
        name=NAME,
        version=version,
        created_at=NOW,
        framework="numpy",
        inputs=(TensorSpec(name="x", datatype="FP32", shape=(-1, COLUMNS)),),
        outputs=(TensorSpec(name="score", datatype="FP32", shape=(-1, 1)),),
        dataset_version="2026-02-28-020000",
        git_sha="0123abc",
        metrics={"accuracy": 0.9},
        sample=Sample(inputs={"x": rows.tolist()}, outputs={"score": (rows @ weights).tolist()}),
    )
    return path, metadata


def without_sample(metadata: ModelMetadata) -> ModelMetadata:
    return replace(metadata, sample=None)
