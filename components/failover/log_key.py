"""A key in us-east-1 for what AWS's global services log and announce there, wherever the platform's regions are."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.keys.policies import Scope, logs_key
from infra.regions import GLOBAL_REGION


@dataclass(frozen=True, kw_only=True)
class GlobalLogKeyArgs:
    """`purpose` names the key among the environment's, as in `alias/serveml-prod-<purpose>`."""

    place: Place
    account_id: str
    purpose: str
    deletion_window_days: int


class GlobalLogKey(Component, area="failover"):
    """A key like the regional ones for logs: log groups and alarms of this account in us-east-1 may use it.

    Children: Key and Alias.
    """

    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: GlobalLogKeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        key_name = self.place.names.of(args.purpose)
        key = aws.kms.Key(
            self.child_name("key"),
            description=f"{args.purpose} of {self.place.names.prefix}",
            enable_key_rotation=True,
            deletion_window_in_days=args.deletion_window_days,
            policy=pulumi.Output.json_dumps(logs_key(Scope(args.account_id, GLOBAL_REGION))),
            region=GLOBAL_REGION,
            tags=self.tagged(key_name),
            opts=self.child(guarded=True),
        )
        aws.kms.Alias(
            self.child_name("alias"),
            name=f"alias/{key_name}",
            target_key_id=key.key_id,
            region=GLOBAL_REGION,
            opts=self.child(),
        )
        self.key_arn = key.arn
        self.finish()
