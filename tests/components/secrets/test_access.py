"""Who reads a secret may read that one, and use the key for it alone."""

from __future__ import annotations

from components.secrets.access import reader_statements

SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:serveml-test-euw1/ml-credentials-AbCdEf"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/data"

STATEMENTS = reader_statements(secret_arn=SECRET, key_arn=KEY, region="eu-west-1")


def test_reading_is_of_one_secret() -> None:
    assert [(entry["Action"], entry["Resource"]) for entry in STATEMENTS] == [
        (["secretsmanager:GetSecretValue"], [SECRET]),
        (["kms:Decrypt"], [KEY]),
    ]


def test_the_key_decrypts_no_other_secret_and_nothing_by_hand() -> None:
    assert STATEMENTS[1]["Condition"] == {
        "StringEquals": {
            "kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com",
            "kms:EncryptionContext:SecretARN": SECRET,
        }
    }
