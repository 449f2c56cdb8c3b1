"""One customer-managed key for each purpose, so that a right to read logs is no right to read models."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.keys import policies
from infra.errors import InvalidInput

# AWS KMS API Reference, ScheduleKeyDeletion, PendingWindowInDays.
SHORTEST_DELETION_WINDOW_DAYS = 7
LONGEST_DELETION_WINDOW_DAYS = 30


class InvalidDeletionWindow(InvalidInput):
    """A waiting time before deletion that AWS does not offer."""


@dataclass(frozen=True, kw_only=True)
class KeysArgs:
    place: Place
    account_id: str
    deletion_window_days: int
    """How long a deleted key can be brought back: 7 to 30 days."""


class Keys(Component, area="keys"):
    """The keys of one region: data, cluster, logs and images.

    Children, for each: a symmetric key that AWS rotates every year, guarded, with its policy; and an alias,
    `alias/<place>-<purpose>`.
    """

    data_key_arn: pulumi.Output[str]
    cluster_key_arn: pulumi.Output[str]
    logs_key_arn: pulumi.Output[str]
    images_key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: KeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        if not SHORTEST_DELETION_WINDOW_DAYS <= args.deletion_window_days <= LONGEST_DELETION_WINDOW_DAYS:
            raise InvalidDeletionWindow(
                f"{args.deletion_window_days} days is no deletion window for a key: "
                f"choose {SHORTEST_DELETION_WINDOW_DAYS} to {LONGEST_DELETION_WINDOW_DAYS}"
            )
        super().__init__(name, args.place, opts)
        self._deletion_window_days = args.deletion_window_days
        scope = policies.Scope(account_id=args.account_id, region=self.region)
        self.data_key_arn = self._key("data", "Buckets, tables, databases and secrets", policies.data_key(scope))
        self.cluster_key_arn = self._key("cluster", "Secrets of the Kubernetes API", policies.cluster_key(scope))
        self.logs_key_arn = self._key("logs", "Logs, trails and alarms", policies.logs_key(scope))
        self.images_key_arn = self._key("images", "Container images", policies.images_key(scope))
        self.finish()

    def _key(self, purpose: str, description: str, policy: policies.Document) -> pulumi.Output[str]:
        physical_name = self.place.names.of(purpose)
        key = aws.kms.Key(
            self.child_name(purpose),
            description=description,
            key_usage="ENCRYPT_DECRYPT",
            customer_master_key_spec="SYMMETRIC_DEFAULT",
            enable_key_rotation=True,
            deletion_window_in_days=self._deletion_window_days,
            policy=json.dumps(policy),
            region=self.region,
            tags=self.tagged(physical_name),
            opts=self.child(guarded=True),
        )
        aws.kms.Alias(
            self.child_name(purpose),
            name=f"alias/{physical_name}",
            target_key_id=key.key_id,
            region=self.region,
            opts=self.child(),
        )
        return key.arn
