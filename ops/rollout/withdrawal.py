"""Keeps a change from naming a version that is withdrawn in the same moment, as before its files are deleted.

Whoever withdraws looks at the deployments afterwards, so of the two one always learns of the other. What a version
needs besides before it may be given traffic is for `ops.models.requirements`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract import registry, versions
from contract.objects import Version
from ops.rollout.transitions import ChangeRefused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class VersionWithdrawn(ChangeRefused):
    """A version that the change would name was withdrawn, and its files may be gone."""


def as_read(dynamodb: DynamoDBClient, table: str, model: str, version: Version) -> dict[str, Any]:
    """What a transaction is bound to that names the version: its record stays as it is now, and that is not withdrawn.

    A version without a record, as on a laptop, stays without one. Raises VersionWithdrawn, InvalidVersionRecord, or
    botocore's errors.
    """
    key = registry.version(model, str(version)).item
    found: Any = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    if found is None:
        return {
            "TableName": table,
            "Key": key,
            "ConditionExpression": "attribute_not_exists(#hash)",
            "ExpressionAttributeNames": {"#hash": registry.HASH_KEY},
        }
    record = versions.decode(found[registry.DOCUMENT_ATTRIBUTE]["S"])
    if record.withdrawn is not None:
        raise VersionWithdrawn(
            f"{model} {version} may not be given traffic: {record.withdrawn.by} withdrew it "
            f"({record.withdrawn.reason}): name another version"
        )
    return {
        "TableName": table,
        "Key": key,
        "ConditionExpression": "#revision = :read",
        "ExpressionAttributeNames": {"#revision": registry.REVISION_ATTRIBUTE},
        "ExpressionAttributeValues": {":read": found[registry.REVISION_ATTRIBUTE]},
    }
