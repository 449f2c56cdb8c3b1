"""What was said already, in the table, so that several controllers say it once.

Whoever wants to say something claims it for a while, and marks it as said afterwards. One that dies in between leaves
a claim that runs out, and it is said again: at least once, and twice only after a crash or while the table is away.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from contract import registry
from ops.table import made

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CLAIM_SECONDS = 180
"""Longer than any sending takes, a client's own retries and timeouts included."""
KEPT_SECONDS = 7 * 24 * 3600

_CLAIM, _UNTIL = "claim", "claimed_until"
_SAID = "said"
_NAMES = {"#claim": _CLAIM, "#until": _UNTIL, "#ttl": registry.TTL_ATTRIBUTE}


class Said:
    """One tenant's memory; all methods raise botocore's errors."""

    def __init__(
        self, dynamodb: DynamoDBClient, table: str, tenant: str, *, now: Callable[[], float] = time.time
    ) -> None:
        """`now`: seconds since 1970."""
        self._dynamodb = dynamodb
        self._table = table
        self._tenant = tenant
        self._now = now

    def claim(self, key: str) -> str | None:
        """A claim to say it; None where it was said, or another has claimed it."""
        claim = uuid.uuid4().hex
        now = int(self._now())
        put = partial(
            self._dynamodb.put_item,
            TableName=self._table,
            Item=self._item(key, claim, now + CLAIM_SECONDS, now),
            # What is past its time may lie there for two more days before DynamoDB deletes it.
            ConditionExpression="attribute_not_exists(#claim) OR #ttl < :now OR (#claim <> :said AND #until < :now)",
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues={":now": {"N": str(now)}, ":said": {"S": _SAID}},
        )
        return claim if made(put) else None

    def mark(self, key: str) -> None:
        """It was said, by whomever."""
        now = int(self._now())
        self._dynamodb.put_item(TableName=self._table, Item=self._item(key, _SAID, now, now))

    def give_up(self, key: str, claim: str) -> None:
        """It could not be said: another may try at once."""
        made(
            partial(
                self._dynamodb.delete_item,
                TableName=self._table,
                Key=registry.notice(self._tenant, key).item,
                ConditionExpression="#claim = :claim",
                ExpressionAttributeNames={"#claim": _CLAIM},
                ExpressionAttributeValues={":claim": {"S": claim}},
            )
        )

    def _item(self, key: str, claim: str, until: int, now: int) -> dict[str, Any]:
        return {
            **registry.notice(self._tenant, key).item,
            _CLAIM: {"S": claim},
            _UNTIL: {"N": str(until)},
            registry.TTL_ATTRIBUTE: {"N": str(now + KEPT_SECONDS)},
        }
