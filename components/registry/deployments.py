"""The table `deployments`: which versions serve, with which weights. Pods follow it, operators' commands write it."""

from __future__ import annotations

import pulumi

from components.base import Component
from components.registry.table import Schema, TableArgs, replicated_table
from contract import registry

_SCHEMA = Schema(
    hash_key=registry.HASH_KEY,
    range_key=registry.RANGE_KEY,
    index=registry.STATUS_INDEX,
    index_hash_key=registry.STATUS_ATTRIBUTE,
    # An ISO 8601 time in UTC: as text it sorts as it happened.
    index_range_key=registry.CREATED_AT_ATTRIBUTE,
    ttl_attribute=registry.TTL_ATTRIBUTE,
)


class Registry(Component, area="registry"):
    """The table and its copy in the other region.

    Children: Table; TableReplica where a replica is asked for.
    """

    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]
    stream_arn: pulumi.Output[str]
    replica_arn: pulumi.Output[str | None]

    def __init__(self, name: str, args: TableArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        copies = replicated_table(self, args, _SCHEMA)
        self.table_name = copies.table.name
        self.table_arn = copies.table.arn
        self.stream_arn = copies.table.stream_arn
        self.replica_arn = pulumi.Output.from_input(copies.replica.arn if copies.replica else None)
        self.finish()
