"""What the canary controller may do in AWS: follow and change deployments, and tell of a canary's end."""

from __future__ import annotations

from typing import Any

import pulumi

from contract import registry
from contract.deployment import DEFAULT_TENANT

_ANY = "*"
_TENANT = DEFAULT_TENANT
_RECORDS = registry.deployment(_TENANT, _ANY).hash
_HISTORY = registry.history(_TENANT, _ANY, 0).hash
_LEASES = registry.lease(_TENANT, _ANY).hash
_NOTICES = registry.notice(_TENANT, _ANY).hash
_REPORTS = registry.report(_TENANT, _ANY, _ANY, _ANY, 0).hash

_ITEMS = (
    ("ReadDeployments", ("dynamodb:GetItem",), (_RECORDS, _LEASES)),
    ("ListDeployments", ("dynamodb:Query",), (_RECORDS, _HISTORY, _REPORTS)),
    ("ChangeDeployments", ("dynamodb:PutItem",), (_RECORDS, _HISTORY, _LEASES, _NOTICES)),
    # A transaction takes the rights of its parts (DynamoDB Developer Guide, "Using IAM with DynamoDB transactions").
    ("HoldLeases", ("dynamodb:UpdateItem", "dynamodb:ConditionCheckItem"), (_LEASES,)),
    ("GiveUpNotices", ("dynamodb:DeleteItem",), (_NOTICES,)),
)


def statements(
    *,
    table_arn: pulumi.Input[str],
    table_key_arn: pulumi.Input[str],
    topic_arn: pulumi.Input[str],
    topic_key_arn: pulumi.Input[str],
    region: str,
) -> list[dict[str, Any]]:
    """On the table of the region that writes, by kinds of items: no API key, no version and no report can be written.

    The index knows no other items than deployments. Who reads or publishes under a key of ours needs that key too
    (Amazon SNS Developer Guide, "Managing Amazon SNS encryption keys and costs").
    """
    index = pulumi.Output.concat(table_arn, "/index/", registry.STATUS_INDEX)
    return [
        *(_on_items(sid, actions, keys, table_arn) for sid, actions, keys in _ITEMS),
        {"Sid": "FindCanaries", "Effect": "Allow", "Action": ["dynamodb:Query"], "Resource": [index]},
        _key("DecryptDeployments", ["kms:Decrypt"], table_key_arn, f"dynamodb.{region}.amazonaws.com"),
        {"Sid": "TellOfCanaries", "Effect": "Allow", "Action": ["sns:Publish"], "Resource": [topic_arn]},
        _key("UseTopicKey", ["kms:Decrypt", "kms:GenerateDataKey"], topic_key_arn, f"sns.{region}.amazonaws.com"),
    ]


def _on_items(
    sid: str, actions: tuple[str, ...], hash_keys: tuple[str, ...], table_arn: pulumi.Input[str]
) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": [table_arn],
        "Condition": {
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(hash_keys)},
            # Of no keys at all the condition above holds as well (IAM user guide, "Multivalued context keys").
            "Null": {"dynamodb:LeadingKeys": "false"},
        },
    }


def _key(sid: str, actions: list[str], key_arn: pulumi.Input[str], through: str) -> dict[str, Any]:
    """Through one service alone."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": [key_arn],
        "Condition": {"StringEquals": {"kms:ViaService": through}},
    }
