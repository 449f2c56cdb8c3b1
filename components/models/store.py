"""The buckets of one region: models, data sets, backups, audit logs and access logs, each with its lifecycle.

The bucket of the front end belongs to the edge; replication between regions is `replication`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.base import Component, Place
from components.models import log_delivery, policies
from components.models.bucket import (
    ACCESS_LOG_PREFIX,
    Bucket,
    BucketArgs,
    ObjectLockMode,
    Rule,
    expire_after,
    move_after,
)
from components.models.policies import Statement

INTELLIGENT_TIERING = "INTELLIGENT_TIERING"
"""Without archive tiers: a version of last year must answer a rollback in milliseconds, not after a restore."""

DATASETS_COLD_CLASS = "GLACIER_IR"
"""Of the cold classes the one that reads at once: `dvc pull` knows no restore step, and retraining reads old data."""


@dataclass(frozen=True, kw_only=True)
class ModelStoreArgs:
    """`object_lock` locks audit logs for `audit_retention_days`, in `object_lock_mode`; such a bucket is never
    emptied on destroy, whatever `force_destroy` says. `access_log_statements` let further services write into the
    bucket of access logs, such as the edge's log delivery."""

    place: Place
    account_id: str
    data_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    staging_retention_days: int
    datasets_cold_after_days: int
    backup_retention_days: int
    audit_retention_days: int
    access_log_retention_days: int
    noncurrent_retention_days: int
    force_destroy: bool
    object_lock: bool
    object_lock_mode: ObjectLockMode = ObjectLockMode.GOVERNANCE
    access_log_statements: Sequence[Statement] = ()


class ModelStore(Component, area="models"):
    """The regional buckets.

    Children: six Buckets: models-production (kept for ever, Intelligent-Tiering), models-staging (expires),
    datasets (cold after a while), backups (expires), audit-logs (locked; CloudTrail and flow logs write it) and
    access-logs (SSE-S3 and unlocked, as load balancer and S3 access logs demand).

    Each name and ARN is known to readers once the bucket is versioned and its policy stands.
    """

    production_bucket: pulumi.Output[str]
    production_bucket_arn: pulumi.Output[str]
    staging_bucket: pulumi.Output[str]
    staging_bucket_arn: pulumi.Output[str]
    datasets_bucket: pulumi.Output[str]
    datasets_bucket_arn: pulumi.Output[str]
    backups_bucket: pulumi.Output[str]
    backups_bucket_arn: pulumi.Output[str]
    audit_bucket: pulumi.Output[str]
    audit_bucket_arn: pulumi.Output[str]
    access_log_bucket: pulumi.Output[str]
    access_log_bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ModelStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        access_logs = self._access_logs()
        self.access_log_bucket, self.access_log_bucket_arn = access_logs.bucket, access_logs.arn

        production = self._data("models-production", [move_after(0, INTELLIGENT_TIERING)], eventbridge=True)
        self.production_bucket, self.production_bucket_arn = production.bucket, production.arn

        staging = self._data("models-staging", [expire_after(args.staging_retention_days)], eventbridge=True)
        self.staging_bucket, self.staging_bucket_arn = staging.bucket, staging.arn

        datasets = self._data("datasets", [move_after(args.datasets_cold_after_days, DATASETS_COLD_CLASS)])
        self.datasets_bucket, self.datasets_bucket_arn = datasets.bucket, datasets.arn

        backups = self._data("backups", [expire_after(args.backup_retention_days)])
        self.backups_bucket, self.backups_bucket_arn = backups.bucket, backups.arn

        audit = self._audit_logs()
        self.audit_bucket, self.audit_bucket_arn = audit.bucket, audit.arn
        self.finish()

    @property
    def _stack_prefix(self) -> str:
        """What every name of this environment begins with, in any region."""
        return f"{self.place.names.project}-{self.place.names.environment}"

    def _bucket_name(self, kind: str) -> str:
        return self.place.names.bucket(kind, self._args.account_id)

    def _data(self, kind: str, lifecycle: Sequence[Rule], *, eventbridge: bool = False) -> Bucket:
        return Bucket(
            self.child_name(kind),
            BucketArgs(
                place=self.place,
                bucket_name=self._bucket_name(kind),
                key_arn=self._args.data_key_arn,
                access_log_bucket=self.access_log_bucket,
                lifecycle=lifecycle,
                noncurrent_retention_days=self._args.noncurrent_retention_days,
                force_destroy=self._args.force_destroy,
                eventbridge=eventbridge,
            ),
            opts=self.child(),
        )

    def _audit_logs(self) -> Bucket:
        args, kind = self._args, "audit-logs"
        arn = policies.arn_of(self._bucket_name(kind))
        statements: list[Statement] = [
            *log_delivery.trail(arn, args.account_id, self._stack_prefix),
            *log_delivery.flow_logs(arn, args.account_id, self.region),
        ]
        return Bucket(
            self.child_name(kind),
            BucketArgs(
                place=self.place,
                bucket_name=self._bucket_name(kind),
                key_arn=args.logs_key_arn,
                access_log_bucket=self.access_log_bucket,
                lifecycle=[expire_after(args.audit_retention_days)],
                noncurrent_retention_days=args.noncurrent_retention_days,
                statements=statements,
                object_lock_days=args.audit_retention_days if args.object_lock else None,
                object_lock_mode=args.object_lock_mode,
                force_destroy=args.force_destroy and not args.object_lock,
            ),
            opts=self.child(),
        )

    def _access_logs(self) -> Bucket:
        args, kind = self._args, "access-logs"
        arn = policies.arn_of(self._bucket_name(kind))
        statements: list[Statement] = [
            *log_delivery.load_balancer(arn, args.account_id, self.region),
            *log_delivery.s3_access(arn, args.account_id, ACCESS_LOG_PREFIX, self._stack_prefix),
            *args.access_log_statements,
        ]
        return Bucket(
            self.child_name(kind),
            BucketArgs(
                place=self.place,
                bucket_name=self._bucket_name(kind),
                key_arn=None,
                # Logging a log bucket into itself would never end.
                access_log_bucket=None,
                lifecycle=[expire_after(args.access_log_retention_days)],
                noncurrent_retention_days=args.noncurrent_retention_days,
                statements=statements,
                force_destroy=args.force_destroy,
            ),
            opts=self.child(),
        )
