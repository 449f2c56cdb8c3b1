"""The metrics adapter: what is registered, what it may do, and that it runs where the API server reaches it."""

from __future__ import annotations

from typing import Any

import pulumi_kubernetes as kubernetes
import pytest
import yaml

from components.autoscaling import adapter
from components.autoscaling.metrics_adapter import MetricsAdapter, MetricsAdapterArgs
from components.autoscaling.rule import InvalidRule, configuration
from components.workload.errors import InvalidWorkload
from localcloud.graph import Graph, Node
from tests.support.components import graph_of, place

IMAGE = "registry.example/prometheus-adapter@sha256:" + "c" * 64
URL = "http://prometheus.monitoring.svc:9090"


def graph(*, replicas: int = 2, image: str = IMAGE) -> Graph:
    def program() -> None:
        stand_in = kubernetes.core.v1.ConfigMap("cluster", metadata={"name": "cluster"})
        MetricsAdapter(
            "adapter",
            MetricsAdapterArgs(
                place=place(),
                provider=kubernetes.Provider("provider", kubeconfig="{}"),
                cluster=stand_in,
                after=[stand_in],
                image=image,
                replicas=replicas,
                prometheus_url=URL,
                scrape_interval_seconds=15,
            ),
        )

    return graph_of(program)


def pod() -> dict[str, Any]:
    return graph().one("Deployment").inputs["spec"]["template"]["spec"]


def rules(node: Node) -> list[dict[str, Any]]:
    return list(node.inputs["rules"])


def test_the_api_is_registered_once_pods_and_service_stand() -> None:
    found = graph()
    api = found.one("APIService")

    assert api.inputs["metadata"]["name"] == "v1beta1.custom.metrics.k8s.io"
    assert (api.inputs["spec"]["group"], api.inputs["spec"]["version"]) == ("custom.metrics.k8s.io", "v1beta1")
    service = found.one("Service").inputs
    reference = api.inputs["spec"]["service"]
    assert (reference["name"], reference["namespace"]) == (service["metadata"]["name"], "monitoring")
    assert reference["port"] == service["spec"]["ports"][0]["port"] == 443
    assert {found.one("Deployment").urn, found.one("Service").urn} <= set(api.dependencies)


def test_it_may_list_serving_pods_and_nothing_else_of_the_cluster() -> None:
    found = graph()
    role = found.one("kubernetes:rbac.authorization.k8s.io/v1:Role")

    assert role.inputs["metadata"]["namespace"] == "ml-system"
    assert rules(role) == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]


def test_who_calls_is_asked_of_the_api_server() -> None:
    found = graph()
    delegator = found.one("ClusterRoleBinding", "delegator").inputs
    reader = found.one("RoleBinding", "authentication").inputs

    assert delegator["roleRef"]["name"] == "system:auth-delegator"
    assert reader["metadata"]["namespace"] == "kube-system"
    assert reader["roleRef"]["name"] == "extension-apiserver-authentication-reader"


def test_its_pods_run_on_the_system_pool_apart_from_each_other() -> None:
    spec = pod()

    assert spec["nodeSelector"] == {"karpenter.sh/nodepool": "system"}
    assert spec["tolerations"] == [{"key": "CriticalAddonsOnly", "operator": "Exists"}]
    by_node = next(c for c in spec["topologySpreadConstraints"] if c["topologyKey"] == "kubernetes.io/hostname")
    assert by_node["whenUnsatisfiable"] == "DoNotSchedule"


def test_its_container_writes_to_its_own_directory_alone_and_is_bounded() -> None:
    (container,) = pod()["containers"]

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/tmp"]
    assert "--cert-dir=/tmp/certificate" in container["args"]
    assert f"--prometheus-url={URL}" in container["args"]
    for bound in ("requests", "limits"):
        assert set(container["resources"][bound]) == {"cpu", "memory", "ephemeral-storage"}


def test_a_changed_rule_replaces_its_pods() -> None:
    def checksum(interval: int) -> str:
        manifest = adapter.deployment(IMAGE, 1, URL, adapter.config_map(interval))
        return manifest["spec"]["template"]["metadata"]["annotations"]["serveml/configuration-sha256"]

    assert checksum(15) != checksum(30)


def test_two_pods_have_a_disruption_budget_and_one_has_none() -> None:
    assert graph(replicas=2).one("PodDisruptionBudget").inputs["spec"]["maxUnavailable"] == 1
    assert not list(graph(replicas=1).of_type("PodDisruptionBudget"))


def test_the_file_it_reads_holds_the_rule() -> None:
    data = graph().one("ConfigMap", "configuration").inputs["data"]

    assert yaml.safe_load(data["config.yaml"]) == configuration(15)


def test_an_image_by_tag_no_pods_and_no_interval_are_refused() -> None:
    with pytest.raises(InvalidWorkload, match="not named by digest"):
        graph(image="registry.k8s.io/prometheus-adapter/prometheus-adapter:v0.12.0")
    with pytest.raises(InvalidRule, match="0 pods of the metrics adapter"):
        graph(replicas=0)
    with pytest.raises(InvalidRule, match="scrape interval of 0 s"):
        configuration(0)
