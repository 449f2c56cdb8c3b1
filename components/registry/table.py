"""The table `deployments`: which versions serve, with which weights. Pods follow it, operators' commands write it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from contract import registry
from infra.errors import InvalidInput


class InvalidRegistry(InvalidInput):
    """A replica that DynamoDB or the recovery plan rules out; the message says why."""


@dataclass(frozen=True, kw_only=True)
class RegistryReplica:
    """Where the table's copy lies, and that region's own key: KMS keys do not leave their region."""

    region: str
    key_arn: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class RegistryArgs:
    place: Place
    table_name: str
    key_arn: pulumi.Input[str]
    replica: RegistryReplica | None
    deletion_protection: bool

    def __post_init__(self) -> None:
        if self.replica is not None and self.replica.region == self.place.region:
            raise InvalidRegistry(
                f"table {self.table_name!r} lies in {self.place.region} already: "
                "give a replica in the other region of the residency's pair, or None"
            )


class Registry(Component, area="registry"):
    """The table and its copy in the other region.

    Children: Table; TableReplica where a replica is asked for.

    The replica is a resource of its own, not the table's `replicas` (the provider takes one or the other). A change
    that rebuilds a replica, such as another key, is then a replacement that the preview shows and protection stops;
    inside the table it would be an update in place that deletes the copy and makes it again
    (hashicorp/terraform-provider-aws pull request 29102).
    """

    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]
    stream_arn: pulumi.Output[str]
    replica_arn: pulumi.Output[str | None]

    def __init__(self, name: str, args: RegistryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        table = aws.dynamodb.Table(
            self.child_name("table"),
            name=args.table_name,
            billing_mode="PAY_PER_REQUEST",
            hash_key=registry.HASH_KEY,
            range_key=registry.RANGE_KEY,
            attributes=[
                aws.dynamodb.TableAttributeArgs(name=key, type="S")
                # `created_at` is an ISO 8601 time in UTC: as text it sorts as it happened.
                for key in (
                    registry.HASH_KEY,
                    registry.RANGE_KEY,
                    registry.STATUS_ATTRIBUTE,
                    registry.CREATED_AT_ATTRIBUTE,
                )
            ],
            global_secondary_indexes=[
                aws.dynamodb.TableGlobalSecondaryIndexArgs(
                    name=registry.STATUS_INDEX,
                    key_schemas=[
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(
                            attribute_name=registry.STATUS_ATTRIBUTE, key_type="HASH"
                        ),
                        aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(
                            attribute_name=registry.CREATED_AT_ATTRIBUTE, key_type="RANGE"
                        ),
                    ],
                    projection_type="ALL",
                )
            ],
            stream_enabled=True,
            stream_view_type="NEW_AND_OLD_IMAGES",
            ttl=aws.dynamodb.TableTtlArgs(attribute_name=registry.TTL_ATTRIBUTE, enabled=True),
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=args.key_arn),
            deletion_protection_enabled=args.deletion_protection,
            region=self.region,
            tags=self.tagged(args.table_name),
            # AWS reports the replica in the table's own description too.
            opts=self.child(guarded=True, ignore_changes=["replicas"]),
        )
        self.table_name = table.name
        self.table_arn = table.arn
        self.stream_arn = table.stream_arn
        self.replica_arn = pulumi.Output.from_input(None)
        if args.replica is not None:
            self.replica_arn = self._replica(args, args.replica, table).arn
        self.finish()

    def _replica(
        self, args: RegistryArgs, replica: RegistryReplica, table: aws.dynamodb.Table
    ) -> aws.dynamodb.TableReplica:
        return aws.dynamodb.TableReplica(
            self.child_name("replica"),
            global_table_arn=table.arn,
            kms_key_arn=replica.key_arn,
            # Settings of recovery and protection are each region's own: DynamoDB does not copy them.
            point_in_time_recovery=True,
            deletion_protection_enabled=args.deletion_protection,
            region=replica.region,
            tags=self.tagged(args.table_name),
            opts=self.child(guarded=True),
        )
