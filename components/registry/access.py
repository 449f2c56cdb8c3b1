"""The IAM statements of the pods that read API keys, and follow deployments."""

from __future__ import annotations

from typing import Any

import pulumi

from contract import registry


def reader_statements(*, table_arn: pulumi.Input[str], key_arn: pulumi.Input[str], region: str) -> list[dict[str, Any]]:
    """Lets a serving pod read the whole table of its region, which is how it follows it, and nothing else of it.

    Who reads a table under a key of our own needs that key too.
    """
    return [
        {"Sid": "ReadApiKeys", "Effect": "Allow", "Action": ["dynamodb:Scan"], "Resource": [table_arn]},
        _decrypt("DecryptApiKeys", key_arn, region),
    ]


def follower_statements(
    *, table_arn: pulumi.Input[str], key_arn: pulumi.Input[str], region: str
) -> list[dict[str, Any]]:
    """Lets a serving pod read the deployments by their names, and write nothing but reports of what it holds."""
    return [
        {"Sid": "ReadDeployments", "Effect": "Allow", "Action": ["dynamodb:BatchGetItem"], "Resource": [table_arn]},
        {
            "Sid": "ReportToDeployments",
            "Effect": "Allow",
            "Action": ["dynamodb:PutItem", "dynamodb:DeleteItem"],
            "Resource": [table_arn],
            "Condition": {
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"{registry.REPORTS_PREFIX}*"]},
                # Of no keys at all the condition above holds as well (IAM user guide, "Multivalued context keys").
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        },
        _decrypt("DecryptDeployments", key_arn, region),
    ]


def _decrypt(sid: str, key_arn: pulumi.Input[str], region: str) -> dict[str, Any]:
    """Through DynamoDB alone."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": ["kms:Decrypt"],
        "Resource": [key_arn],
        "Condition": {"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}},
    }
