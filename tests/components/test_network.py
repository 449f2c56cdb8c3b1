"""The network on mocks: its shape, the ways in and out of it, and what the endpoints let through."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pytest

from components.network import endpoint_policies
from localcloud.graph import Graph, Node
from tests.components.network import ACCOUNT_ID, BUCKET_ARN, CIDR, REGION, SERVICES, ZONES, groups, network, rules
from tests.support.components import TAGS, graph_of

UNTAGGABLE = {"Route", "RouteTableAssociation"}
DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")
"""What EC2 takes as description of a security group and of a rule (Amazon EC2 API Reference, CreateSecurityGroup)."""


@pytest.fixture(scope="module")
def made() -> Graph:
    return graph_of(network())


@pytest.fixture(scope="module")
def guarded() -> Graph:
    return graph_of(groups)


def subnets_of(graph: Graph, kind: str) -> list[Node]:
    """Subnets of a kind, by zone: registration has no order of its own."""
    return sorted((node for node in graph.of_type("Subnet") if f"-{kind}-" in node.name), key=lambda node: node.name)


def policy_of(graph: Graph, endpoint: str) -> dict[str, Any]:
    return json.loads(graph.one("VpcEndpoint", endpoint).inputs["policy"])


# --- the VPC


@pytest.mark.parametrize("program", [network(), network("single"), groups], ids=["per_zone", "single", "groups"])
def test_a_preview_shows_every_resource_of_the_update(program: Callable[[], object]) -> None:
    assert {node.urn for node in graph_of(program, preview=True)} == {node.urn for node in graph_of(program)}


def test_every_resource_is_in_the_region_and_carries_the_tags(made: Graph, guarded: Graph) -> None:
    for node in (*made.custom(), *guarded.custom()):
        assert node.region == REGION, node.name
        if node.type.rsplit(":", 1)[-1] not in UNTAGGABLE:
            assert TAGS.items() <= node.inputs["tags"].items(), node.name
            assert node.inputs["tags"]["Name"].startswith("serveml-test-euw1-"), node.name


def test_the_vpc_resolves_names(made: Graph) -> None:
    vpc = made.one("aws:ec2/vpc:Vpc")
    assert vpc.inputs["cidrBlock"] == CIDR
    assert vpc.inputs["enableDnsSupport"] is True
    assert vpc.inputs["enableDnsHostnames"] is True


def test_each_zone_has_a_public_and_a_private_subnet_marked_for_kubernetes(made: Graph) -> None:
    for kind, role in (("public", "elb"), ("private", "internal-elb")):
        subnets = subnets_of(made, kind)
        assert [node.inputs["availabilityZone"] for node in subnets] == ZONES
        for node in subnets:
            assert node.inputs["tags"][f"kubernetes.io/role/{role}"] == "1"
            assert node.inputs["tags"]["kubernetes.io/cluster/serveml-test-euw1"] == "shared"
            assert IPv4Network(node.inputs["cidrBlock"]).subnet_of(IPv4Network(CIDR))


def test_nothing_started_in_a_subnet_gets_a_public_address_by_itself(made: Graph) -> None:
    assert all(node.inputs["mapPublicIpOnLaunch"] is False for node in made.of_type("Subnet"))


def test_the_default_security_group_lets_nothing_through(made: Graph) -> None:
    default = made.one("DefaultSecurityGroup")
    assert default.inputs["ingress"] == []
    assert default.inputs["egress"] == []


def test_a_nat_gateway_in_each_zone_serves_the_private_subnet_of_that_zone(made: Graph) -> None:
    by_id = {node.id: node for node in made.custom()}
    tables = {node.inputs["subnetId"]: node.inputs["routeTableId"] for node in made.of_type("RouteTableAssociation")}
    nats = {
        node.inputs["routeTableId"]: by_id[node.inputs["natGatewayId"]]
        for node in made.of_type("Route")
        if "natGatewayId" in node.inputs
    }
    assert len(made.of_type("NatGateway")) == len(made.of_type("Eip")) == len(ZONES)
    for subnet in subnets_of(made, "private"):
        nat = nats[tables[subnet.id]]
        assert by_id[nat.inputs["subnetId"]].inputs["availabilityZone"] == subnet.inputs["availabilityZone"]


def test_a_single_nat_gateway_serves_all_private_subnets_by_tables_of_their_own() -> None:
    graph = graph_of(network("single"))
    nat = graph.one("NatGateway")
    private = [node for node in graph.of_type("Route") if "natGatewayId" in node.inputs]
    assert [node.inputs["natGatewayId"] for node in private] == [nat.id] * len(ZONES)
    assert len({node.inputs["routeTableId"] for node in private}) == len(ZONES)


def test_only_public_subnets_have_a_route_to_the_internet_gateway(made: Graph) -> None:
    public = [node for node in made.of_type("Route") if "gatewayId" in node.inputs]
    assert [node.inputs["gatewayId"] for node in public] == [made.one("InternetGateway").id]
    users = [
        node.inputs["subnetId"]
        for node in made.of_type("RouteTableAssociation")
        if node.inputs["routeTableId"] == public[0].inputs["routeTableId"]
    ]
    assert sorted(users) == [node.id for node in subnets_of(made, "public")]


def test_a_subnet_is_handed_out_only_once_its_way_out_stands(made: Graph) -> None:
    routes = {node.inputs["routeTableId"]: node.urn for node in made.of_type("Route")}
    for node in made.of_type("RouteTableAssociation"):
        assert routes[node.inputs["routeTableId"]] in node.dependencies
    ways = {node.urn for node in made.of_type("RouteTableAssociation")}
    for nat in made.of_type("NatGateway"):
        assert ways & set(nat.property_dependencies["subnetId"])


def test_the_internet_gateway_outlives_the_addresses_mapped_through_it(made: Graph) -> None:
    gateway = made.one("InternetGateway").urn
    assert all(gateway in node.dependencies for node in (*made.of_type("Eip"), *made.of_type("NatGateway")))


def test_all_flows_are_logged_to_the_bucket_in_hourly_partitions(made: Graph) -> None:
    log = made.one("FlowLog")
    assert log.inputs["trafficType"] == "ALL"
    assert log.inputs["logDestinationType"] == "s3"
    assert log.inputs["logDestination"] == BUCKET_ARN
    assert log.inputs["destinationOptions"] == {
        "fileFormat": "parquet",
        "hiveCompatiblePartitions": True,
        "perHourPartition": True,
    }
    assert log.inputs["logFormat"].startswith("${version} ${account-id} ")


def test_the_outputs_are_the_ids_of_what_was_made(made: Graph) -> None:
    outputs = made.one("serveml:network:Network").registered_outputs
    assert outputs == {
        "vpc_id": made.one("aws:ec2/vpc:Vpc").id,
        "public_subnet_ids": [node.id for node in subnets_of(made, "public")],
        "private_subnet_ids": [node.id for node in subnets_of(made, "private")],
        "private_route_table_ids": sorted(node.id for node in made.of_type("RouteTable") if "private" in node.name),
        "nat_gateway_ids": {zone: made.one("NatGateway", zone).id for zone in ZONES},
        "endpoint_security_group_id": made.one("SecurityGroup", "interfaces").id,
    }


def test_a_zone_of_another_region_stops_the_program_before_anything_is_made() -> None:
    with pytest.raises(ValueError, match="'us-east-1a' is not an availability zone of eu-west-1"):
        graph_of(network(zones=["us-east-1a"]))


# --- endpoints


def test_the_gateways_serve_the_private_route_tables(made: Graph) -> None:
    private = {node.id for node in made.of_type("RouteTable") if "private" in node.name}
    gateways = [node for node in made.of_type("VpcEndpoint") if node.inputs["vpcEndpointType"] == "Gateway"]
    assert {node.inputs["serviceName"] for node in gateways} == {
        f"com.amazonaws.{REGION}.s3",
        f"com.amazonaws.{REGION}.dynamodb",
    }
    assert all(set(node.inputs["routeTableIds"]) == private for node in gateways)


def test_the_interfaces_answer_by_private_name_in_every_private_subnet(made: Graph) -> None:
    interfaces = [node for node in made.of_type("VpcEndpoint") if node.inputs["vpcEndpointType"] == "Interface"]
    assert {node.inputs["serviceName"] for node in interfaces} == {
        f"com.amazonaws.{REGION}.{name}" for name in SERVICES
    }
    for node in interfaces:
        assert node.inputs["privateDnsEnabled"] is True
        assert node.inputs["subnetIds"] == [subnet.id for subnet in subnets_of(made, "private")]
        assert node.inputs["securityGroupIds"] == [made.one("SecurityGroup", "interfaces").id]


def test_the_interfaces_take_https_from_the_vpc_alone(made: Graph) -> None:
    assert rules(made, "Ingress", "interfaces") == [
        {"ipProtocol": "tcp", "fromPort": 443, "toPort": 443, "cidrIpv4": CIDR}
    ]
    assert rules(made, "Egress", "interfaces") == []


def test_data_leaves_by_an_endpoint_only_within_the_account(made: Graph) -> None:
    bound = {"aws:PrincipalAccount": ACCOUNT_ID, "aws:ResourceAccount": ACCOUNT_ID}
    for endpoint in (
        "endpoints-s3",
        "endpoints-dynamodb",
        "endpoints-secretsmanager",
        "endpoints-kms",
        "endpoints-logs",
    ):
        assert policy_of(made, endpoint)["Statement"][0]["Condition"] == {"StringEquals": bound}, endpoint


def test_images_of_aws_registries_can_be_pulled_by_callers_of_the_account(made: Graph) -> None:
    for endpoint in ("endpoints-ecr-api", "endpoints-ecr-dkr"):
        (statement,) = policy_of(made, endpoint)["Statement"]
        assert statement["Action"] == "ecr:*"
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT_ID}}


def test_only_image_layers_are_read_from_buckets_of_others(made: Graph) -> None:
    _, layers = policy_of(made, "endpoints-s3")["Statement"]
    assert layers["Action"] == "s3:GetObject"
    assert layers["Resource"] == [
        f"arn:aws:s3:::prod-{REGION}-starport-layer-bucket/*",
        f"arn:aws:s3:::prod-registry-k8s-io-{REGION}/*",
    ]


def test_a_service_without_a_policy_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(endpoint_policies.UnknownEndpoint, match=r"'ftp': choose from ecr\.api, ecr\.dkr, kms"):
        endpoint_policies.interface_endpoint("ftp", ACCOUNT_ID)


def test_descriptions_keep_to_the_characters_that_ec2_takes(made: Graph, guarded: Graph) -> None:
    described = [node for node in (*made.custom(), *guarded.custom()) if "description" in node.inputs]
    assert described
    assert [node.name for node in described if DESCRIPTION.fullmatch(node.inputs["description"]) is None] == []
