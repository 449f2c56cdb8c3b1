"""What neither an export nor a deletion reaches, and how long it lasts: backups, logs, caches.

Figures that an environment can set are read from the account.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from contract.retention import BACKUPS_KEPT, POINT_IN_TIME_RECOVERY_DAYS
from contract.service import ENV_RESPONSE_CACHE, ENV_RESPONSE_CACHE_SECONDS
from ops.access.buckets import UserObjects
from ops.access.report import Elsewhere
from ops.platform import Platform
from serving.cache.settings import DEFAULT_SECONDS, MOST_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_SETTINGS = "after it was written (see docs/reference/settings.md)"


def elsewhere(platform: Platform, buckets: list[UserObjects]) -> Iterator[Elsewhere]:
    """Raises botocore's errors."""
    for table in (platform.outputs.api_keys_table, platform.outputs.deployments_table):
        yield _recovery(platform.dynamodb, table)
    kept = ", ".join(f"{often} for {length}" for often, length in BACKUPS_KEPT.items())
    yield Elsewhere(
        what="backups in both regions",
        holds="tables and buckets as they were; after a restore the deletion is to be repeated",
        until=kept,
    )
    for objects in buckets:
        days = objects.noncurrent_days()
        yield Elsewhere(
            what=f"overwritten and deleted versions in the bucket {objects.bucket}",
            holds="of this user only what the report lists as kept",
            until="deleted by hand" if days is None else f"{days} days after it was overwritten or deleted",
        )
    yield Elsewhere(
        what="response cache (Redis and the memory of pods)",
        holds="answers under a digest of model, version and request: nothing in it says whose they are",
        until=f"off, unless {ENV_RESPONSE_CACHE} is set; then {ENV_RESPONSE_CACHE_SECONDS}, {DEFAULT_SECONDS} s unless "
        f"set and at most {MOST_SECONDS} s",
    )
    yield Elsewhere(
        what="logs, metrics and traces of the service",
        holds="no personal data by design: neither users' ids, keys' secrets nor feature values are written",
        until="nothing to delete",
    )
    yield Elsewhere(
        what="audit logs",
        holds="names of objects, which hold the user's id, and keys' ids; locked against deletion where the lock is on",
        until=f"storage.audit_retention_days {_SETTINGS}",
    )
    yield Elsewhere(
        what="access logs of buckets, load balancers and the CDN, and logs of the firewall",
        holds="names of objects, callers' addresses",
        until=f"storage.access_log_retention_days and edge.waf_log_retention_days {_SETTINGS}",
    )
    yield Elsewhere(
        what="feature store, data sets outside the users' prefix, models trained on them",
        holds="nothing that the platform knows a user's id of; not searched",
        until="deleted at their source, and with the next training",
    )


def _recovery(dynamodb: DynamoDBClient, table: str) -> Elsewhere:
    described: Any = dynamodb.describe_continuous_backups(TableName=table)
    recovery: Any = described["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    days = recovery.get("RecoveryPeriodInDays", POINT_IN_TIME_RECOVERY_DAYS)
    is_on = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
    return Elsewhere(
        what=f"point-in-time recovery of the table {table}, in each region",
        holds="the table as it was at any second",
        until=f"{days} days" if is_on else "switched off",
    )
