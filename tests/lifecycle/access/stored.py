"""A user's data as tests put them into the platform, and how they look at what is left and at what was said."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import jsonschema
from typer.testing import Result

from contract.objects import Version, user_prefix
from ops import reference
from ops.commands import data as commands
from ops.platform import Outputs, Platform
from ops.rollout import transitions
from ops.rollout.records import Records

HOME, OTHER = "eu-west-1", "eu-central-1"
REGIONS = (HOME, OTHER)
ENVIRONMENT = "dev"
DEPLOYMENTS, KEYS = "deployments", "api-keys"
OUTPUTS = Outputs(
    regions=REGIONS,
    models_buckets={region: f"models-{region}" for region in REGIONS},
    staging_buckets={region: f"staging-{region}" for region in REGIONS},
    datasets_buckets={region: f"datasets-{region}" for region in REGIONS},
    deployments_table=DEPLOYMENTS,
    api_keys_table=KEYS,
)

Invoke = Callable[..., Result]

BAD, AWAY, INTERRUPTED = 1, 3, 130
USER = "ann@example.com"
PREFIX = user_prefix(USER)
MODELS, DATASETS = OUTPUTS.models_buckets, OUTPUTS.datasets_buckets
SIGN = "privacy-2026"


def put(platform: Platform, region: str, bucket: str, key: str, body: bytes, **given: Any) -> str:
    return platform.s3(region).put_object(Bucket=bucket, Key=key, Body=body, **given)["VersionId"]


def versions(platform: Platform, region: str, bucket: str, prefix: str = "") -> list[tuple[str, str]]:
    listed = platform.s3(region).list_object_versions(Bucket=bucket, Prefix=prefix)
    return [
        (found["Key"], found["VersionId"]) for kind in ("Versions", "DeleteMarkers") for found in listed.get(kind, [])
    ]


def everything(platform: Platform) -> list[Any]:
    buckets = [*OUTPUTS.models_buckets.items(), *OUTPUTS.staging_buckets.items(), *OUTPUTS.datasets_buckets.items()]
    tables = [platform.dynamodb.scan(TableName=table)["Items"] for table in (KEYS, DEPLOYMENTS)]
    return [*tables, *(versions(platform, region, bucket) for region, bucket in buckets)]


def create_deployment(platform: Platform, by: str) -> None:
    new = transitions.new("churn", Version(1, 0, 0), by=by, now=datetime.now(UTC))
    Records(platform.dynamodb, DEPLOYMENTS).create(new, action="create", reason="first")


def as_documented(output: str) -> Any:
    document = json.loads(output)
    schemas = json.loads(reference.schemas(commands.app))
    jsonschema.validate(document, schemas | schemas["x-commands"]["serveml delete"])
    return document


def by_kind(report: Any, outcome: str) -> dict[str, int]:
    kinds = [item["kind"] for item in report["items"] if item["outcome"] == outcome]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def refused(done: Any) -> str:
    assert done.exit_code == BAD, done.output
    (line,) = done.stderr.splitlines()
    return line


def with_models_bucket(bucket: str) -> Outputs:
    given = {name: getattr(OUTPUTS, name) for name in Outputs.__struct_fields__}
    return Outputs(**{**given, "models_buckets": {HOME: bucket}})


def create_bucket(region: str, bucket: str, *, lock: bool = False) -> None:
    s3 = boto3.client("s3", region)
    s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region}, ObjectLockEnabledForBucket=lock
    )
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "housekeeping",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "NoncurrentVersionExpiration": {"NoncurrentDays": 17},
                }
            ]
        },
    )
