"""Who may read the front end's bucket and use its key, and who may deliver the edge's access logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from components.keys.policies import ADMINISTRATION, CRYPTOGRAPHY, THIS_KEY, Scope
from components.models.policies import Statement, objects_in
from infra import documents

CLOUDFRONT = "cloudfront.amazonaws.com"
LOG_DELIVERY = "delivery.logs.amazonaws.com"


def distribution_reads(bucket_arn: str, distribution_arn: pulumi.Input[str]) -> Statement:
    """The distribution may fetch objects. It may not list: a missing file answers 403, and names stay unknown."""
    return {
        "Sid": "DistributionReads",
        "Effect": "Allow",
        "Principal": {"Service": CLOUDFRONT},
        "Action": "s3:GetObject",
        "Resource": objects_in(bucket_arn),
        "Condition": {"StringEquals": {"AWS:SourceArn": distribution_arn}},
    }


def static_key_policy(scope: Scope, distribution_arn: pulumi.Input[str]) -> dict[str, Any]:
    """IAM decides who administers the key and who uses it, through S3 only; the distribution may decrypt with it."""
    account = {"AWS": f"arn:aws:iam::{scope.account_id}:root"}
    via_s3 = {"StringEquals": {"kms:ViaService": f"s3.{scope.region}.amazonaws.com"}}
    return documents.policy(
        [
            # Without it nobody could change the key any more, not even delete it.
            _key_statement("AdministrationByIam", account, ADMINISTRATION),
            _key_statement("UseThroughServicesByIam", account, CRYPTOGRAPHY, via_s3),
            # CloudFront developer guide, "Restrict access to an Amazon S3 origin", on SSE-KMS.
            _key_statement(
                "DistributionDecrypts",
                {"Service": CLOUDFRONT},
                ("kms:Decrypt",),
                {"StringEquals": {"AWS:SourceArn": distribution_arn}},
            ),
        ]
    )


def _key_statement(
    sid: str, principal: Mapping[str, str], actions: Sequence[str], condition: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions),
        "Resource": THIS_KEY,
    }
    return statement if condition is None else {**statement, "Condition": condition}


def access_log_delivery(
    bucket_arn: str, prefix: str, account_id: str, source_region: str, source_name: str
) -> Statement:
    """What the bucket of access logs has to allow before a delivery to `prefix` can be made.

    The names are plain, so the bucket's owner can write it before the delivery source exists.
    """
    return {
        "Sid": "EdgeAccessLogDelivery",
        "Effect": "Allow",
        "Principal": {"Service": LOG_DELIVERY},
        "Action": "s3:PutObject",
        "Resource": f"{bucket_arn}/{prefix}/*",
        "Condition": {
            "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceAccount": account_id},
            "ArnLike": {"aws:SourceArn": f"arn:aws:logs:{source_region}:{account_id}:delivery-source:{source_name}"},
        },
    }
