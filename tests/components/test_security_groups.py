"""Security groups on mocks: who may reach what, and from where."""

from __future__ import annotations

from typing import Any

import pytest

from contract import service
from localcloud.graph import Graph
from tests.components.network import CIDR, groups, in_order, rules
from tests.support.components import graph_of


@pytest.fixture(scope="module")
def guarded() -> Graph:
    return graph_of(groups)


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
