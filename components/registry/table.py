"""How our tables are built: on demand, recoverable to any second, under our own key, with a copy in the other region.

Which keys and indexes a table has is its component's to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from infra.errors import InvalidInput


class InvalidReplica(InvalidInput):
    """A replica that DynamoDB or the recovery plan rules out; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Replica:
    """Where the table's copy lies, and that region's own key: KMS keys do not leave their region."""

    region: str
    key_arn: pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class TableArgs:
    place: Place
    table_name: str
    key_arn: pulumi.Input[str]
    replica: Replica | None
    deletion_protection: bool

    def __post_init__(self) -> None:
        if self.replica is not None and self.replica.region == self.place.region:
            raise InvalidReplica(
                f"table {self.table_name!r} lies in {self.place.region} already: "
                "give a replica in the other region of the residency's pair, or None"
            )


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Key attributes, all of them text, the one index, and the attribute that items expire by."""

    hash_key: str
    range_key: str | None = None
    index: str
    index_hash_key: str
    index_range_key: str | None = None
    ttl_attribute: str

    @property
    def attributes(self) -> Iterable[str]:
        """Every key attribute, once."""
        keys = (self.hash_key, self.range_key, self.index_hash_key, self.index_range_key)
        return dict.fromkeys(key for key in keys if key is not None)


@dataclass(frozen=True)
class Copies:
    """The table, and its copy where one was asked for."""

    table: aws.dynamodb.Table
    replica: aws.dynamodb.TableReplica | None


def replicated_table(component: Component, args: TableArgs, schema: Schema) -> Copies:
    """Make the table and its copy as children of the component, Table `<name>-table` and TableReplica `<name>-replica`.

    The replica is a resource of its own, not the table's `replicas` (the provider takes one or the other). A change
    that rebuilds a replica, such as another key, is then a replacement that the preview shows and protection stops;
    inside the table it would be an update in place that deletes the copy and makes it again
    (hashicorp/terraform-provider-aws pull request 29102).
    """
    table = aws.dynamodb.Table(
        component.child_name("table"),
        name=args.table_name,
        billing_mode="PAY_PER_REQUEST",
        hash_key=schema.hash_key,
        range_key=schema.range_key,
        attributes=[aws.dynamodb.TableAttributeArgs(name=key, type="S") for key in schema.attributes],
        global_secondary_indexes=[
            aws.dynamodb.TableGlobalSecondaryIndexArgs(
                name=schema.index,
                key_schemas=[
                    aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgs(attribute_name=key, key_type=kind)
                    for key, kind in ((schema.index_hash_key, "HASH"), (schema.index_range_key, "RANGE"))
                    if key is not None
                ],
                projection_type="ALL",
            )
        ],
        # What replication reads: a table with copies must have it, and without a reader it costs nothing.
        stream_enabled=True,
        stream_view_type="NEW_AND_OLD_IMAGES",
        ttl=aws.dynamodb.TableTtlArgs(attribute_name=schema.ttl_attribute, enabled=True),
        point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
        server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(enabled=True, kms_key_arn=args.key_arn),
        deletion_protection_enabled=args.deletion_protection,
        region=component.region,
        tags=component.tagged(args.table_name),
        # AWS reports the replica in the table's own description too.
        opts=component.child(guarded=True, ignore_changes=["replicas"]),
    )
    return Copies(table, None if args.replica is None else _replica(component, args, args.replica, table))


def _replica(
    component: Component, args: TableArgs, replica: Replica, table: aws.dynamodb.Table
) -> aws.dynamodb.TableReplica:
    return aws.dynamodb.TableReplica(
        component.child_name("replica"),
        global_table_arn=table.arn,
        kms_key_arn=replica.key_arn,
        # Settings of recovery and protection are each region's own: DynamoDB does not copy them.
        point_in_time_recovery=True,
        deletion_protection_enabled=args.deletion_protection,
        region=replica.region,
        tags=component.tagged(args.table_name),
        opts=component.child(guarded=True),
    )
