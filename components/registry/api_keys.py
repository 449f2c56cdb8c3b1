"""The table of API keys: digests, owners and limits, never a key. Pods read all of it, operators' commands write it."""

from __future__ import annotations

import pulumi

from components.base import Component
from components.registry.table import Schema, TableArgs, replicated_table
from contract import access

_SCHEMA = Schema(
    hash_key=access.HASH_KEY,
    index=access.USER_INDEX,
    index_hash_key=access.USER_INDEX_HASH_KEY,
    ttl_attribute=access.TTL_ATTRIBUTE,
)


class ApiKeys(Component, area="registry"):
    """The table and its copy in the other region: a key that is issued in one is good in both within seconds.

    Children: Table; TableReplica where a replica is asked for.
    """

    table_name: pulumi.Output[str]
    table_arns: dict[str, pulumi.Output[str]]
    """By region: what the pods of each may read."""

    def __init__(self, name: str, args: TableArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        copies = replicated_table(self, args, _SCHEMA)
        self.table_name = copies.table.name
        self.table_arns = {self.region: copies.table.arn}
        if args.replica is not None and copies.replica is not None:
            self.table_arns[args.replica.region] = copies.replica.arn
        self.finish()
