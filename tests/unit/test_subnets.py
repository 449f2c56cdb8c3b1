"""The arithmetic of subnets: what any VPC, zone count and size must satisfy."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from components.network.subnets import InvalidSubnetPlan, SubnetPlan, check_zones, plan


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, int, int, int]:
    """A VPC, zones and sizes, most of which fit."""
    vpc_prefix_length = draw(st.integers(16, 20))
    network = draw(st.integers(0, 2**vpc_prefix_length - 1)) << (32 - vpc_prefix_length)
    zones = draw(st.integers(1, 6))
    return (
        str(IPv4Network((network, vpc_prefix_length))),
        zones,
        draw(st.integers(vpc_prefix_length + 1, 27)),
        draw(st.integers(vpc_prefix_length + 1, 28)),
    )


def planned(cidr: str, zones: int, public: int, private: int) -> SubnetPlan:
    """The plan, or no example where it does not fit."""
    size = zones * (2 ** (32 - public) + 2 ** (32 - private))
    assume(size <= IPv4Network(cidr).num_addresses)
    return plan(cidr, zones, public, private)


@given(requests())
def test_subnets_lie_in_the_vpc_and_never_overlap(request: tuple[str, int, int, int]) -> None:
    subnets = planned(*request)
    networks = [IPv4Network(cidr) for cidr in (*subnets.public, *subnets.private)]
    assert all(network.subnet_of(IPv4Network(request[0])) for network in networks)
    assert not any(one.overlaps(other) for one, other in combinations(networks, 2))


@given(requests())
def test_each_zone_gets_one_subnet_of_each_kind_in_the_size_asked_for(request: tuple[str, int, int, int]) -> None:
    _, zones, public, private = request
    subnets = planned(*request)
    assert [IPv4Network(cidr).prefixlen for cidr in subnets.public] == [public] * zones
    assert [IPv4Network(cidr).prefixlen for cidr in subnets.private] == [private] * zones


@given(requests())
def test_whatever_fits_by_count_of_addresses_is_placed_and_nothing_else(request: tuple[str, int, int, int]) -> None:
    cidr, zones, public, private = request
    needed = zones * (2 ** (32 - public) + 2 ** (32 - private))
    if needed <= IPv4Network(cidr).num_addresses:
        assert len(plan(*request).public) == zones
    else:
        with pytest.raises(InvalidSubnetPlan):
            plan(*request)


@given(requests(), st.integers(17, 28))
def test_resizing_private_subnets_moves_no_public_one(request: tuple[str, int, int, int], resized: int) -> None:
    cidr, zones, public, _ = request
    assume(resized > IPv4Network(cidr).prefixlen)
    assert planned(*request).public == planned(cidr, zones, public, resized).public


@given(requests())
def test_a_further_zone_moves_no_subnet(request: tuple[str, int, int, int]) -> None:
    cidr, zones, public, private = request
    now, later = planned(*request), planned(cidr, zones + 1, public, private)
    assert later.public[:zones] == now.public
    assert later.private[:zones] == now.private


def test_the_default_network_has_three_subnets_of_each_kind() -> None:
    subnets = plan("10.0.0.0/16", 3, 24, 20)
    assert subnets.public == ("10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24")
    assert subnets.private == ("10.0.240.0/20", "10.0.224.0/20", "10.0.208.0/20")


def test_too_wide_private_subnets_are_refused_with_the_size_that_fits() -> None:
    with pytest.raises(InvalidSubnetPlan, match=r"private ones of /17 do not fit into the VPC 10\.0\.0\.0/16.*/18 or"):
        plan("10.0.0.0/16", 3, 24, 17)


def test_public_subnets_that_leave_no_room_are_named_as_the_cause() -> None:
    with pytest.raises(InvalidSubnetPlan, match="make the public ones smaller, or give a wider VPC"):
        plan("10.0.0.0/24", 2, 25, 28)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ten", 3, 24, 24), "'ten' is not an IPv4 range: write one such as"),
        (("10.0.1.0/16", 3, 24, 24), r"not the start of a range: write 10\.0\.0\.0/16"),
        (("10.0.0.0/8", 3, 24, 24), "AWS takes /16 to /28"),
        (("10.0.0.0/16", 0, 24, 24), "0 zones .* at least one"),
        (("10.0.0.0/16", 3, 28, 24), "public subnet of /28 .* from 17 to 27"),
        (("10.0.0.0/16", 3, 24, 16), "private subnet of /16 .* from 17 to 28"),
    ],
)
def test_a_refusal_names_the_value_and_what_is_allowed(arguments: tuple[str, int, int, int], message: str) -> None:
    with pytest.raises(InvalidSubnetPlan, match=message):
        plan(*arguments)


def test_zones_of_the_region_are_taken_in_their_order() -> None:
    assert check_zones(["eu-west-1c", "eu-west-1a"], "eu-west-1") == ("eu-west-1c", "eu-west-1a")


@pytest.mark.parametrize("zone", ["us-east-1a", "eu-west-1", "eu-west-1-lon-1a", "eu-west-11"])
def test_a_zone_of_elsewhere_is_refused(zone: str) -> None:
    with pytest.raises(InvalidSubnetPlan, match=f"'{zone}' is not an availability zone of eu-west-1"):
        check_zones([zone], "eu-west-1")


def test_a_zone_given_twice_is_refused() -> None:
    with pytest.raises(InvalidSubnetPlan, match="one zone twice"):
        check_zones(["eu-west-1a", "eu-west-1a"], "eu-west-1")
