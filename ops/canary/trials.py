"""Which deployments have a canary, and whose canary a controller ended of late: by queries, never by reading the whole
table.

Only names are read here. A record that cannot be read is its own controller's trouble, and hides no other.
"""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from contract import registry
from contract.deployment import InvalidDeployment, Status
from ops.canary.actions import JUDGED
from ops.rollout.records import Records
from ops.table import query

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Trials:
    """One tenant's; every method raises botocore's errors."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, tenant: str) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._tenant = tenant

    def running(self) -> list[str]:
        """Deployments with a canary, the oldest deployment first. The index may lag behind the table by a moment."""
        found = query(
            self._dynamodb,
            self._table,
            registry.STATUS_ATTRIBUTE,
            Status.CANARY.value,
            index=registry.STATUS_INDEX,
        )
        return [item[registry.RANGE_KEY]["S"] for item in found if item[registry.HASH_KEY]["S"] == self._tenant]

    def judged(self, records: Records, since: datetime) -> list[str]:
        """Deployments whose history has a controller's verdict since then."""
        items = query(self._dynamodb, self._table, registry.HASH_KEY, self._tenant)
        names = [item[registry.RANGE_KEY]["S"] for item in items]
        return [name for name in names if _judged(records, name, since)]


def _judged(records: Records, name: str, since: datetime) -> bool:
    try:
        late = takewhile(lambda change: change.at >= since, records.history(name))
        return any(change.action in JUDGED for change in late)
    except InvalidDeployment:
        # Nobody could tell from it how the canary ended.
        return False
