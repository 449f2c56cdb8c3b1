"""One S3 bucket as every bucket of the platform is: encrypted, versioned, private, TLS only, with a lifecycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.models import policies
from components.models.policies import Statement
from infra.errors import InvalidInput

ABANDONED_UPLOAD_DAYS = 7
NONCURRENT_RETENTION_DAYS = 30
ACCESS_LOG_PREFIX = "s3/"

Rule = aws.s3.BucketLifecycleConfigurationRuleArgs


class ObjectLockMode(StrEnum):
    """Who may shorten a lock: holders of `s3:BypassGovernanceRetention`, or nobody, the account's root included."""

    GOVERNANCE = "GOVERNANCE"
    COMPLIANCE = "COMPLIANCE"


class InvalidBucket(InvalidInput):
    """Arguments that contradict each other; the message says which and what to choose."""


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """What one bucket is.

    `key_arn` None means SSE-S3, for targets of log delivery alone, which take no other encryption.
    `statements` follow the standard refusals in the policy. With `own_policy=False` the caller attaches the
    document itself (`policies.bucket_policy`), where a statement needs something made after the bucket.
    `object_lock_days` locks every new object for so long; it can be chosen at creation only.
    """

    place: Place
    bucket_name: str
    key_arn: pulumi.Input[str] | None
    access_log_bucket: pulumi.Input[str] | None
    force_destroy: bool
    lifecycle: Sequence[Rule] = ()
    noncurrent_retention_days: int = NONCURRENT_RETENTION_DAYS
    statements: Sequence[Statement] = ()
    own_policy: bool = True
    object_lock_days: int | None = None
    object_lock_mode: ObjectLockMode = ObjectLockMode.GOVERNANCE
    eventbridge: bool = False

    def __post_init__(self) -> None:
        if self.object_lock_days is not None and self.force_destroy:
            raise InvalidBucket(
                f"bucket {self.bucket_name!r} has object lock and force_destroy: locked objects cannot be emptied "
                "on destroy, so leave one of them out"
            )
        if self.object_lock_days is not None and self.object_lock_days < 1:
            raise InvalidBucket(
                f"bucket {self.bucket_name!r} has object_lock_days {self.object_lock_days}: "
                "give 1 or more, or None for no lock"
            )
        if self.noncurrent_retention_days < 1:
            raise InvalidBucket(
                f"bucket {self.bucket_name!r} has noncurrent_retention_days {self.noncurrent_retention_days}: "
                "give 1 or more, S3 keeps an overwritten version for a day at least"
            )


class Bucket(Component, area="models"):
    """A private bucket.

    Children: Bucket, BucketVersioning, BucketServerSideEncryptionConfiguration, BucketPublicAccessBlock,
    BucketOwnershipControls, BucketLifecycleConfiguration; BucketPolicy unless the caller attaches its own;
    BucketLogging, BucketObjectLockConfiguration and BucketNotification where asked.

    `bucket` and `arn` are known to their readers only when versioning and policy stand, so a log delivery or a
    replication made from them finds the bucket ready.
    """

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]
    regional_domain_name: pulumi.Output[str]

    def __init__(self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        bucket = aws.s3.Bucket(
            self.child_name("bucket"),
            bucket=args.bucket_name,
            force_destroy=args.force_destroy,
            object_lock_enabled=args.object_lock_days is not None,
            region=self.region,
            tags=self.tagged(args.bucket_name),
            opts=self.child(guarded=True),
        )
        versioning = aws.s3.BucketVersioning(
            self.child_name("versioning"),
            bucket=bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            region=self.region,
            opts=self.child(),
        )
        self._encrypt(args, bucket)
        access_block = self._close_to_the_public(bucket)
        self._expire(args, bucket, versioning)
        if args.access_log_bucket is not None:
            self._log_access(bucket, args.access_log_bucket)
        if args.object_lock_days is not None:
            self._lock(bucket, versioning, args.object_lock_days, args.object_lock_mode)
        if args.eventbridge:
            aws.s3.BucketNotification(
                self.child_name("events"),
                bucket=bucket.bucket,
                eventbridge=True,
                region=self.region,
                opts=self.child(),
            )
        ready = versioning.bucket
        if args.own_policy:
            policy = aws.s3.BucketPolicy(
                self.child_name("policy"),
                bucket=bucket.bucket,
                policy=pulumi.Output.json_dumps(
                    policies.bucket_policy(policies.arn_of(args.bucket_name), args.statements, args.key_arn)
                ),
                region=self.region,
                # S3 refuses a policy while the access block of the same bucket is being changed.
                opts=self.child(depends_on=[access_block, versioning]),
            )
            ready = policy.bucket
        self.bucket = ready
        self.arn = ready.apply(policies.arn_of)
        self.regional_domain_name = bucket.bucket_regional_domain_name
        self.finish()

    def _encrypt(self, args: BucketArgs, bucket: aws.s3.Bucket) -> None:
        algorithm = "AES256" if args.key_arn is None else "aws:kms"
        aws.s3.BucketServerSideEncryptionConfiguration(
            self.child_name("encryption"),
            bucket=bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm=algorithm, kms_master_key_id=args.key_arn
                    ),
                    # One data key for many objects: up to 99% fewer requests to KMS (S3 user guide, Bucket Keys).
                    bucket_key_enabled=args.key_arn is not None,
                )
            ],
            region=self.region,
            opts=self.child(),
        )

    def _close_to_the_public(self, bucket: aws.s3.Bucket) -> aws.s3.BucketPublicAccessBlock:
        aws.s3.BucketOwnershipControls(
            self.child_name("ownership"),
            bucket=bucket.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            region=self.region,
            opts=self.child(),
        )
        return aws.s3.BucketPublicAccessBlock(
            self.child_name("access-block"),
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            region=self.region,
            opts=self.child(),
        )

    def _expire(self, args: BucketArgs, bucket: aws.s3.Bucket, versioning: aws.s3.BucketVersioning) -> None:
        housekeeping = Rule(
            id="housekeeping",
            status="Enabled",
            filter=every_object(),
            abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                days_after_initiation=ABANDONED_UPLOAD_DAYS
            ),
            noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                noncurrent_days=args.noncurrent_retention_days
            ),
            # Markers of deletions whose last version has expired hide nothing and slow down listings.
            expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
        )
        aws.s3.BucketLifecycleConfiguration(
            self.child_name("lifecycle"),
            bucket=bucket.bucket,
            rules=[housekeeping, *args.lifecycle],
            region=self.region,
            # Rules for overwritten versions mean something only once versioning is on.
            opts=self.child(depends_on=[versioning]),
        )

    def _log_access(self, bucket: aws.s3.Bucket, target: pulumi.Input[str]) -> None:
        aws.s3.BucketLogging(
            self.child_name("logging"),
            bucket=bucket.bucket,
            target_bucket=target,
            target_prefix=ACCESS_LOG_PREFIX,
            # Keys by account, region, bucket and day, so that a query reads one bucket's day and no more.
            target_object_key_format=aws.s3.BucketLoggingTargetObjectKeyFormatArgs(
                partitioned_prefix=aws.s3.BucketLoggingTargetObjectKeyFormatPartitionedPrefixArgs(
                    partition_date_source="EventTime"
                )
            ),
            region=self.region,
            opts=self.child(),
        )

    def _lock(
        self, bucket: aws.s3.Bucket, versioning: aws.s3.BucketVersioning, days: int, mode: ObjectLockMode
    ) -> None:
        aws.s3.BucketObjectLockConfiguration(
            self.child_name("object-lock"),
            bucket=bucket.bucket,
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                    mode=mode.value, days=days
                )
            ),
            region=self.region,
            opts=self.child(depends_on=[versioning]),
        )


def every_object() -> aws.s3.BucketLifecycleConfigurationRuleFilterArgs:
    """The filter of a rule that holds for the whole bucket; S3 wants one, even if empty."""
    return aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="")


def expire_after(days: int) -> Rule:
    """A rule that deletes every object `days` after it was written."""
    return Rule(
        id=f"expire-after-{days}-days",
        status="Enabled",
        filter=every_object(),
        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
    )


def move_after(days: int, storage_class: str) -> Rule:
    """A rule that moves every object to another storage class `days` after it was written."""
    return Rule(
        id=f"to-{storage_class.lower().replace('_', '-')}",
        status="Enabled",
        filter=every_object(),
        transitions=[aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(days=days, storage_class=storage_class)],
    )
