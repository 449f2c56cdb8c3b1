"""Deployments in the table: read, and changed one revision at a time, each change with its entry in the history.

A change is one transaction: the record as it was read, its history's next entry, the records of versions that it names
anew and, for a controller, its lease. Who lost a race reads again and decides anew, so no change is lost and none is
made on what is no longer so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contract import deployment as documents
from contract import registry
from contract.deployment import Change, Deployment, Report, Status
from ops.aws_errors import cancellation_reasons
from ops.rollout.lease import Lease, held_condition
from ops.rollout.withdrawal import as_read
from ops.table import query, tries

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ATTEMPTS = 200
"""At a hundred conflicting writers a write is still made; past this many something else is wrong."""


class RecordConflict(RuntimeError):
    """Others changed the deployment each time between the reading and the writing."""


class NoDeployment(LookupError):
    """There is no such deployment."""


class DeploymentExists(ValueError):
    """There is one of that name already."""


class LeaseLost(RuntimeError):
    """Another controller acts for the deployment now: whoever meets this has no more to do there."""


class Records:
    """One tenant's deployments."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        table: str,
        tenant: str = documents.DEFAULT_TENANT,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.tenant = tenant
        self._dynamodb = dynamodb
        self._table = table
        self._now = now
        self._pause = pause

    def get(self, deployment_id: str) -> Deployment:
        """As it is now; raise NoDeployment, InvalidDeployment, or botocore's errors."""
        found = self._dynamodb.get_item(
            TableName=self._table, Key=registry.deployment(self.tenant, deployment_id).item, ConsistentRead=True
        ).get("Item")
        if found is None:
            raise NoDeployment(
                f"there is no deployment {deployment_id!r} of {self.tenant}: make one with `serveml deployment create`"
            )
        return _read(found, Deployment)

    def all(self, status: Status | None = None) -> Iterator[Deployment]:
        """The tenant's deployments by name; those of a status come from the index, which may lag by a moment."""
        for item in self._of_tenant() if status is None else self._by_status(status):
            yield _read(item, Deployment)

    def create(self, new: Deployment, *, action: str, reason: str) -> Deployment:
        """Write a first record; raise DeploymentExists or VersionWithdrawn, and RecordConflict after many tries."""
        first = self._stamped(new, 1)
        for _ in tries(ATTEMPTS, self._pause):
            if self._written(None, first, action=action, reason=reason, lease=None):
                return first
        raise _overtaken(first.deployment_id)

    def change(
        self,
        deployment_id: str,
        make: Callable[[Deployment], Deployment],
        *,
        by: str,
        action: str,
        reason: str,
        lease: Lease | None = None,
        noted: bool = True,
    ) -> Deployment:
        """Write what `make` makes of the record, and return it.

        Without `noted` the history gets no entry: for what only the controller's figures change.
        `make` is called anew on each conflict, and may refuse by raising. What it returns unchanged is not written.
        Raises LeaseLost where a lease was given that is no longer held, VersionWithdrawn where it would name such a
        version that the deployment did not name before, and RecordConflict after many tries.
        """
        for _ in tries(ATTEMPTS, self._pause):
            before = self.get(deployment_id)
            made = make(before)
            if made == before:
                return before
            after = self._stamped(made, before.revision + 1, by)
            if self._written(before, after, action=action, reason=reason, lease=lease, noted=noted):
                return after
        raise _overtaken(deployment_id)

    def history(self, deployment_id: str, *, most: int | None = None) -> Iterator[Change]:
        """The newest first."""
        key = registry.history(self.tenant, deployment_id, 0).hash
        items = query(self._dynamodb, self._table, registry.HASH_KEY, key, newest_first=True)
        for number, item in enumerate(items):
            if most is not None and number >= most:
                return
            yield _read(item, Change)

    def reports(self, deployment_id: str) -> list[Report]:
        """What workers said last, also those that have ended since: see `at`."""
        key = registry.report(self.tenant, deployment_id, "", "", 0).hash
        return [_read(item, Report) for item in query(self._dynamodb, self._table, registry.HASH_KEY, key)]

    def _stamped(self, made: Deployment, revision: int, by: str | None = None) -> Deployment:
        changes: dict[str, Any] = {"revision": revision, "changed_at": self._now(), "tenant": self.tenant}
        if by is not None:
            changes["changed_by"] = by
        return documents.replace(made, **changes)

    def _written(
        self,
        before: Deployment | None,
        after: Deployment,
        *,
        action: str,
        reason: str,
        lease: Lease | None,
        noted: bool = True,
    ) -> bool:
        """False where others were faster: nothing was written, and what was read may be so no longer."""
        put: dict[str, Any] = {"TableName": self._table, "Item": _item(after)}
        if before is None:
            put["ConditionExpression"] = "attribute_not_exists(#hash)"
            put["ExpressionAttributeNames"] = {"#hash": registry.HASH_KEY}
        else:
            put["ConditionExpression"] = "#revision = :before"
            put["ExpressionAttributeNames"] = {"#revision": registry.REVISION_ATTRIBUTE}
            put["ExpressionAttributeValues"] = {":before": {"N": str(before.revision)}}
        own: list[Any] = [{"Put": put}]
        if noted:
            own.append({"Put": self._entry(after, action, reason)})
        conditions = self._versions_as_read(before, after)
        if lease is not None:
            conditions.append(held_condition(self._table, lease))
        checks: list[Any] = [{"ConditionCheck": condition} for condition in conditions]
        try:
            self._dynamodb.transact_write_items(TransactItems=[*own, *checks])
        except ClientError as error:
            reasons = cancellation_reasons(error)
            # DynamoDB gives them in the items' order, and a lost lease counts before a lost race.
            if lease is not None and reasons[-1:] == [_FAILED]:
                raise LeaseLost(f"another controller has taken over the deployment {after.deployment_id!r}") from None
            if before is None and _FAILED in reasons[: len(own)]:
                raise DeploymentExists(
                    f"deployment {after.deployment_id!r} of {self.tenant} exists: change it instead"
                ) from None
            if _FAILED not in reasons and _RACED not in reasons:
                raise
            return False
        return True

    def _entry(self, after: Deployment, action: str, reason: str) -> dict[str, Any]:
        change = Change(
            revision=after.revision,
            at=after.changed_at,
            by=after.changed_by,
            action=action,
            reason=reason,
            stable=after.stable,
            weights=after.weights,
            shadow=after.shadow,
        )
        key = registry.history(self.tenant, after.deployment_id, after.revision)
        return {
            "TableName": self._table,
            "Item": {**key.item, registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(change).decode()}},
            "ConditionExpression": "attribute_not_exists(#hash)",
            "ExpressionAttributeNames": {"#hash": registry.HASH_KEY},
        }

    def _versions_as_read(self, before: Deployment | None, after: Deployment) -> list[dict[str, Any]]:
        """Of what is named anew alone: what serves already must not be in the way of a rollback.

        A deployment names a dozen versions at most, and a transaction takes 100 items (API reference of
        TransactWriteItems).
        """
        named = () if before is None else before.versions
        return [
            as_read(self._dynamodb, self._table, after.model, version)
            for version in after.versions
            if version not in named
        ]

    def _of_tenant(self) -> Iterator[dict[str, Any]]:
        return query(self._dynamodb, self._table, registry.HASH_KEY, self.tenant)

    def _by_status(self, status: Status) -> Iterator[dict[str, Any]]:
        found = query(self._dynamodb, self._table, registry.STATUS_ATTRIBUTE, status.value, index=registry.STATUS_INDEX)
        return (item for item in found if item[registry.HASH_KEY].get("S") == self.tenant)


_FAILED = "ConditionalCheckFailed"
# Another transaction was at work on one of the items: as good as a failed condition, since something was changed.
_RACED = "TransactionConflict"


def _overtaken(deployment_id: str) -> RecordConflict:
    return RecordConflict(
        f"deployment {deployment_id!r} was changed by others at each of {ATTEMPTS} tries: see its history, then "
        "try again"
    )


def _item(record: Deployment) -> dict[str, Any]:
    return {
        **registry.deployment(record.tenant, record.deployment_id).item,
        registry.STATUS_ATTRIBUTE: {"S": record.status.value},
        registry.CREATED_AT_ATTRIBUTE: {"S": record.created_at.astimezone(UTC).isoformat()},
        registry.REVISION_ATTRIBUTE: {"N": str(record.revision)},
        registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(record).decode()},
    }


def _read(item: Any, kind: type[documents.T]) -> documents.T:
    return documents.decode(item[registry.DOCUMENT_ATTRIBUTE]["S"], kind)
