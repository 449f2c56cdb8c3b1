"""The deployments table as the platform makes it, and what tests put into it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3

from contract import registry
from contract.deployment import Deployment
from contract.objects import Version
from ops.rollout import transitions

REGION = "us-east-1"
TABLE = "deployments"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

V1, V2, V3 = Version(1, 0, 0), Version(2, 0, 0), Version(3, 0, 0)


def create_table(dynamodb: Any, name: str = TABLE) -> None:
    keys = (registry.HASH_KEY, registry.RANGE_KEY)
    index = (registry.STATUS_ATTRIBUTE, registry.CREATED_AT_ATTRIBUTE)
    dynamodb.create_table(
        TableName=name,
        KeySchema=_schema(keys),
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in (*keys, *index)],
        GlobalSecondaryIndexes=[
            {
                "IndexName": registry.STATUS_INDEX,
                "KeySchema": _schema(index),
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )


def dynamodb_at(endpoint: str) -> Any:
    """A client of a process of its own for an account on this machine."""
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def churn(version: Version = V1, **changed: Any) -> Deployment:
    """A deployment that serves one version."""
    return transitions.new("churn", version, **({"by": "ada", "now": NOW} | changed))


def _schema(names: tuple[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=True)]
