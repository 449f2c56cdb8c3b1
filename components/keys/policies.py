"""Key policies: who may administer a key, who may use it, and through which service.

A key policy names its own key as `*`: the document is attached to that key and reaches no other
(AWS KMS Developer Guide, "Key policies in AWS KMS", element Resource).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra import documents

Document = dict[str, Any]
THIS_KEY = "*"

ADMINISTRATION = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RetireGrant",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)

PUBLISHING = ("kms:Decrypt", "kms:GenerateDataKey")
CRYPTOGRAPHY = (
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)

# Values of kms:ViaService. Read in AWS's managed policies: s3, dynamodb, rds and ec2 in
# AWSBackupServiceRolePolicyForRestores and ...ForS3Restore, backup in AWSBackupFullAccess, secretsmanager in
# AWSSecretsManagerClientReadOnlyAccess, sqs in SageMakerStudioProjectUserRolePolicy, airflow in
# SageMakerStudioProjectProvisioningRolePolicy, ecr in AWSTransformApplicationECSDeploymentPolicy, logs in
# CloudWatchLogsAPIKeyAccess; elasticache, es, lambda and sns in published key policies.
DATA_SERVICES = (
    "airflow",
    "backup",
    "dynamodb",
    "ec2",
    "elasticache",
    "lambda",
    "rds",
    "s3",
    "secretsmanager",
    "sqs",
)
LOG_SERVICES = ("es", "logs", "s3", "sns", "sqs")
IMAGE_SERVICES = ("ecr",)


@dataclass(frozen=True)
class Scope:
    """The account and region that a key belongs to."""

    account_id: str
    region: str


def data_key(scope: Scope) -> Document:
    """For buckets, tables, databases, caches, queues, secrets and volumes."""
    return _document(
        _administration(scope),
        _use_through(scope, DATA_SERVICES),
        # Airflow's log groups are encrypted with the key of its environment (Amazon MWAA User Guide, "Using customer
        # managed keys for encryption"); the service names them airflow-<environment>-<component>.
        _log_groups(scope, "airflow-*"),
    )


def cluster_key(scope: Scope) -> Document:
    """For the secrets of the Kubernetes API.

    Who uses it is left to IAM alone: EKS names no service that a condition could hold its use to, and refuses a key
    whose grants are bound to AWS's resources (Amazon EKS User Guide, "Creating an Amazon EKS cluster").
    """
    return _document(
        _administration(scope), _allow("UseByIam", {"AWS": _account(scope)}, (*CRYPTOGRAPHY, "kms:CreateGrant"))
    )


def logs_key(scope: Scope) -> Document:
    """For log groups, the trail, flow logs and the topics of alarms."""
    return _document(
        _administration(scope),
        _use_through(scope, LOG_SERVICES),
        _log_groups(scope, "*"),
        _trail(scope),
        _flow_logs(scope),
        _alarms(scope),
        _budgets(scope),
    )


def images_key(scope: Scope) -> Document:
    """For container images. ECR works by grants, so whoever pulls needs no right on the key."""
    return _document(_administration(scope), _use_through(scope, IMAGE_SERVICES))


def _administration(scope: Scope) -> Document:
    # The account as principal lets IAM policies decide who administers. Without it a key could outlive everyone who
    # may change it, and only AWS Support could bring it back (AWS KMS Developer Guide, "Default key policy").
    return _allow("AdministrationByIam", {"AWS": _account(scope)}, ADMINISTRATION)


def _use_through(scope: Scope, services: Sequence[str]) -> Document:
    # IAM decides who. The key adds that it must be through a service, so that nobody decrypts by hand or hands the key
    # on; the service may take the grants by which databases, volumes and repositories work without their maker.
    return _allow(
        "UseThroughServicesByIam",
        {"AWS": _account(scope)},
        (*CRYPTOGRAPHY, "kms:CreateGrant"),
        {"StringEquals": {"kms:ViaService": sorted(f"{service}.{scope.region}.amazonaws.com" for service in services)}},
    )


def _log_groups(scope: Scope, pattern: str) -> Document:
    # Amazon CloudWatch Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS KMS".
    log_groups = f"arn:aws:logs:{scope.region}:{scope.account_id}:log-group:{pattern}"
    return _allow(
        "LogGroups",
        {"Service": f"logs.{scope.region}.amazonaws.com"},
        (*CRYPTOGRAPHY, "kms:DescribeKey"),
        {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
    )


def _trail(scope: Scope) -> Document:
    # AWS CloudTrail User Guide, "Configure AWS KMS key policies for CloudTrail": Decrypt is wanted for a bucket with a
    # bucket key. DescribeKey has no encryption context; the source, which names the account, binds all three.
    trails = f"arn:aws:cloudtrail:{scope.region}:{scope.account_id}:trail/*"
    return _allow(
        "Trail",
        {"Service": "cloudtrail.amazonaws.com"},
        (*PUBLISHING, "kms:DescribeKey"),
        {
            "ArnLike": {"aws:SourceArn": trails},
            "StringLikeIfExists": {"kms:EncryptionContext:aws:cloudtrail:arn": trails},
        },
    )


def _flow_logs(scope: Scope) -> Document:
    # Amazon CloudWatch Logs User Guide, "Logs sent to Amazon S3", bucket server-side encryption.
    return _allow(
        "FlowLogs",
        {"Service": "delivery.logs.amazonaws.com"},
        (*CRYPTOGRAPHY, "kms:DescribeKey"),
        {
            "StringEquals": {"aws:SourceAccount": scope.account_id},
            "ArnLike": {"aws:SourceArn": f"arn:aws:logs:{scope.region}:{scope.account_id}:*"},
        },
    )


def _alarms(scope: Scope) -> Document:
    # Amazon SNS Developer Guide, "Managing Amazon SNS encryption keys", event sources and encrypted topics.
    return _allow(
        "Alarms",
        {"Service": "cloudwatch.amazonaws.com"},
        PUBLISHING,
        {"StringEquals": {"aws:SourceAccount": scope.account_id}},
    )


def _budgets(scope: Scope) -> Document:
    # AWS Cost Management User Guide, "Creating an Amazon SNS topic for budget notifications".
    return _allow(
        "Budgets",
        {"Service": "budgets.amazonaws.com"},
        PUBLISHING,
        {
            "StringEquals": {"aws:SourceAccount": scope.account_id},
            "ArnLike": {"aws:SourceArn": f"arn:aws:budgets::{scope.account_id}:*"},
        },
    )


def _account(scope: Scope) -> str:
    return f"arn:aws:iam::{scope.account_id}:root"


def _allow(
    sid: str, principal: dict[str, str], actions: Sequence[str], condition: dict[str, dict[str, Any]] | None = None
) -> Document:
    statement: Document = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": principal,
        "Action": list(actions),
        "Resource": THIS_KEY,
    }
    return statement if condition is None else {**statement, "Condition": condition}


def _document(*statements: Document) -> Document:
    return documents.policy(statements)
