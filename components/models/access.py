"""The IAM statements of who reads models."""

from __future__ import annotations

from typing import Any

import pulumi

from contract import objects


def reader_statements(
    *, bucket_arn: pulumi.Input[str], key_arn: pulumi.Input[str], model_name: str, region: str
) -> list[dict[str, Any]]:
    """Lets a serving pod list and read the versions of one model, and decrypt what S3 hands it, and nothing else."""
    prefix = objects.model_prefix(model_name)
    return [
        {
            "Sid": "ListVersions",
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [bucket_arn],
            "Condition": {"StringLike": {"s3:prefix": [prefix, f"{prefix}*"]}},
        },
        {
            "Sid": "ReadVersions",
            "Effect": "Allow",
            "Action": ["s3:GetObject"],
            "Resource": [pulumi.Output.concat(bucket_arn, "/", prefix, "*")],
        },
        {
            "Sid": "Decrypt",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [key_arn],
            "Condition": {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
        },
    ]
