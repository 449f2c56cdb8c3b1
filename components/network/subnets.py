"""Divides a VPC's address range into a public and a private subnet for each zone: arithmetic, no resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from infra.errors import InvalidInput

# AWS takes VPCs and subnets from /16 to /28 (Amazon VPC User Guide, "VPC CIDR blocks" and "Subnet sizing").
WIDEST_PREFIX_LENGTH = 16
NARROWEST_PREFIX_LENGTH = 28

# A load balancer wants a subnet of /27 or wider, eight addresses of it free (Elastic Load Balancing,
# "Application Load Balancers", "Subnets for your load balancer").
NARROWEST_PUBLIC_PREFIX_LENGTH = 27


class InvalidSubnetPlan(InvalidInput):
    """A range, size or number of zones that cannot be divided; the message says what would be possible."""


@dataclass(frozen=True)
class SubnetPlan:
    """The subnets of a VPC in CIDR notation, by index of zone."""

    public: tuple[str, ...]
    private: tuple[str, ...]


def plan(cidr: str, zones: int, public_prefix_length: int, private_prefix_length: int) -> SubnetPlan:
    """Place `zones` public subnets from the bottom of the range upwards, and the private ones from the top downwards.

    Growing from both ends keeps what exists in place: a wider private subnet moves no public one, and a
    further zone moves nothing at all. Raises InvalidSubnetPlan.
    """
    vpc = _vpc_range(cidr)
    if zones < 1:
        raise InvalidSubnetPlan(f"{zones} zones were given for the VPC {vpc}: give at least one")
    _check_size("public", public_prefix_length, vpc, NARROWEST_PUBLIC_PREFIX_LENGTH)
    _check_size("private", private_prefix_length, vpc, NARROWEST_PREFIX_LENGTH)

    public_size, private_size = _size(public_prefix_length), _size(private_prefix_length)
    if zones * (public_size + private_size) > vpc.num_addresses:
        raise InvalidSubnetPlan(_no_room(vpc, zones, public_prefix_length, private_prefix_length))
    bottom = int(vpc.network_address)
    top = bottom + vpc.num_addresses
    # Both ends are aligned, for the VPC is a power of two of addresses and wider than any subnet.
    return SubnetPlan(
        public=tuple(_block(bottom + zone * public_size, public_prefix_length) for zone in range(zones)),
        private=tuple(_block(top - (zone + 1) * private_size, private_prefix_length) for zone in range(zones)),
    )


def check_zones(zones: Sequence[str], region: str) -> tuple[str, ...]:
    """Return `zones` if each is an availability zone of the region, none twice; raise InvalidSubnetPlan if not."""
    for zone in zones:
        letter = zone.removeprefix(region)
        # Local and wavelength zones have longer names; neither carries every service the platform needs.
        if letter == zone or len(letter) != 1 or not letter.isalpha():
            raise InvalidSubnetPlan(f"{zone!r} is not an availability zone of {region}: give names such as {region}a")
    if len(set(zones)) != len(zones):
        raise InvalidSubnetPlan(f"the zones {', '.join(zones)} name one zone twice: give each zone once")
    return tuple(zones)


def _vpc_range(cidr: str) -> IPv4Network:
    try:
        vpc = IPv4Network(cidr, strict=False)
    except ValueError as error:
        raise InvalidSubnetPlan(f"{cidr!r} is not an IPv4 range: write one such as 10.0.0.0/16") from error
    if str(vpc) != cidr:
        raise InvalidSubnetPlan(f"{cidr!r} is not the start of a range: write {vpc}")
    if not WIDEST_PREFIX_LENGTH <= vpc.prefixlen <= NARROWEST_PREFIX_LENGTH:
        raise InvalidSubnetPlan(
            f"the VPC {vpc} is out of bounds: AWS takes /{WIDEST_PREFIX_LENGTH} to /{NARROWEST_PREFIX_LENGTH}"
        )
    return vpc


def _check_size(kind: str, prefix_length: int, vpc: IPv4Network, narrowest: int) -> None:
    if not vpc.prefixlen < prefix_length <= narrowest:
        raise InvalidSubnetPlan(
            f"a {kind} subnet of /{prefix_length} does not suit the VPC {vpc}: "
            f"choose a prefix length from {vpc.prefixlen + 1} to {narrowest}"
        )


def _size(prefix_length: int) -> int:
    return 1 << (32 - prefix_length)


def _block(address: int, prefix_length: int) -> str:
    return str(IPv4Network((address, prefix_length)))


def _no_room(vpc: IPv4Network, zones: int, public_prefix_length: int, private_prefix_length: int) -> str:
    left_per_zone = vpc.num_addresses // zones - _size(public_prefix_length)
    fitting = next(
        (
            length
            for length in range(private_prefix_length + 1, NARROWEST_PREFIX_LENGTH + 1)
            if _size(length) <= left_per_zone
        ),
        None,
    )
    remedy = (
        f"make the private ones /{fitting} or smaller"
        if fitting is not None
        else "make the public ones smaller, or give a wider VPC"
    )
    return (
        f"{zones} public subnets of /{public_prefix_length} and {zones} private ones of /{private_prefix_length} "
        f"do not fit into the VPC {vpc}: {remedy}"
    )
