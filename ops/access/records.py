"""Where the deployments table names a user: as the operator who did something, or as the tenant of a deployment.

Both are found and handed over, and neither is deleted: who changed what serves must stay on record, and a deployment
is what answers requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import msgspec

from contract import registry
from ops.access.report import HeldItem, HeldKind, Outcome
from ops.table import scan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_RECORD_OF_CHANGES = "it says who changed what serves, and a record of changes that can be changed proves nothing"
_SERVES = "it answers requests, and names a tenant, not a person"


@dataclass(frozen=True, kw_only=True)
class Mention:
    """An item of the report, and the document that it is about."""

    item: HeldItem
    document: Any


def mentions(dynamodb: DynamoDBClient, table: str, user_id: str) -> Iterator[Mention]:
    """Every item that names the user, by a consistent scan of the whole table; raises botocore's errors."""
    quoted = msgspec.json.encode(user_id).decode()
    found = scan(
        dynamodb,
        table,
        FilterExpression="contains(#document, :quoted) OR #hash = :user",
        ExpressionAttributeNames={"#document": registry.DOCUMENT_ATTRIBUTE, "#hash": registry.HASH_KEY},
        ExpressionAttributeValues={":quoted": {"S": quoted}, ":user": {"S": user_id}},
    )
    for item in found:
        hash_key, range_key = item[registry.HASH_KEY]["S"], item[registry.RANGE_KEY]["S"]
        document = _document(item)
        is_tenant = hash_key == user_id
        if is_tenant or _names(document, user_id):
            yield Mention(
                item=HeldItem(
                    kind=HeldKind.DEPLOYMENT if is_tenant else HeldKind.NAMED,
                    place=table,
                    name=f"{hash_key}/{range_key}",
                    outcome=Outcome.KEPT,
                    reason=_SERVES if is_tenant else _RECORD_OF_CHANGES,
                ),
                document=document,
            )


def _document(item: Any) -> Any:
    try:
        return msgspec.json.decode(item[registry.DOCUMENT_ATTRIBUTE]["S"])
    except (KeyError, msgspec.DecodeError):
        return None


def _names(value: object, user_id: str) -> bool:
    """Whether a field for persons, `by` or one that ends so, holds the id: a model may have the same name."""
    if isinstance(value, dict):
        fields = cast(dict[str, object], value)
        return any(
            inner == user_id if name == "by" or name.endswith("_by") else _names(inner, user_id)
            for name, inner in fields.items()
        )
    return isinstance(value, list) and any(_names(inner, user_id) for inner in cast(list[object], value))
