"""What the program asks AWS before it makes anything: whose account this is, and what a region has to offer."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi_aws as aws

from infra.errors import InvalidInput

# Zones in which EKS puts no control plane (Amazon EKS user guide, "Subnet requirements and considerations").
_ZONES_WITHOUT_EKS = ("use1-az3", "usw1-az2", "cac1-az3")

_CLOUDFRONT_PREFIX_LIST = "com.amazonaws.global.cloudfront.origin-facing"


class TooFewZones(InvalidInput):
    """A region that offers fewer availability zones than the settings ask for."""


@dataclass(frozen=True)
class RegionFacts:
    """What AWS says of one region. The zones decide how many subnets there are, so they are plain strings."""

    region: str
    zones: tuple[str, ...]
    cloudfront_prefix_list_id: str
    route53_prefix_list_id: str


def account_id() -> str:
    return aws.get_caller_identity().account_id


def region_facts(region: str, zones: int) -> RegionFacts:
    """Ask for the region's zones and AWS's own prefix lists; TooFewZones if there are not enough for `zones`."""
    available = sorted(
        aws.get_availability_zones(
            state="available",
            exclude_zone_ids=list(_ZONES_WITHOUT_EKS),
            filters=[aws.GetAvailabilityZonesFilterArgs(name="opt-in-status", values=["opt-in-not-required"])],
            region=region,
        ).names
    )
    if len(available) < zones:
        raise TooFewZones(
            f"{region} offers {len(available)} availability zones to this account and the settings ask for {zones}: "
            "lower serveml:network.zones"
        )
    return RegionFacts(
        region=region,
        zones=tuple(available[:zones]),
        cloudfront_prefix_list_id=_prefix_list(_CLOUDFRONT_PREFIX_LIST, region),
        route53_prefix_list_id=_prefix_list(f"com.amazonaws.{region}.route53-healthchecks", region),
    )


def _prefix_list(name: str, region: str) -> str:
    return aws.ec2.get_managed_prefix_list(name=name, region=region).id
