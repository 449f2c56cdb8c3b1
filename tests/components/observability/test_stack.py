"""The metrics of a cluster as a component: what is registered, in which order, and how its pods are bound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from components.observability import crds
from components.observability.stack import Level, Monitoring, MonitoringArgs
from localcloud.graph import Graph, Node
from tests.components.observability.args import TOPIC_ARN
from tests.support.components import graph_of, place

KEY_ARN = "arn:aws:kms:eu-west-1:123456789012:key/volumes"
CUSTOM = "kubernetes:monitoring.coreos.com/v1"


@cache
def monitoring(level: Level = "full", *, preview: bool = False) -> Graph:
    def stand_in(name: str) -> pulumi.Resource:
        return kubernetes.core.v1.ConfigMap(name, metadata={"name": name})

    def program() -> None:
        Monitoring(
            "monitoring",
            MonitoringArgs(
                place=place(),
                provider=kubernetes.Provider("provider", kubeconfig="{}"),
                cluster=stand_in("cluster"),
                after=[stand_in("prepared")],
                level=level,
                environment="test",
                zones=3,
                retention_days=30,
                storage_gib=100,
                # As from the keys and the topic: known in a preview too, yet outputs.
                storage_key_arn=pulumi.Output.from_input(KEY_ARN),
                topic_arn=pulumi.Output.from_input(TOPIC_ARN),
            ),
        )

    return graph_of(program, preview=preview)


def children(graph: Graph) -> list[Node]:
    return [node for node in graph.custom() if node.parent.endswith("::monitoring")]


def one(graph: Graph, kind: str, name: str) -> Node:
    [found] = [node for node in children(graph) if node.type.endswith(kind) and node.inputs["metadata"]["name"] == name]
    return found


def before(graph: Graph, node: Node) -> set[str]:
    """What the node waits for, directly."""
    return {urn.rpartition("::")[2] for urn in node.dependencies}


def pods(graph: Graph) -> Iterator[tuple[str, dict[str, Any]]]:
    for node in children(graph):
        if node.type.endswith(":Deployment"):
            yield node.name, cast(dict[str, Any], node.inputs["spec"]["template"]["spec"])


def test_a_full_environment_has_two_that_notice_and_a_basic_one_has_one() -> None:
    for level, replicas in (("full", 2), ("basic", 1)):
        graph = monitoring(cast(Level, level))
        for kind, name in ((":Prometheus", "prometheus"), (":Alertmanager", "alertmanager")):
            assert one(graph, kind, name).inputs["spec"]["replicas"] == replicas
        budgets = [node for node in children(graph) if node.type.endswith(":PodDisruptionBudget")]
        assert len(budgets) == (2 if replicas > 1 else 0)


def test_every_definition_is_registered_as_it_was_vendored() -> None:
    graph = monitoring()
    for definition in crds.definitions(crds.PROMETHEUS_OPERATOR):
        node = one(graph, ":CustomResourceDefinition", definition["metadata"]["name"])
        assert node.inputs["spec"] == definition["spec"]


def test_custom_resources_wait_for_their_definitions_and_for_the_operator() -> None:
    graph = monitoring()
    definitions = {f"monitoring-crd-{crds.plural(each)}" for each in crds.definitions(crds.PROMETHEUS_OPERATOR)}
    operator = one(graph, ":Deployment", "prometheus-operator")
    assert definitions <= before(graph, operator)
    for kind, name in ((":Prometheus", "prometheus"), (":Alertmanager", "alertmanager")):
        waits = before(graph, one(graph, kind, name))
        assert {operator.name, "monitoring-storage-class"} <= waits
    for node in children(graph):
        if node.type.endswith(":ServiceMonitor"):
            assert definitions <= before(graph, node)


def test_everything_waits_for_what_it_was_told_to_and_goes_with_the_cluster() -> None:
    for node in children(monitoring()):
        assert "prepared" in before(monitoring(), node), node.name
        assert node.deleted_with.endswith("::cluster"), node.name


def test_an_update_does_not_wait_for_pods_behind_a_service_that_come_after_it() -> None:
    services = [node for node in children(monitoring()) if node.type.endswith(":Service")]
    assert len(services) == 4
    for node in services:
        assert node.inputs["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_an_update_and_a_preview_register_the_same() -> None:
    assert sorted(node.urn for node in monitoring()) == sorted(node.urn for node in monitoring(preview=True))


def test_alertmanager_finds_the_configuration_that_is_made_for_it() -> None:
    graph = monitoring()
    spec = one(graph, ":Alertmanager", "alertmanager").inputs["spec"]
    assert before(graph, one(graph, ":Alertmanager", "alertmanager")) >= {
        one(graph, ":Secret", spec["configSecret"]).name
    }


def test_volumes_are_of_auto_mode_and_encrypted_with_the_key_that_was_given() -> None:
    node = one(monitoring(), ":StorageClass", "gp3")
    assert node.inputs["provisioner"] == "ebs.csi.eks.amazonaws.com"
    assert node.inputs["parameters"] == {"type": "gp3", "encrypted": "true", "kmsKeyId": KEY_ARN}
    assert node.inputs["volumeBindingMode"] == "WaitForFirstConsumer"


def test_it_says_where_its_parts_are_reached() -> None:
    [component] = [node for node in monitoring() if node.type == "serveml:observability:Monitoring"]
    assert component.registered_outputs == {
        "prometheus_url": "http://prometheus.monitoring.svc:9090",
        "alertmanager_url": "http://alertmanager.monitoring.svc:9093",
        "storage_class": "gp3",
    }


def test_pods_are_as_the_restricted_standard_wants_them_and_bounded() -> None:
    seen = 0
    for name, pod in pods(monitoring()):
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["runAsUser"] > 0, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["nodeSelector"] == {"karpenter.sh/nodepool": "system"}, name
        for container in pod["containers"]:
            seen += 1
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "privileged": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "@sha256:" in container["image"], name
            assert {"livenessProbe", "readinessProbe"} <= container.keys(), name
            for bound in ("requests", "limits"):
                assert sorted(container["resources"][bound]) == ["cpu", "ephemeral-storage", "memory"], name
    assert seen == 2


@pytest.mark.parametrize("account", ["alertmanager", "kube-state-metrics", "prometheus", "prometheus-operator"])
def test_no_account_hands_its_token_to_a_pod_unasked(account: str) -> None:
    assert one(monitoring(), ":ServiceAccount", account).inputs["automountServiceAccountToken"] is False


def test_every_binding_names_a_role_and_an_account_that_exist() -> None:
    graph = monitoring()
    made = {
        (node.type.rpartition(":")[2], node.inputs["metadata"].get("namespace"), node.inputs["metadata"]["name"])
        for node in children(graph)
    }
    bindings = [node for node in children(graph) if node.type.endswith("RoleBinding")]
    assert bindings
    for node in bindings:
        role = node.inputs["roleRef"]
        assert (role["kind"], node.inputs["metadata"].get("namespace"), role["name"]) in made
        [subject] = node.inputs["subjects"]
        assert ("ServiceAccount", subject["namespace"], subject["name"]) in made


def test_nothing_of_it_is_too_large_for_the_api_server() -> None:
    """etcd takes 1.5 MiB, and an object is kept with the fields that its owner manages listed beside it."""
    for node in children(monitoring()):
        assert len(json.dumps(dict(node.inputs))) < 256 * 1024, node.name
