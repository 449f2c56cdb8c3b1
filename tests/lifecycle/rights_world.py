"""A platform of two regions in production, and a life of versions, keys and users' data on it: every command once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner, Result

from components.operators.duties import Approval
from components.operators.reach import Reach, RegionStores
from contract import access, metadata
from contract.objects import Version, user_prefix
from contract.versions import Kind
from ops import cli
from ops import platform as platforms
from ops.canary import byhand, wiring
from ops.commands import canary, deployment, rollback
from ops.models import copying, promote
from ops.models.parts import MIB
from ops.platform import Outputs, Platform
from tests.lifecycle.canary_world import World as Traffic
from tests.lifecycle.deployment_commands import Figures
from tests.lifecycle.table import TABLE, create_table
from tests.lifecycle.versions.world import AWAY, HOME, NAME, linear
from tests.support.aws_calls import Account, Call
from tests.support.recorder import Recorder

ACCOUNT, PREFIX = "123456789012", "serveml-prod"
KEYS = "api-keys"
USER = "ann@example.com"
ADA, GRACE = "ada", "grace"
PART_BYTES = 5 * MIB
"""The least that S3 takes for a part that is not the last."""
OLD, FIRST, SECOND, THIRD = Version(0, 1, 0), Version(1, 0, 0), Version(2, 0, 0), Version(3, 0, 0)
PROMETHEUS = ("--prometheus", "http://127.0.0.1:9")
QUICK = ("--steps", "100", "--step-seconds", "10", "--min-requests", "50")

BUCKETS = {
    kind: {region: f"{PREFIX}-{kind}-{region}" for region in (HOME, AWAY)}
    for kind in ("production", "staging", "datasets", "audit")
}


def key_arn(region: str, name: str) -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/{name}"


def table_arn(region: str, name: str) -> str:
    return f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{name}"


def topic_arn() -> str:
    return f"arn:aws:sns:{HOME}:{ACCOUNT}:{PREFIX}-alarms"


def reach(approval: Approval = Approval.BY_ANOTHER) -> Reach:
    """As the stack of this platform would say it."""
    return Reach(
        account_id=ACCOUNT,
        prefix=PREFIX,
        stores=[
            RegionStores(
                region=region,
                production_bucket=BUCKETS["production"][region],
                staging_bucket=BUCKETS["staging"][region],
                datasets_bucket=BUCKETS["datasets"][region],
                audit_bucket=BUCKETS["audit"][region],
                deployments_table_arn=table_arn(region, TABLE),
                api_keys_table_arn=table_arn(region, KEYS),
                data_key_arn=key_arn(region, "data"),
                logs_key_arn=key_arn(region, "logs"),
            )
            for region in (HOME, AWAY)
        ],
        topic_arn=topic_arn(),
        topic_region=HOME,
        approval=approval,
    )


class RightsWorld:
    """`world.run("model", "list", by="ada")` calls a command as somebody, and keeps what it called of AWS."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.calls: dict[str, list[Call]] = {}
        """By command."""
        self._patch = patch
        self._aside = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test")
        self.account = self._prepare()
        self.recorder = Recorder(self.account)
        patch.setattr(Platform, "_session", self.recorder.session)
        outputs = Outputs(
            regions=(HOME, AWAY),
            models_buckets=BUCKETS["production"],
            staging_buckets=BUCKETS["staging"],
            datasets_buckets=BUCKETS["datasets"],
            deployments_table=TABLE,
            api_keys_table=KEYS,
            alarm_topic=topic_arn(),
        )
        patch.setattr(platforms, "FOLDER", folder / "outputs")
        for environment in platforms.ENVIRONMENTS:
            platforms.keep(environment, outputs)
        self.traffic = Traffic(self.client("dynamodb"))
        self.traffic.now = datetime.now(UTC)
        self.traffic.report()
        self._stop_the_clock()

    def client(self, service: str, region: str = HOME) -> Any:
        """One that nobody listens to."""
        return self._aside.client(service, region_name=region)

    def run(
        self,
        *said: str,
        by: str = GRACE,
        env: str = "prod",
        exits: int = 0,
        policies: Sequence[dict[str, Any]] | None = None,
    ) -> Result:
        self._patch.setenv("SERVEML_OPERATOR", by)
        with self.recorder.listening(policies) as made:
            result = CliRunner().invoke(cli.app, [*said, "--env", env])
        assert result.exit_code == exits, f"{said}: {result.output}"
        command = " ".join(said[: 1 if said[0] == "rollback" else 2])
        if policies is None:
            self.calls.setdefault(command, []).extend(made)
        return result

    def publish(self, version: Version, *options: str, by: str = ADA, large: bool = False, **how: Any) -> Result:
        path, described = linear(self.folder, version)
        if large:
            _pad(path, 2 * PART_BYTES)
        document = path.with_suffix(".json")
        document.write_bytes(metadata.render(described))
        files = ("--version", str(version), "--metadata", str(document))
        return self.run("model", "publish", NAME, str(path), *files, *options, by=by, **how)

    def objects(self, kind: str, region: str = HOME) -> list[str]:
        listed = self.client("s3", region).list_objects_v2(Bucket=BUCKETS[kind][region])
        return [found["Key"] for found in listed.get("Contents", [])]

    def items(self, table: str) -> list[Any]:
        return self.client("dynamodb").scan(TableName=table)["Items"]

    def _prepare(self) -> Account:
        dynamodb = self.client("dynamodb")
        create_table(dynamodb)
        dynamodb.create_table(
            TableName=KEYS,
            KeySchema=[{"AttributeName": access.HASH_KEY, "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in (access.HASH_KEY, access.USER_INDEX_HASH_KEY)
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": access.USER_INDEX,
                    "KeySchema": [{"AttributeName": access.USER_INDEX_HASH_KEY, "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        for kind, buckets in BUCKETS.items():
            for region, bucket in buckets.items():
                where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
                s3 = self.client("s3", region)
                s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=kind == "datasets", **where)
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.client("sns").create_topic(Name=f"{PREFIX}-alarms")
        kms = self.client("kms")
        aliases: dict[str, str] = {}
        for alias in (f"alias/{PREFIX}-signing", f"alias/{PREFIX}-privacy"):
            key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
            kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
            aliases[alias] = key["Arn"]
        return Account(
            id=ACCOUNT,
            bucket_regions={bucket: region for buckets in BUCKETS.values() for region, bucket in buckets.items()},
            data_keys={region: key_arn(region, "data") for region in (HOME, AWAY)},
            topic_key=key_arn(HOME, "alarms"),
            aliases=aliases,
        )

    def _stop_the_clock(self) -> None:
        """Time goes on when a command waits, and Prometheus' figures are the traffic's own."""

        def now(_: object) -> datetime:
            return self.traffic.now

        def figures(*_: object, **__: object) -> Figures:
            return Figures(self.traffic)

        self._patch.setattr(byhand, "datetime", SimpleNamespace(now=now))
        for module in (wiring, deployment, rollback, canary):
            self._patch.setattr(module, "time", SimpleNamespace(sleep=self.traffic.wait))
        self._patch.setattr(wiring, "figures", figures)
        self._patch.setattr(promote, "copy_version", partial(copying.copy_version, part_bytes=PART_BYTES))


def live(world: RightsWorld) -> None:
    """Every command of `serveml` that works on an account, with the options that make further calls."""
    run = world.run
    signed = ("--kms-key", f"alias/{PREFIX}-signing")
    world.publish(OLD)
    for _ in range(2):
        world.publish(FIRST, *signed)
    _break_off(world, SECOND)
    world.publish(SECOND, large=True)
    world.publish(THIRD)
    for version in (FIRST, SECOND, THIRD):
        run("model", "verify", NAME, str(version))
        run("model", "smoke", NAME, str(version))
        run("model", "approve", NAME, str(version), "--note", "looked at it", "--yes")
    for version in (FIRST, SECOND):
        run("model", "promote", NAME, str(version), "--copy", "--yes")
        run("model", "verify", NAME, str(version))
    run("model", "list")
    run("model", "show", NAME, "1.0.0")
    run("model", "diff", NAME, "1.0.0", "2.0.0")
    run("model", "pull", NAME, "2.0.0", str(world.folder / "pulled"))
    _deploy(world)
    run("model", "withdraw", NAME, "3.0.0", "--reason", "not needed", "--yes")
    world.client("s3").create_multipart_upload(Bucket=BUCKETS["staging"][HOME], Key=f"models/{NAME}/v9.0.0/model.onnx")
    run("model", "gc", NAME, "--keep", "1", "--older-than", "0m", "--yes")
    _issue_keys(world)
    _handle_data(world)


def _deploy(world: RightsWorld) -> None:
    run = world.run
    run("deployment", "create", "fraud", "1.0.0", "--model", NAME, "--yes")
    run("deployment", "list")
    run("deployment", "list", "--on-trial")
    run("deployment", "show", NAME)
    run("deployment", "set", NAME, "1.0.0=90", "2.0.0=10", "--yes")
    run("deployment", "history", NAME)
    run("rollback", NAME, "--yes")
    run("canary", "start", NAME, "2.0.0", *QUICK, "--no-follow", "--yes")
    run("canary", "status", NAME, *PROMETHEUS)
    run("canary", "run", NAME, *PROMETHEUS)
    run("rollback", NAME, "--yes")
    run("canary", "start", NAME, "2.0.0", *QUICK, *PROMETHEUS, "--yes")
    run("rollback", NAME, "--yes")
    for end in ("abort", "promote"):
        run("canary", "start", NAME, "2.0.0", *QUICK, "--no-follow", "--yes")
        world.traffic.report()
        run("canary", end, NAME, "--reason", "by hand", "--yes")


def _issue_keys(world: RightsWorld) -> None:
    run = world.run
    run("key", "create", USER, "--model", NAME, "--yes")
    run("key", "list")
    run("key", "list", "--user", USER)
    (key,) = (item["key_id"]["S"] for item in world.items(KEYS))
    run("key", "rotate", key, "--yes")
    run("key", "revoke", key, "--reason", "lost", "--yes")


def _handle_data(world: RightsWorld) -> None:
    prefix, signed = user_prefix(USER), ("--kms-key", f"alias/{PREFIX}-privacy")
    for kind in ("production", "datasets"):
        world.client("s3").put_object(Bucket=BUCKETS[kind][HOME], Key=f"{prefix}a.csv", Body=b"of a user")
    world.client("s3").create_multipart_upload(Bucket=BUCKETS["staging"][HOME], Key=f"{prefix}b.csv")
    world.run("data", "export", "--user", USER, "--to", str(world.folder / "ann"), *signed)
    report = ("--report", str(world.folder / "deleted"))
    world.run("data", "delete", "--user", USER)
    world.run("data", "delete", "--user", USER, "--yes", *report, *signed)


def _break_off(world: RightsWorld, version: Version) -> None:
    """The first part of a large version's file, as a publisher leaves it whose connection ended."""
    path, _ = linear(world.folder, version)
    _pad(path, 2 * PART_BYTES)
    where = {"Bucket": BUCKETS[Kind.STAGING][HOME], "Key": f"models/{NAME}/v{version}/model.onnx"}
    s3 = world.client("s3")
    begun = s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")["UploadId"]
    s3.upload_part(**where, UploadId=begun, PartNumber=1, Body=path.read_bytes()[: 8 * MIB])


def _pad(path: Path, size: int) -> None:
    model = onnx.load(str(path))
    padding = np.random.default_rng(0).bytes(size)
    model.graph.initializer.append(
        onnx.helper.make_tensor("padding", onnx.TensorProto.UINT8, [len(padding)], padding, raw=True)
    )
    onnx.save(model, str(path))
