"""What other components tell of themselves so that alarms can find their metrics."""

from __future__ import annotations

from typing import Any

import pytest

from components.edge.edge import Edge
from components.ingress.ingress import Ingress
from localcloud.graph import Graph
from tests.components import test_edge, test_ingress
from tests.components.test_network import ZONES, network
from tests.support.components import graph_of


def outputs(graph: Graph, name: str) -> dict[str, Any]:
    (component,) = [node for node in graph.components() if node.name == name]
    assert component.registered_outputs is not None
    return dict(component.registered_outputs)


@pytest.mark.parametrize(("nat_gateways", "zones"), [("single", ZONES[:1]), ("per_zone", ZONES)])
def test_a_network_names_its_nat_gateways_by_zone(nat_gateways: Any, zones: list[str]) -> None:
    graph = graph_of(network(nat_gateways))
    ids = {node.inputs["tags"]["Name"].partition("-nat-")[2]: node.id for node in graph.of_type("NatGateway")}
    assert outputs(graph, "network")["nat_gateway_ids"] == ids
    assert sorted(ids) == zones


@pytest.mark.parametrize("preview", [False, True])
def test_a_web_acl_is_known_by_the_name_of_its_metrics(preview: bool) -> None:
    def program() -> None:
        Ingress("ingress", test_ingress.ARGS)
        Edge("edge", test_edge.ARGS)

    graph = graph_of(program, preview=preview)
    for name in ("ingress", "edge"):
        acl = graph.one("WebAcl", name)
        assert outputs(graph, name)["web_acl_metric_name"] == acl.inputs["visibilityConfig"]["metricName"]
