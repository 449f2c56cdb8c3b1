"""The IAM statements of who reads API keys."""

from __future__ import annotations

from typing import Any

import pulumi


def reader_statements(*, table_arn: pulumi.Input[str], key_arn: pulumi.Input[str], region: str) -> list[dict[str, Any]]:
    """Lets a serving pod read the whole table of its region, which is how it follows it, and nothing else of it.

    Who reads a table under a key of our own needs that key too.
    """
    return [
        {"Sid": "ReadApiKeys", "Effect": "Allow", "Action": ["dynamodb:Scan"], "Resource": [table_arn]},
        {
            "Sid": "DecryptApiKeys",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [key_arn],
            "Condition": {"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}},
        },
    ]
