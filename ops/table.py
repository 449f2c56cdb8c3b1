"""How tables are read and written from the operators' side: page after page, under conditions, in bounded tries.

What lies in an item is for the modules that ask.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ops.aws_errors import CONDITION_FAILED, TRANSACTION_IN_THE_WAY, code_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.2
_DOUBLINGS = 10

_TRIES_OF_A_WRITE = 10
"""Transactions that look at one item are few and take milliseconds, no longer than the way to ask again."""


def query(
    dynamodb: DynamoDBClient,
    table: str,
    hash_key: str,
    value: str,
    *,
    index: str | None = None,
    newest_first: bool = False,
) -> Iterator[dict[str, Any]]:
    """The items under one hash key, consistently; or by an index, which may lag behind the table by a moment."""
    where: dict[str, Any] = {"ConsistentRead": True} if index is None else {"IndexName": index}
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#hash = :hash",
        ExpressionAttributeNames={"#hash": hash_key},
        ExpressionAttributeValues={":hash": {"S": value}},
        ScanIndexForward=not newest_first,
        **where,
    )
    for page in pages:
        yield from page["Items"]


def scan(dynamodb: DynamoDBClient, table: str, **chosen: Any) -> Iterator[dict[str, Any]]:
    """The items of the whole table, or those that Scan's parameters choose; consistently, so that none is missed."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True, **chosen):
        yield from page["Items"]


def made(write: Callable[[], object]) -> bool:
    """Make a conditional write; False where its condition does not hold.

    A write that meets somebody's transaction at its item is turned away for that moment, which says nothing of the
    condition: it is tried again.
    """
    for left in reversed(range(_TRIES_OF_A_WRITE)):
        try:
            write()
        except ClientError as error:
            code = code_of(error)
            if code == CONDITION_FAILED:
                return False
            if code != TRANSACTION_IN_THE_WAY or not left:
                raise
        else:
            return True
    return False


def tries(most: int, pause: Callable[[float], object]) -> Iterator[int]:
    """Counts tries of what others may overtake, and pauses after each for a random time that grows, but never long."""
    for attempt in range(most):
        yield attempt
        longest = _FIRST_PAUSE_SECONDS * 2 ** min(attempt, _DOUBLINGS)
        pause(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, longest)))
