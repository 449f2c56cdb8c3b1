"""Which one of several controllers acts for a deployment: a lease with a number that only grows.

Nobody's clock decides. A lease counts as abandoned when whoever wants it has watched it unchanged for its whole length,
by its own monotonic clock. A holder that was asleep meanwhile cannot do harm: each of its writes names its number.
"""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from contract import registry
from ops.table import made

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SECONDS = 15.0
"""A holder renews well before; another waits as long without a renewal before it takes over."""
RENEW_SECONDS = 5.0

_HOLDER, _TOKEN, _RENEWALS = "holder", "token", "renewals"


class Lease:
    """Held since `acquire` returned it, until somebody else has taken it."""

    def __init__(self, key: registry.Key, holder: str, token: int) -> None:
        self.key = key
        self.holder = holder
        self.token = token
        """Of all the leases that were ever held for the deployment, the highest is the one that counts."""


class Leases:
    """The leases of one tenant's deployments."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        table: str,
        tenant: str,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._tenant = tenant
        self._seconds = seconds
        self._clock = clock
        self._watched: dict[str, tuple[tuple[int, int], float]] = {}
        """By deployment: what was seen last, and since when it has stayed so."""

    def acquire(self, deployment_id: str, holder: str | None = None) -> Lease | None:
        """Take the lease if it is free or was given up or abandoned; otherwise None, and ask again in a while."""
        key = registry.lease(self._tenant, deployment_id)
        found = self._dynamodb.get_item(TableName=self._table, Key=key.item, ConsistentRead=True).get("Item")
        name = holder or f"controller-{uuid.uuid4().hex[:12]}"
        if found is None:
            return self._take(key, name, before=None)
        seen = (_number(found, _TOKEN), _number(found, _RENEWALS))
        if not found[_HOLDER].get("S"):
            return self._take(key, name, before=seen)
        last, since = self._watched.get(deployment_id, (None, 0.0))
        now = self._clock()
        if seen != last:
            self._watched[deployment_id] = (seen, now)
            return None
        return self._take(key, name, before=seen) if now - since >= self._seconds else None

    def renew(self, lease: Lease) -> bool:
        """Say that the holder is alive; False where another has the lease."""
        return self._update(
            lease,
            UpdateExpression="ADD #renewals :one",
            ExpressionAttributeNames={"#renewals": _RENEWALS},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    def release(self, lease: Lease) -> bool:
        """Give the lease up, so that nobody has to wait for it; False where another has it."""
        return self._update(
            lease,
            UpdateExpression="SET #holder = :nobody",
            ExpressionAttributeNames={"#holder": _HOLDER},
            ExpressionAttributeValues={":nobody": {"S": ""}},
        )

    def _take(self, key: registry.Key, holder: str, before: tuple[int, int] | None) -> Lease | None:
        token = 1 if before is None else before[0] + 1
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(#token)"}
        if before is not None:
            condition = {
                "ConditionExpression": "#token = :token AND #renewals = :renewals",
                "ExpressionAttributeValues": {":token": {"N": str(before[0])}, ":renewals": {"N": str(before[1])}},
            }
        names = {"#token": _TOKEN} if before is None else {"#token": _TOKEN, "#renewals": _RENEWALS}
        item = {**key.item, _HOLDER: {"S": holder}, _TOKEN: {"N": str(token)}, _RENEWALS: {"N": "0"}}
        put = functools.partial(
            self._dynamodb.put_item, TableName=self._table, Item=item, ExpressionAttributeNames=names, **condition
        )
        return Lease(key, holder, token) if made(put) else None

    def _update(self, lease: Lease, **update: Any) -> bool:
        held = held_condition(self._table, lease)
        for part in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            held[part] |= update.pop(part)
        return made(functools.partial(self._dynamodb.update_item, **held, **update))


def held_condition(table: str, lease: Lease) -> dict[str, Any]:
    """What a write is bound to that only the holder may make."""
    return {
        "TableName": table,
        "Key": lease.key.item,
        "ConditionExpression": "#token = :mine AND #holder = :me",
        "ExpressionAttributeNames": {"#token": _TOKEN, "#holder": _HOLDER},
        "ExpressionAttributeValues": {":mine": {"N": str(lease.token)}, ":me": {"S": lease.holder}},
    }


def _number(item: Any, name: str) -> int:
    return int(item[name]["N"])
