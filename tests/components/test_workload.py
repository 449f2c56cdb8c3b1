"""The namespaces and the workload as components: what is registered, in which order, and under which options."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from components.workload.configuration import CHECKSUM_ANNOTATION, ServerSettings
from components.workload.errors import InvalidWorkload
from components.workload.platform_namespaces import Namespaces, NamespacesArgs
from components.workload.workload import Workload, WorkloadArgs
from infra.capacity import Capacity
from localcloud.graph import Graph, Node
from tests.support.components import graph_of, place
from tests.support.workload import AUTHENTICATION, NEIGHBOURS, POD, SCALING, SETTINGS

CANARY_IMAGE = "registry.example/inference@sha256:" + "b" * 64

QUOTA = Capacity(
    cpu_requests_millicores=20_000, memory_requests_mib=40_960, cpu_limits_millicores=48_000, memory_limits_mib=81_920
)


def provider() -> kubernetes.Provider:
    return kubernetes.Provider("provider", kubeconfig="{}")


def stand_in(name: str) -> pulumi.Resource:
    """Any resource, where a component only needs one to refer to."""
    return kubernetes.core.v1.ConfigMap(name, metadata={"name": name})


def workload_graph(
    *,
    canary_image: str | None = None,
    canary_replicas: int = 2,
    settings: ServerSettings = SETTINGS,
    preview: bool = False,
) -> Graph:
    def program() -> None:
        Workload(
            "workload",
            WorkloadArgs(
                place=place(),
                provider=provider(),
                cluster=stand_in("cluster"),
                after=[stand_in("prepared")],
                image=POD.image,
                canary_image=canary_image,
                canary_replicas=canary_replicas,
                # As from the bucket and the table: known in a preview too, yet outputs.
                settings=replace(
                    settings,
                    models_bucket=pulumi.Output.from_input(settings.models_bucket),
                    authentication=settings.authentication
                    and replace(
                        settings.authentication, keys_table=pulumi.Output.from_input(settings.authentication.keys_table)
                    ),
                ),
                size=POD.size,
                scaling=SCALING,
                neighbours=NEIGHBOURS,
                zones=POD.zones,
                stable_target_group_arn=pulumi.Output.from_input("arn:stable"),
                canary_target_group_arn=pulumi.Output.from_input("arn:canary"),
            ),
        )

    return graph_of(program, preview=preview)


def namespaces_graph(*, logging: bool = True, preview: bool = False) -> Graph:
    def program() -> None:
        args = NamespacesArgs(
            place=place(), provider=provider(), cluster=stand_in("cluster"), quota=QUOTA, gpus=0, logging=logging
        )
        Namespaces("spaces", args)

    return graph_of(program, preview=preview)


def children(graph: Graph, parent: str) -> list[Node]:
    return [node for node in graph.custom() if node.parent.endswith(f"::{parent}")]


def names_of(graph: Graph, kind: str) -> list[str]:
    return sorted(node.name for node in graph.of_type(kind))


def checksum_of(deployment: Node) -> str:
    return deployment.inputs["spec"]["template"]["metadata"]["annotations"][CHECKSUM_ANNOTATION]


# Namespaces


def test_each_namespace_starts_with_default_deny_and_dns() -> None:
    graph = namespaces_graph()

    spaces = {node.inputs["metadata"]["name"] for node in graph.of_type("Namespace")}
    assert spaces == {"ml-system", "monitoring", "data", "logging"}
    policies = {
        (node.inputs["metadata"]["namespace"], node.inputs["metadata"]["name"])
        for node in graph.of_type("NetworkPolicy")
    }
    assert policies == {(space, name) for space in spaces for name in ("default-deny", "allow-dns")}


def test_policies_quota_and_rights_come_after_their_namespace() -> None:
    graph = namespaces_graph()
    spaces = {node.inputs["metadata"]["name"]: node.urn for node in graph.of_type("Namespace")}

    within = [node for node in children(graph, "spaces") if "namespace" in node.inputs["metadata"]]
    assert len(within) == 12
    assert all(spaces[node.inputs["metadata"]["namespace"]] in node.dependencies for node in within)


def test_only_the_reader_of_nodes_files_has_a_privileged_namespace_and_only_where_it_runs() -> None:
    def enforced(graph: Graph) -> dict[str, str]:
        key = "pod-security.kubernetes.io/enforce"
        return {
            node.inputs["metadata"]["name"]: node.inputs["metadata"]["labels"][key]
            for node in graph.of_type("Namespace")
        }

    without = {"ml-system": "restricted", "monitoring": "restricted", "data": "baseline"}
    assert enforced(namespaces_graph(logging=False)) == without
    assert enforced(namespaces_graph()) == {**without, "logging": "privileged"}


def test_only_the_namespace_that_serves_asks_for_readiness_gates() -> None:
    key = "eks.amazonaws.com/pod-readiness-gate-inject"
    gated = [
        node.inputs["metadata"]["name"]
        for node in namespaces_graph().of_type("Namespace")
        if node.inputs["metadata"]["labels"].get(key) == "enabled"
    ]

    assert gated == ["ml-system"]


def test_the_quota_of_the_serving_namespace_is_the_one_given() -> None:
    quota = namespaces_graph().one("ResourceQuota").inputs

    assert quota["metadata"]["namespace"] == "ml-system"
    assert quota["spec"]["hard"]["limits.cpu"] == "48"


def test_the_cluster_gets_a_priority_for_serving_and_a_higher_one_for_gpus() -> None:
    values = {
        node.inputs["metadata"]["name"]: node.inputs["value"] for node in namespaces_graph().of_type("PriorityClass")
    }

    assert values == {"serving": 100_000, "gpu": 1_000_000}


# Workload


def test_without_a_canary_image_the_canary_has_its_service_and_binding_but_no_pods() -> None:
    graph = workload_graph()

    assert names_of(graph, "Deployment") == ["workload-stable"]
    assert names_of(graph, "Service") == ["workload-canary-service", "workload-stable-service"]
    assert names_of(graph, "TargetGroupBinding") == ["workload-canary-binding", "workload-stable-binding"]


def test_a_canary_runs_its_own_image_in_a_fixed_number_of_pods() -> None:
    canary = workload_graph(canary_image=CANARY_IMAGE).one("Deployment", "canary").inputs["spec"]

    assert canary["replicas"] == 2
    assert canary["template"]["spec"]["containers"][0]["image"] == CANARY_IMAGE


def test_the_stable_deployment_leaves_its_number_of_pods_to_the_autoscaler() -> None:
    graph = workload_graph()
    stable = graph.one("Deployment").inputs

    assert "replicas" not in stable["spec"]
    target = graph.one("HorizontalPodAutoscaler").inputs["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", stable["metadata"]["name"])


def test_each_track_is_bound_to_its_own_target_group() -> None:
    arns = {node.name: node.inputs["spec"]["targetGroupARN"] for node in workload_graph().of_type("TargetGroupBinding")}

    assert arns == {"workload-stable-binding": "arn:stable", "workload-canary-binding": "arn:canary"}


def test_pods_come_after_bindings_policies_account_and_configuration() -> None:
    # A readiness gate is added when a pod is made, and network policies must be there before its first packet.
    graph = workload_graph(canary_image=CANARY_IMAGE)
    kinds = ("TargetGroupBinding", "NetworkPolicy", "ServiceAccount", "ConfigMap")
    first = {node.urn for kind in kinds for node in graph.of_type(kind) if node.name.startswith("workload-")}

    assert len(first) == 2 + 8 + 1 + 1
    for deployment in graph.of_type("Deployment"):
        assert first <= set(deployment.dependencies)


def test_everything_comes_after_what_has_to_stand_first() -> None:
    graph = workload_graph()
    prepared = graph.one("ConfigMap", "prepared").urn

    assert all(prepared in node.dependencies for node in children(graph, "workload"))


def test_a_changed_setting_changes_the_pods_checksum() -> None:
    before = checksum_of(workload_graph().one("Deployment"))
    after = checksum_of(workload_graph(settings=replace(SETTINGS, log_level="debug")).one("Deployment"))

    assert len(before) == 64
    assert before != after


def test_the_configuration_names_the_bucket_and_the_pinned_version() -> None:
    data = (
        workload_graph(settings=replace(SETTINGS, model_version="1.4.0"))
        .one("ConfigMap", "workload-configuration")
        .inputs["data"]
    )

    assert data["SERVEML_MODELS_BUCKET"] == "serveml-prod-euw1-models"
    assert data["SERVEML_MODEL_VERSION"] == "1.4.0"
    assert data["AWS_DEFAULT_REGION"] == "eu-west-1"


def test_without_grpc_no_pod_service_or_policy_knows_its_port() -> None:
    graph = workload_graph(canary_image=CANARY_IMAGE, settings=replace(SETTINGS, grpc=False))
    kinds = ("Deployment", "Service", "NetworkPolicy")
    objects = json.dumps([dict(node.inputs) for kind in kinds for node in graph.of_type(kind)])

    assert "9000" not in objects
    assert "grpc" not in objects
    assert "9000" in json.dumps([dict(node.inputs) for node in workload_graph().of_type("Service")])


def test_a_table_of_keys_that_is_made_with_the_stack_reaches_the_container_and_rolls_the_pods() -> None:
    def with_table(name: str) -> Graph:
        return workload_graph(settings=replace(SETTINGS, authentication=replace(AUTHENTICATION, keys_table=name)))

    graph = with_table("serveml-test-api-keys")
    assert graph.one("ConfigMap", "configuration").inputs["data"]["SERVEML_KEYS_TABLE"] == "serveml-test-api-keys"
    assert checksum_of(graph.one("Deployment")) != checksum_of(with_table("another").one("Deployment"))


def test_a_canary_of_no_pods_is_refused() -> None:
    with pytest.raises(InvalidWorkload, match="a canary of 0 pods serves nothing"):
        workload_graph(canary_image=CANARY_IMAGE, canary_replicas=0)


def test_the_outputs_name_what_operators_and_identities_refer_to() -> None:
    (component,) = workload_graph().components()

    assert component.registered_outputs == {
        "namespace": "ml-system",
        "service_account": "inference",
        "stable_deployment": "inference-stable",
        "autoscaler": "inference-stable",
    }


# Both


@pytest.mark.parametrize(("parent", "make"), [("workload", workload_graph), ("spaces", namespaces_graph)])
def test_all_objects_go_with_the_cluster_and_through_its_provider(parent: str, make: Callable[[], Graph]) -> None:
    graph = make()
    cluster = graph.one("ConfigMap", "cluster").urn
    through = graph.one("pulumi:providers:kubernetes").urn

    objects = children(graph, parent)
    assert objects
    assert all(node.deleted_with == cluster for node in objects)
    assert all(node.provider.startswith(f"{through}::") for node in objects)


def test_a_preview_registers_the_same_resources_as_an_update() -> None:
    for make in (workload_graph, namespaces_graph):
        assert {node.urn for node in make(preview=True)} == {node.urn for node in make()}
