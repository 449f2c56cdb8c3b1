"""The hosted zone that all of the platform's names live in: one of its own, or one that stands already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place


@dataclass(frozen=True, kw_only=True)
class ZoneArgs:
    """`existing_zone_id` takes a zone that others own and delegate; None makes a public zone for `domain_name`."""

    place: Place
    domain_name: str
    existing_zone_id: str | None = None


class Zone(Component, area="failover"):
    """A public hosted zone.

    Children: the zone, unless one exists. `name_servers` are what the parent domain's registrar has to
    delegate to; it is empty for an existing zone, whose delegation stands.
    """

    zone_id: pulumi.Output[str]
    name_servers: pulumi.Output[Sequence[str]]

    def __init__(self, name: str, args: ZoneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        if args.existing_zone_id is None:
            # Guarded: a zone made anew gets other name servers, and every name is gone until the parent follows.
            zone = aws.route53.Zone(
                self.child_name("zone"),
                name=args.domain_name,
                comment=f"Names of {args.place.names.prefix}",
                force_destroy=False,
                tags=self.tagged(args.domain_name),
                opts=self.child(guarded=True),
            )
            self.zone_id = zone.zone_id
            self.name_servers = zone.name_servers
        else:
            self.zone_id = pulumi.Output.from_input(args.existing_zone_id)
            self.name_servers = pulumi.Output.from_input(list[str]())
        self.finish()
