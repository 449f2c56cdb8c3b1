"""Statements of bucket policies that hold for every bucket: TLS only, and only our key.

Who may write logs into a bucket is in `log_delivery`; who may read models is in the roles' own policies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from infra import documents

MINIMUM_TLS_VERSION = "1.2"

Statement = Mapping[str, Any]


def arn_of(bucket_name: str) -> str:
    """ARN of a bucket. It follows from the name, so policies are complete in a preview and testable by value."""
    return f"arn:aws:s3:::{bucket_name}"


def objects_in(bucket_arn: str) -> str:
    """The resource that stands for every object of a bucket."""
    return f"{bucket_arn}/*"


def bucket_policy(
    bucket_arn: str, statements: Sequence[Statement], key_arn: pulumi.Input[str] | None = None
) -> dict[str, Any]:
    """The whole document of a bucket: what every bucket refuses, then `statements`.

    With `key_arn`, uploads under any other key are refused too. The ARN may be an Output: serialise the
    document with `pulumi.Output.json_dumps`.
    """
    encryption = [] if key_arn is None else refuse_other_encryption(bucket_arn, key_arn)
    return documents.policy([refuse_plain_http(bucket_arn), refuse_old_tls(bucket_arn), *encryption, *statements])


def refuse_plain_http(bucket_arn: str) -> Statement:
    return _refuse_everything(bucket_arn, "RefusePlainHttp", {"Bool": {"aws:SecureTransport": "false"}})


def refuse_old_tls(bucket_arn: str) -> Statement:
    return _refuse_everything(bucket_arn, "RefuseOldTls", {"NumericLessThan": {"s3:TlsVersion": MINIMUM_TLS_VERSION}})


def refuse_other_encryption(bucket_arn: str, key_arn: pulumi.Input[str]) -> list[Statement]:
    """Uploads may name our key by its ARN, or name nothing and get it as the bucket's default.

    A header that is absent also satisfies a negated condition, hence the `Null` beside each one. The third
    statement is needed because S3 takes the AWS managed key, not the bucket's default, when a caller asks for
    `aws:kms` without a key (Amazon S3 API reference, PutObject, x-amz-server-side-encryption-aws-kms-key-id).
    """
    algorithm, key_id = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
    customer_key = "s3:x-amz-server-side-encryption-customer-algorithm"
    conditions: dict[str, Mapping[str, Any]] = {
        "RefuseOtherAlgorithms": {"StringNotEquals": {algorithm: "aws:kms"}, "Null": {algorithm: "false"}},
        "RefuseOtherKeys": {"StringNotEquals": {key_id: key_arn}, "Null": {key_id: "false"}},
        "RefuseManagedKey": {"StringEquals": {algorithm: "aws:kms"}, "Null": {key_id: "true"}},
        # Objects under a key that the caller keeps cannot be read by us once the caller is gone.
        "RefuseCustomerProvidedKeys": {"Null": {customer_key: "false"}},
    }
    return [
        {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": objects_in(bucket_arn),
            "Condition": condition,
        }
        for sid, condition in conditions.items()
    ]


def _refuse_everything(bucket_arn: str, sid: str, condition: Mapping[str, Any]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Deny",
        # A refusal is the safer the wider it is: everyone, every action.
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, objects_in(bucket_arn)],
        "Condition": condition,
    }
