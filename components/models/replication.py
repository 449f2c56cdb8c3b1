"""Replication of a models bucket to the other region: who may copy, what, and how soon it must be there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.models.policies import objects_in
from infra import documents
from infra.errors import InvalidInput

RULE_ID = "models"
TIME_CONTROL_MINUTES = 15
"""The one value that S3 Replication Time Control takes, for its promise and for its metrics' threshold."""


class InvalidReplication(InvalidInput):
    """A replication that S3 or the recovery plan rules out; the message says why."""


def trust_policy(account_id: str, source_bucket_arn: str) -> dict[str, Any]:
    """S3 may take the role for this one bucket of this account, and for nobody else's."""
    return documents.policy(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account_id},
                    "ArnEquals": {"aws:SourceArn": source_bucket_arn},
                },
            }
        ]
    )


def role_policy(
    *,
    source_bucket_arn: str,
    source_region: str,
    source_key_arn: str,
    destination_bucket_arn: str,
    destination_region: str,
    destination_key_arn: str,
) -> dict[str, Any]:
    """Read the source, write the replica, each key through S3 in its region and for its bucket alone.

    No `s3:ReplicateDelete`: deletions are not replicated. With Bucket Keys the encryption context is the ARN
    of the bucket, without them that of the object (S3 user guide, "Replicating encrypted objects").
    """
    return documents.policy(
        [
            {
                "Sid": "ReadConfiguration",
                "Effect": "Allow",
                "Action": ["s3:GetReplicationConfiguration", "s3:ListBucket"],
                "Resource": source_bucket_arn,
            },
            {
                "Sid": "ReadVersions",
                "Effect": "Allow",
                "Action": [
                    "s3:GetObjectVersionForReplication",
                    "s3:GetObjectVersionAcl",
                    "s3:GetObjectVersionTagging",
                ],
                "Resource": objects_in(source_bucket_arn),
            },
            {
                "Sid": "WriteReplicas",
                "Effect": "Allow",
                "Action": ["s3:ReplicateObject", "s3:ReplicateTags"],
                "Resource": objects_in(destination_bucket_arn),
            },
            _key_statement("DecryptSource", ["kms:Decrypt"], source_key_arn, source_bucket_arn, source_region),
            _key_statement(
                "EncryptReplicas",
                # GenerateDataKey makes the Bucket Key of the destination; it gives no more than Encrypt does.
                ["kms:Encrypt", "kms:GenerateDataKey"],
                destination_key_arn,
                destination_bucket_arn,
                destination_region,
            ),
        ]
    )


def _key_statement(sid: str, actions: list[str], key_arn: str, bucket_arn: str, region: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": key_arn,
        "Condition": {
            "StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket_arn, objects_in(bucket_arn)]},
        },
    }


@dataclass(frozen=True, kw_only=True)
class ReplicationArgs:
    """`place` is the source's. Bucket names and ARNs come from `ModelStore`, which hands them out only when
    versioning is on, as replication requires of both sides."""

    place: Place
    account_id: str
    source_bucket: pulumi.Input[str]
    source_bucket_arn: pulumi.Input[str]
    source_key_arn: pulumi.Input[str]
    destination_bucket_arn: pulumi.Input[str]
    destination_key_arn: pulumi.Input[str]
    destination_region: str

    def __post_init__(self) -> None:
        if self.destination_region == self.place.region:
            raise InvalidReplication(
                f"replication from {self.place.region} to {self.destination_region} stays in one region and would be "
                "lost with it: give the other region of the residency's pair"
            )


class Replication(Component, area="models"):
    """Copies every new object of the bucket, within 15 minutes by contract, and measures it.

    Children: Role, RolePolicy, BucketReplicationConfig.

    Objects written before the rule stood are not copied: S3 Batch Replication does that.
    """

    role_arn: pulumi.Output[str]
    rule_id: pulumi.Output[str]
    """With the bucket names, the dimension of the metrics ReplicationLatency and OperationsFailedReplication."""

    def __init__(self, name: str, args: ReplicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        role_name = self.place.names.role("models-replication")
        role = aws.iam.Role(
            self.child_name("role"),
            name=role_name,
            description=f"S3 copies models from {self.region} to {args.destination_region}",
            assume_role_policy=pulumi.Output.from_input(args.source_bucket_arn).apply(
                lambda arn: json.dumps(trust_policy(args.account_id, arn))
            ),
            tags=self.tagged(role_name),
            opts=self.child(),
        )
        policy = aws.iam.RolePolicy(
            self.child_name("role-policy"),
            name="replicate",
            role=role.name,
            policy=pulumi.Output.all(
                source_bucket_arn=args.source_bucket_arn,
                source_key_arn=args.source_key_arn,
                destination_bucket_arn=args.destination_bucket_arn,
                destination_key_arn=args.destination_key_arn,
            ).apply(
                lambda arns: json.dumps(
                    role_policy(**arns, source_region=self.region, destination_region=args.destination_region)
                )
            ),
            opts=self.child(),
        )
        aws.s3.BucketReplicationConfig(
            self.child_name("rule"),
            bucket=args.source_bucket,
            role=role.arn,
            rules=[self._rule(args)],
            region=self.region,
            # A role without its policy would be accepted, and every copy until then fail.
            opts=self.child(depends_on=[policy]),
        )
        self.role_arn = role.arn
        self.rule_id = pulumi.Output.from_input(RULE_ID)
        self.finish()

    def _rule(self, args: ReplicationArgs) -> aws.s3.BucketReplicationConfigRuleArgs:
        destination = aws.s3.BucketReplicationConfigRuleDestinationArgs(
            bucket=args.destination_bucket_arn,
            encryption_configuration=aws.s3.BucketReplicationConfigRuleDestinationEncryptionConfigurationArgs(
                replica_kms_key_id=args.destination_key_arn
            ),
            replication_time=aws.s3.BucketReplicationConfigRuleDestinationReplicationTimeArgs(
                status="Enabled",
                time=aws.s3.BucketReplicationConfigRuleDestinationReplicationTimeTimeArgs(minutes=TIME_CONTROL_MINUTES),
            ),
            metrics=aws.s3.BucketReplicationConfigRuleDestinationMetricsArgs(
                status="Enabled",
                event_threshold=aws.s3.BucketReplicationConfigRuleDestinationMetricsEventThresholdArgs(
                    minutes=TIME_CONTROL_MINUTES
                ),
            ),
        )
        return aws.s3.BucketReplicationConfigRuleArgs(
            id=RULE_ID,
            status="Enabled",
            priority=0,
            filter=aws.s3.BucketReplicationConfigRuleFilterArgs(prefix=""),
            # The copy is there for the day when someone deletes the original: a deletion must be made in each region.
            delete_marker_replication=aws.s3.BucketReplicationConfigRuleDeleteMarkerReplicationArgs(status="Disabled"),
            # Without this S3 passes over objects under KMS keys, which all of ours are.
            source_selection_criteria=aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaArgs(
                sse_kms_encrypted_objects=aws.s3.BucketReplicationConfigRuleSourceSelectionCriteriaSseKmsEncryptedObjectsArgs(
                    status="Enabled"
                )
            ),
            destination=destination,
        )
