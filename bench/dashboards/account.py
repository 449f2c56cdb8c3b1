"""An AWS account with the bucket and the two tables that serving pods need, and nothing else of the stack."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from contract import access, registry
from localcloud.graph import Graph
from localcloud.moto_server import MotoServer
from localcloud.world import LocalWorld

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION = "us-east-1"
_BUCKET, _DEPLOYMENTS, _KEYS = "models", "deployments", "api-keys"


class _Index(NamedTuple):
    name: str
    hash_key: str


_BY_STATUS = _Index(registry.STATUS_INDEX, registry.STATUS_ATTRIBUTE)
_BY_USER = _Index(access.USER_INDEX, access.USER_INDEX_HASH_KEY)


@contextmanager
def account() -> Generator[LocalWorld]:
    """Raises ServerFailed. What lies in it is gone afterwards."""
    exports = {
        "regions": [REGION],
        "models_buckets": {REGION: _BUCKET},
        "deployments_table": _DEPLOYMENTS,
        "api_keys_table": _KEYS,
    }
    with MotoServer() as server:
        world = LocalWorld(server.endpoint, Graph(stack="dashboards", nodes=(), invokes=(), exports=exports))
        world.s3().create_bucket(Bucket=_BUCKET)
        dynamodb = world.dynamodb()
        _create(dynamodb, _DEPLOYMENTS, [registry.HASH_KEY, registry.RANGE_KEY], _BY_STATUS)
        _create(dynamodb, _KEYS, [access.HASH_KEY], _BY_USER)
        yield world


def _create(dynamodb: DynamoDBClient, table: str, keys: Sequence[str], index: _Index) -> None:
    """The first key is the hash key, the second the range key."""
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in (*keys, index.hash_key)],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index.name,
                "KeySchema": [{"AttributeName": index.hash_key, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
