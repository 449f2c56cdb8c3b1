"""Deployments in the table: read, and changed one revision at a time, each change with its entry in the history.

A change is one transaction: the record as it was read, its history's next entry and, for a controller, its lease. Who
lost a race reads again and decides anew, so no change is lost and none is made on what is no longer so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from contract import deployment as documents
from contract import registry
from contract.deployment import Change, Deployment, Report, Status
from ops.rollout.lease import Lease, held_condition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ATTEMPTS = 200
"""At a hundred conflicting writers a write is still made; past this many something else is wrong."""
_LONGEST_PAUSE_SECONDS = 0.2


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
        items = self._query(self.tenant) if status is None else self._by_status(status)
        for item in items:
            yield _read(item, Deployment)

    def create(self, new: Deployment, *, action: str, reason: str) -> Deployment:
        """Write a first record; raise DeploymentExists."""
        first = self._stamped(new, 1)
        try:
            self._write(first, action=action, reason=reason, replaces=None, lease=None)
        except RecordConflict:
            raise DeploymentExists(
                f"deployment {first.deployment_id!r} of {self.tenant} exists: change it instead"
            ) from None
        return first

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
        Raises LeaseLost where a lease was given that is no longer held, and RecordConflict after many tries.
        """
        for attempt in range(ATTEMPTS):
            before = self.get(deployment_id)
            made = make(before)
            if made == before:
                return before
            after = self._stamped(made, before.revision + 1, by)
            try:
                self._write(after, action=action, reason=reason, replaces=before.revision, lease=lease, noted=noted)
            except RecordConflict:
                self._pause(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.002 * 2 ** min(attempt, 10))))
                continue
            return after
        raise RecordConflict(
            f"deployment {deployment_id!r} was changed by others at each of {ATTEMPTS} tries: see its history, then "
            "try again"
        )

    def history(self, deployment_id: str, *, most: int | None = None) -> Iterator[Change]:
        """The newest first."""
        items = self._query(registry.history(self.tenant, deployment_id, 0).hash, newest_first=True)
        for number, item in enumerate(items):
            if most is not None and number >= most:
                return
            yield _read(item, Change)

    def reports(self, deployment_id: str) -> list[Report]:
        """What workers said last, also those that have ended since: see `at`."""
        found = self._query(registry.report(self.tenant, deployment_id, "", "", 0).hash)
        return [_read(item, Report) for item in found]

    def _stamped(self, made: Deployment, revision: int, by: str | None = None) -> Deployment:
        changes: dict[str, Any] = {"revision": revision, "changed_at": self._now(), "tenant": self.tenant}
        if by is not None:
            changes["changed_by"] = by
        return documents.replace(made, **changes)

    def _write(
        self,
        after: Deployment,
        *,
        action: str,
        reason: str,
        replaces: int | None,
        lease: Lease | None,
        noted: bool = True,
    ) -> None:
        entry = Change(
            revision=after.revision,
            at=after.changed_at,
            by=after.changed_by,
            action=action,
            reason=reason,
            stable=after.stable,
            weights=after.weights,
            shadow=after.shadow,
        )
        put: dict[str, Any] = {"TableName": self._table, "Item": _item(after)}
        if replaces is None:
            put["ConditionExpression"] = "attribute_not_exists(#hash)"
            put["ExpressionAttributeNames"] = {"#hash": registry.HASH_KEY}
        else:
            put["ConditionExpression"] = "#revision = :before"
            put["ExpressionAttributeNames"] = {"#revision": registry.REVISION_ATTRIBUTE}
            put["ExpressionAttributeValues"] = {":before": {"N": str(replaces)}}
        key = registry.history(self.tenant, after.deployment_id, after.revision)
        noting = {
            "TableName": self._table,
            "Item": {**key.item, registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(entry).decode()}},
            "ConditionExpression": "attribute_not_exists(#hash)",
            "ExpressionAttributeNames": {"#hash": registry.HASH_KEY},
        }
        writes: list[Any] = [{"Put": put}, *([{"Put": noting}] if noted else [])]
        if lease is not None:
            writes.append({"ConditionCheck": held_condition(self._table, lease)})
        try:
            self._dynamodb.transact_write_items(TransactItems=writes)
        except ClientError as error:
            reasons = _reasons(error)
            if not reasons:
                raise
            # The lease is the last of the items, and DynamoDB gives its reasons in their order.
            if lease is not None and reasons[-1] == _FAILED:
                raise LeaseLost(f"another controller has taken over the deployment {after.deployment_id!r}") from None
            raise RecordConflict(after.deployment_id) from None

    def _query(self, hash_key: str, *, newest_first: bool = False) -> Iterator[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="#hash = :hash",
            ExpressionAttributeNames={"#hash": registry.HASH_KEY},
            ExpressionAttributeValues={":hash": {"S": hash_key}},
            ConsistentRead=True,
            ScanIndexForward=not newest_first,
        )
        for page in pages:
            yield from page["Items"]

    def _by_status(self, status: Status) -> Iterator[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=registry.STATUS_INDEX,
            KeyConditionExpression="#status = :status",
            ExpressionAttributeNames={"#status": registry.STATUS_ATTRIBUTE},
            ExpressionAttributeValues={":status": {"S": status.value}},
        )
        for page in pages:
            yield from (item for item in page["Items"] if item[registry.HASH_KEY].get("S") == self.tenant)


_FAILED = "ConditionalCheckFailed"
# Another transaction was at work on one of the items: as good as a failed condition, since the record was changed.
_RACED = "TransactionConflict"


def _reasons(error: ClientError) -> list[str]:
    """Why a transaction was cancelled, by its items, if that was for who came first; otherwise empty."""
    response: Any = error.response
    if response.get("Error", {}).get("Code") != "TransactionCanceledException":
        return []
    reasons = [str(reason.get("Code", "None")) for reason in response.get("CancellationReasons", [])]
    return reasons if any(reason in (_FAILED, _RACED) for reason in reasons) else []


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
