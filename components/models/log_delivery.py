"""Statements that let AWS's log services write into our buckets, each for this account's own sources only.

Sources, all in AWS's documentation: "Amazon S3 bucket policy for CloudTrail" (CloudTrail), "Amazon S3 bucket
permissions for flow logs" (VPC), "Enable access logs for your Application Load Balancer" (Elastic Load Balancing),
"Permissions for log delivery" (S3 server access logging).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.models.policies import Statement, objects_in

CLOUDTRAIL = "cloudtrail.amazonaws.com"
LOG_DELIVERY = "delivery.logs.amazonaws.com"
LOAD_BALANCER_LOGS = "logdelivery.elasticloadbalancing.amazonaws.com"
S3_ACCESS_LOGS = "logging.s3.amazonaws.com"

_OWNER_HAS_FULL_CONTROL = {"s3:x-amz-acl": "bucket-owner-full-control"}
"""The ACL that CloudTrail and the flow logs set on what they write; their documentation asks for the condition."""


def trail(bucket_arn: str, account_id: str, name_prefix: str) -> list[Statement]:
    """Lets the trails of this account whose name begins with `name_prefix` and a hyphen write."""
    # The trail's home region may be another than the bucket's.
    source = f"arn:aws:cloudtrail:*:{account_id}:trail/{name_prefix}-*"
    return _checked_delivery("Trail", CLOUDTRAIL, bucket_arn, _folders(bucket_arn, account_id), account_id, source)


def flow_logs(bucket_arn: str, account_id: str, region: str) -> list[Statement]:
    """Lets this account's flow logs write, with plain folders or Hive's (`aws-account-id=…`)."""
    folders = [*_folders(bucket_arn, account_id), *_folders(bucket_arn, f"aws-account-id={account_id}")]
    source = f"arn:aws:logs:{region}:{account_id}:*"
    return _checked_delivery("FlowLogs", LOG_DELIVERY, bucket_arn, folders, account_id, source)


def load_balancer(bucket_arn: str, account_id: str, region: str) -> list[Statement]:
    """Lets this account's load balancers write access and connection logs. They set no ACL and check none."""
    source = f"arn:aws:elasticloadbalancing:{region}:{account_id}:loadbalancer/*"
    return [
        _allow(
            "LoadBalancerWrite",
            LOAD_BALANCER_LOGS,
            "s3:PutObject",
            _folders(bucket_arn, account_id),
            {"ArnLike": {"aws:SourceArn": source}},
        )
    ]


def s3_access(bucket_arn: str, account_id: str, prefix: str, source_name_prefix: str) -> list[Statement]:
    """Lets buckets whose name begins with `source_name_prefix` and a hyphen write their access logs under `prefix`."""
    return [
        _allow(
            "S3AccessWrite",
            S3_ACCESS_LOGS,
            "s3:PutObject",
            [f"{bucket_arn}/{prefix}*"],
            {
                "StringEquals": {"aws:SourceAccount": account_id},
                "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source_name_prefix}-*"},
            },
        )
    ]


def _folders(bucket_arn: str, account_folder: str) -> list[str]:
    # Whatever stands before AWSLogs is the log's own prefix; services put the source's account behind it.
    return [
        objects_in(f"{bucket_arn}/AWSLogs/{account_folder}"),
        objects_in(f"{bucket_arn}/*/AWSLogs/{account_folder}"),
    ]


def _checked_delivery(
    sid: str, service: str, bucket_arn: str, folders: list[str], account_id: str, source_arn: str
) -> list[Statement]:
    """Services that read the bucket's ACL before they write, and write as the bucket owner's."""
    source: dict[str, Mapping[str, Any]] = {
        "StringEquals": {"aws:SourceAccount": account_id},
        "ArnLike": {"aws:SourceArn": source_arn},
    }
    write = {**source, "StringEquals": {**source["StringEquals"], **_OWNER_HAS_FULL_CONTROL}}
    return [
        _allow(f"{sid}AclCheck", service, "s3:GetBucketAcl", [bucket_arn], source),
        _allow(f"{sid}Write", service, "s3:PutObject", folders, write),
    ]


def _allow(sid: str, service: str, action: str, resources: list[str], condition: Mapping[str, Any]) -> Statement:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": action,
        "Resource": resources,
        "Condition": condition,
    }
