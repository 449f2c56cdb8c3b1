"""Rules between the system pool's security group and the pods' own, on mocks."""

from __future__ import annotations

from typing import Any

import pytest

from components.network.system_pool import SystemPoolRules, SystemPoolRulesArgs
from localcloud.graph import Graph
from tests.components.network import in_order
from tests.support.components import graph_of, place


def made(*, preview: bool = False) -> Graph:
    return graph_of(
        lambda: SystemPoolRules(
            "between",
            SystemPoolRulesArgs(
                place=place(),
                pod_group_id="sg-pods",
                cluster_group_id="sg-cluster",
                into_pods=[8001, 2020],
                out_of_pods=[4318],
            ),
        ),
        preview=preview,
    )


def rules(graph: Graph, kind: str) -> list[dict[str, Any]]:
    kept = ("securityGroupId", "referencedSecurityGroupId", "ipProtocol", "fromPort", "toPort")
    return in_order({key: node.inputs[key] for key in kept} for node in graph.of_type(f"SecurityGroup{kind}Rule"))


def tcp(group: str, peer: str, port: int) -> dict[str, Any]:
    return {
        "securityGroupId": group,
        "referencedSecurityGroupId": peer,
        "ipProtocol": "tcp",
        "fromPort": port,
        "toPort": port,
    }


@pytest.mark.parametrize("preview", [True, False])
def test_each_port_is_open_from_group_to_group_and_no_other_is(preview: bool) -> None:
    graph = made(preview=preview)
    assert rules(graph, "Ingress") == in_order(
        [
            tcp("sg-pods", "sg-cluster", 8001),
            tcp("sg-pods", "sg-cluster", 2020),
            tcp("sg-cluster", "sg-pods", 4318),
        ]
    )
    # EKS lets everything out of the cluster's group.
    assert rules(graph, "Egress") == [tcp("sg-pods", "sg-cluster", 4318)]


def test_the_rules_carry_region_and_tags() -> None:
    for node in made().custom():
        assert node.region == "eu-west-1"
        assert node.inputs["tags"]["Name"]
        assert node.inputs["description"]
