"""The network on mocks: its shape, who may reach what, and what the endpoints let through."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network
from typing import Any, Literal

import pytest

from components.network import endpoint_policies
from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from components.network.vpc import Network, NetworkArgs
from contract import service
from localcloud.graph import Graph, Node
from tests.support.components import TAGS, graph_of, place

REGION = "eu-west-1"
ACCOUNT_ID = "123456789012"
CIDR = "10.0.0.0/16"
ZONES = [f"{REGION}{letter}" for letter in "abc"]
SERVICES = ["ecr.api", "ecr.dkr", "sts", "secretsmanager", "kms", "logs"]
BUCKET_ARN = "arn:aws:s3:::flow-logs"

UNTAGGABLE = {"Route", "RouteTableAssociation"}
DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")
"""What EC2 takes as description of a security group and of a rule (Amazon EC2 API Reference, CreateSecurityGroup)."""


def network(
    nat_gateways: Literal["single", "per_zone"] = "per_zone", zones: list[str] = ZONES
) -> Callable[[], Network]:
    return lambda: Network(
        "network",
        NetworkArgs(
            place=place(REGION),
            account_id=ACCOUNT_ID,
            cidr=CIDR,
            zones=zones,
            public_prefix_length=24,
            private_prefix_length=20,
            nat_gateways=nat_gateways,
            cluster_name="serveml-test-euw1",
            flow_log_bucket_arn=BUCKET_ARN,
            interface_endpoints=SERVICES,
        ),
    )


def groups(probe_port: int = service.PROBE_PORT, client_cidrs: Sequence[str] = (), tls: bool = True) -> SecurityGroups:
    return SecurityGroups(
        "groups",
        SecurityGroupsArgs(
            place=place(REGION),
            vpc_id="vpc-1",
            vpc_cidr=CIDR,
            cloudfront_prefix_list_id="pl-cloudfront",
            route53_prefix_list_id="pl-route53",
            pod_port=service.HTTP_PORT,
            probe_port=probe_port,
            client_cidrs=client_cidrs,
            tls=tls,
        ),
    )


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


def rules(graph: Graph, kind: str, group: str) -> list[dict[str, Any]]:
    """Rules of one group, without region, tags and description, by port."""
    group_id = graph.one("SecurityGroup", group).id
    dropped = {"region", "tags", "description", "securityGroupId"}
    return in_order(
        {key: value for key, value in node.inputs.items() if key not in dropped}
        for node in graph.of_type(f"SecurityGroup{kind}Rule")
        if node.inputs["securityGroupId"] == group_id
    )


def in_order(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda rule: json.dumps(rule, sort_keys=True))


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


# --- security groups


def tcp(port: int, **peer: str) -> dict[str, Any]:
    return {"ipProtocol": "tcp", "fromPort": port, "toPort": port, **peer}


@pytest.mark.parametrize("origin", ["cloudfront", "route53"])
def test_the_load_balancer_takes_https_from_one_prefix_list_a_group(guarded: Graph, origin: str) -> None:
    # 55 and 25 rules by weight: both in one group would pass its 60.
    assert rules(guarded, "Ingress", f"load-balancer-{origin}") == [tcp(443, prefixListId=f"pl-{origin}")]


@pytest.mark.parametrize("origin", ["cloudfront", "route53"])
def test_the_load_balancer_reaches_only_the_ports_of_pods(guarded: Graph, origin: str) -> None:
    pods = guarded.one("SecurityGroup", "pods").id
    assert rules(guarded, "Egress", f"load-balancer-{origin}") == [
        tcp(port, referencedSecurityGroupId=pods) for port in (service.HTTP_PORT, service.PROBE_PORT)
    ]


def test_pods_take_their_ports_from_the_load_balancer_and_anything_from_pods(guarded: Graph) -> None:
    pods = guarded.one("SecurityGroup", "pods").id
    from_balancer = [
        tcp(port, referencedSecurityGroupId=guarded.one("SecurityGroup", f"load-balancer-{origin}").id)
        for origin in ("cloudfront", "route53")
        for port in (service.HTTP_PORT, service.PROBE_PORT)
    ]
    among = {"ipProtocol": "-1", "referencedSecurityGroupId": pods}
    assert rules(guarded, "Ingress", "groups-pods") == in_order([*from_balancer, among])


def test_pods_reach_https_dns_database_and_cache_and_nothing_else(guarded: Graph) -> None:
    pods, database, cache = (guarded.one("SecurityGroup", name).id for name in ("pods", "database", "cache"))
    allowed = [
        {"ipProtocol": "-1", "referencedSecurityGroupId": pods},
        tcp(443, cidrIpv4="0.0.0.0/0"),
        tcp(53, cidrIpv4=CIDR),
        {**tcp(53, cidrIpv4=CIDR), "ipProtocol": "udp"},
        tcp(5432, referencedSecurityGroupId=database),
        tcp(6379, referencedSecurityGroupId=cache),
    ]
    assert rules(guarded, "Egress", "groups-pods") == in_order(allowed)


@pytest.mark.parametrize(("store", "port"), [("database", 5432), ("cache", 6379)])
def test_a_data_store_takes_its_port_from_pods_and_opens_no_connection(guarded: Graph, store: str, port: int) -> None:
    pods = guarded.one("SecurityGroup", "pods").id
    assert rules(guarded, "Ingress", store) == [tcp(port, referencedSecurityGroupId=pods)]
    assert rules(guarded, "Egress", store) == []


def test_without_an_edge_named_clients_call_the_load_balancer_and_cloudfront_does_not() -> None:
    graph = graph_of(lambda: groups(client_cidrs=["198.51.100.0/24", "2001:db8::/32"]))
    assert rules(graph, "Ingress", "load-balancer-clients") == in_order(
        [tcp(443, cidrIpv4="198.51.100.0/24"), tcp(443, cidrIpv6="2001:db8::/32")]
    )
    assert not [node for node in graph.custom() if node.inputs.get("prefixListId") == "pl-cloudfront"]


def test_without_tls_the_load_balancer_is_called_by_http() -> None:
    graph = graph_of(lambda: groups(client_cidrs=["198.51.100.0/24"], tls=False))
    assert rules(graph, "Ingress", "load-balancer-clients") == [tcp(80, cidrIpv4="198.51.100.0/24")]
    assert rules(graph, "Ingress", "load-balancer-route53") == [tcp(80, prefixListId="pl-route53")]


def test_a_server_that_answers_probes_on_its_only_port_has_no_rule_twice() -> None:
    graph = graph_of(lambda: groups(probe_port=service.HTTP_PORT))
    pods = graph.one("SecurityGroup", "pods").id
    assert rules(graph, "Egress", "load-balancer-route53") == [tcp(service.HTTP_PORT, referencedSecurityGroupId=pods)]


def test_descriptions_keep_to_the_characters_that_ec2_takes(made: Graph, guarded: Graph) -> None:
    described = [node for node in (*made.custom(), *guarded.custom()) if "description" in node.inputs]
    assert described
    assert [node.name for node in described if DESCRIPTION.fullmatch(node.inputs["description"]) is None] == []


def test_the_groups_are_handed_out_by_what_they_are_for(guarded: Graph) -> None:
    outputs = guarded.one("serveml:network:SecurityGroups").registered_outputs
    assert outputs == {
        "load_balancer_group_ids": [
            guarded.one("SecurityGroup", f"load-balancer-{origin}").id for origin in ("cloudfront", "route53")
        ],
        "pod_group_id": guarded.one("SecurityGroup", "pods").id,
        "database_group_id": guarded.one("SecurityGroup", "database").id,
        "cache_group_id": guarded.one("SecurityGroup", "cache").id,
    }
