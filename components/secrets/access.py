"""The AWS rights of whoever reads one secret."""

from __future__ import annotations

from typing import Any

import pulumi


def reader_statements(
    *, secret_arn: pulumi.Input[str], key_arn: pulumi.Input[str], region: str
) -> list[dict[str, Any]]:
    """Lets the value of this one secret be read, and decrypted for that alone.

    Nothing else is asked for where tags are not fetched (external-secrets v2.9.0, `constructSecretValue` in
    providers/v1/aws/secretsmanager/secretsmanager.go).
    """
    return [
        {"Sid": "ReadSecret", "Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [secret_arn]},
        {
            "Sid": "DecryptSecret",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [key_arn],
            "Condition": {
                "StringEquals": {
                    "kms:ViaService": f"secretsmanager.{region}.amazonaws.com",
                    # The key holds other secrets too (AWS Secrets Manager User Guide, "Secret encryption and
                    # decryption in AWS Secrets Manager", encryption context).
                    "kms:EncryptionContext:SecretARN": secret_arn,
                }
            },
        },
    ]
