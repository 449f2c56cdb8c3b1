"""API keys in the platform's table: made here, shown once, and kept as digests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from contract import access

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def issue(dynamodb: DynamoDBClient, table: str, *, user_id: str, scopes: Iterable[str], now: float) -> str:
    """A new key for these models, good as soon as pods have read the table again; `now` is Unix time.

    Raises InvalidRecord for a user or a scope that a key cannot have, or botocore's ClientError.
    """
    text, record = access.issue(user_id=user_id, scopes=scopes, now=now)
    dynamodb.put_item(
        TableName=table,
        Item=access.to_item(record),
        # Ids are random: should one come twice, the key that has it stays good.
        ConditionExpression=f"attribute_not_exists({access.HASH_KEY})",
    )
    return text
