"""Who may publish to the topic that the health alarms notify."""

from __future__ import annotations

from typing import Any

import pulumi

from infra import documents


def topic_policy(topic_arn: pulumi.Input[str], account_id: str, region: str) -> dict[str, Any]:
    """CloudWatch may publish for alarms of this account and region, and nobody over plain HTTP."""
    return documents.policy(
        [
            {
                "Sid": "AlarmsOfThisAccount",
                "Effect": "Allow",
                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account_id},
                    "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{region}:{account_id}:alarm:*"},
                },
            },
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                # A denial is meant for everybody.
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
        ]
    )
