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
    table_arns: dict[str, pulumi.Output[str]]
    """By region: what the pods of each follow."""
    stream_arn: pulumi.Output[str]

    def __init__(self, name: str, args: TableArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        copies = replicated_table(self, args, _SCHEMA)
        self.table_name = copies.table.name
        self.table_arns = {self.region: copies.table.arn}
        self.stream_arn = copies.table.stream_arn
        if args.replica is not None and copies.replica is not None:
            self.table_arns[args.replica.region] = copies.replica.arn
        self.finish()
