"""The policies of the platform's own pods as a component."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from components.isolation.isolation import Isolation, IsolationArgs
from components.isolation.platform import Watched
from localcloud.graph import Graph
from tests.components.isolation.world import EVERYTHING
from tests.support.components import graph_of, place


class _StandIn(pulumi.ComponentResource):
    def __init__(self, name: str) -> None:
        super().__init__("test:stand:In", name)


def graph(watched: Watched | None = EVERYTHING, *, preview: bool = False) -> Graph:
    def program() -> None:
        space = kubernetes.core.v1.ConfigMap("namespaces")
        Isolation(
            "isolation",
            IsolationArgs(
                place=place(),
                provider=kubernetes.Provider("kubernetes", kubeconfig="{}"),
                cluster=_StandIn("cluster"),
                after=[space],
                watched=watched,
            ),
        )

    return graph_of(program, preview=preview)


def names(of: Graph) -> set[tuple[str, str]]:
    return {
        (node.inputs["metadata"]["namespace"], node.inputs["metadata"]["name"]) for node in of.of_type("NetworkPolicy")
    }


@pytest.mark.parametrize("preview", [True, False])
def test_each_application_has_its_policy(preview: bool) -> None:
    assert names(graph(preview=preview)) == {
        ("data", "mlflow"),
        ("logging", "fluent-bit"),
        *(
            ("monitoring", name)
            for name in (
                "alertmanager",
                "external-secrets",
                "grafana",
                "kube-state-metrics",
                "otel-collector",
                "prometheus",
                "prometheus-adapter",
                "prometheus-operator",
            )
        ),
    }


def test_without_anything_that_watches_only_the_data_is_opened() -> None:
    assert names(graph(None)) == {("data", "mlflow")}


def test_policies_come_after_their_namespaces_and_go_with_the_cluster() -> None:
    made = graph()
    before = made.one("ConfigMap", "namespaces").urn
    cluster = made.one("test:stand:In").urn
    for node in made.of_type("NetworkPolicy"):
        assert before in node.dependencies
        assert node.deleted_with == cluster
        assert node.provider


def test_the_ports_that_security_groups_have_to_pass_are_handed_out() -> None:
    outputs = graph().one("serveml:isolation:Isolation").registered_outputs
    assert outputs == {"system_pool_to_pods": [2020, 8001], "pods_to_system_pool": [4318]}
