"""What surrounds the serving pods, by value: their number, the traffic they get, namespaces and rights."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.workload import access, autoscaling, binding, labels, namespaces, quantities
from components.workload.errors import InvalidWorkload
from components.workload.pods import pod_spec
from infra.capacity import Capacity
from tests.support.workload import POD, SCALING

# Autoscaling


def test_the_autoscaler_keeps_to_the_bounds_and_targets_of_the_specification() -> None:
    spec = autoscaling.autoscaler(SCALING)["spec"]

    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "inference-stable"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 20)
    cpu, memory, requests = spec["metrics"]
    assert cpu["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    assert memory["resource"] == {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}}
    assert requests["pods"] == {
        "metric": {"name": "http_requests_per_second"},
        "target": {"type": "AverageValue", "averageValue": "100"},
    }


def test_without_a_metrics_adapter_requests_are_no_metric() -> None:
    metrics = autoscaling.autoscaler(replace(SCALING, requests_per_second=None))["spec"]["metrics"]

    assert [metric["type"] for metric in metrics] == ["Resource", "Resource"]


def test_scaling_takes_one_pod_at_a_time_up_every_30_and_down_every_300_seconds() -> None:
    behavior = autoscaling.autoscaler(SCALING)["spec"]["behavior"]

    assert behavior["scaleUp"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 30}]
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


def test_evictions_leave_two_stable_pods_and_may_always_take_one_that_is_not_ready() -> None:
    spec = autoscaling.disruption_budget(SCALING)["spec"]

    assert spec["minAvailable"] == 2
    assert spec["selector"]["matchLabels"] == labels.track_selector("stable")
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"replicas_min": 0}, "0 to 20 replicas are no range"),
        ({"replicas_max": 2}, "3 to 2 replicas are no range"),
        ({"available_min": 3}, "disruption budget of 3 with 3 replicas at least would never let a node drain"),
        ({"scale_up_period_seconds": 0}, "scaling up every 0 s"),
        ({"scale_down_period_seconds": 1801}, "scaling down every 1801 s .* 1 to 1800 s"),
    ],
)
def test_scaling_that_cannot_work_is_refused(change: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidWorkload, match=message):
        replace(SCALING, **change)


# Traffic


def test_the_binding_is_auto_modes_and_names_the_tracks_service_and_target_group() -> None:
    bound = binding.target_group_binding("canary", "arn:canary")

    assert (bound["apiVersion"], bound["kind"]) == ("eks.amazonaws.com/v1", "TargetGroupBinding")
    assert bound["spec"] == {
        "serviceRef": {"name": binding.track_service("canary", grpc=True)["metadata"]["name"], "port": 8000},
        "targetGroupARN": "arn:canary",
        "targetType": "ip",
    }


def test_a_service_stays_inside_the_cluster_and_leads_to_its_own_track() -> None:
    track = binding.track_service("stable", grpc=True)

    assert track["spec"]["type"] == "ClusterIP"
    assert track["spec"]["selector"] == labels.track_selector("stable")
    names = {port["name"] for port in pod_spec(POD, "stable")["containers"][0]["ports"]}
    ports = [(port["port"], port["targetPort"]) for port in track["spec"]["ports"]]
    assert ports == [(8000, "http"), (8001, "probe"), (9000, "grpc")]
    assert names == {target for _, target in ports}


def test_no_update_waits_for_the_pods_of_a_service_that_pods_wait_for() -> None:
    assert binding.track_service("canary", grpc=True)["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}


# Namespaces and rights


def test_restricted_is_enforced_where_we_serve_and_warned_of_elsewhere() -> None:
    serving = namespaces.namespace("ml-system", "serveml", namespaces.RESTRICTED)["metadata"]["labels"]
    data = namespaces.namespace("data", "serveml", namespaces.BASELINE)["metadata"]["labels"]
    logging = namespaces.namespace("logging", "serveml", namespaces.PRIVILEGED)["metadata"]["labels"]

    prefix = "pod-security.kubernetes.io"
    assert [serving[f"{prefix}/{mode}"] for mode in ("enforce", "audit", "warn")] == ["restricted"] * 3
    assert data[f"{prefix}/enforce"] == "baseline"
    assert data[f"{prefix}/warn"] == "restricted"
    assert [logging[f"{prefix}/{mode}"] for mode in ("enforce", "audit", "warn")] == ["privileged"] * 3


def test_the_quota_is_written_as_kubernetes_stores_it() -> None:
    quota = Capacity(
        cpu_requests_millicores=20_000,
        memory_requests_mib=40 * 1024,
        cpu_limits_millicores=40_500,
        memory_limits_mib=80 * 1024,
    )

    assert namespaces.resource_quota("ml-system", quota, gpus=1)["spec"]["hard"] == {
        "requests.cpu": "20",
        "requests.memory": "40Gi",
        "limits.cpu": "40500m",
        "limits.memory": "80Gi",
        "requests.nvidia.com/gpu": "1",
    }


def test_containers_that_state_nothing_get_requests_and_limits() -> None:
    (limit,) = namespaces.limit_range("ml-system", namespaces.DEFAULT_CONTAINER)["spec"]["limits"]

    assert limit["defaultRequest"] == {"cpu": "100m", "memory": "128Mi"}
    assert limit["default"] == {"cpu": "500m", "memory": "512Mi"}


def test_quantities_are_whole_units_where_they_can_be() -> None:
    assert (quantities.cpu(1500), quantities.cpu(2000)) == ("1500m", "2")
    assert (quantities.memory(1536), quantities.memory(2048)) == ("1536Mi", "2Gi")


def test_gpu_pods_come_before_serving_pods_and_neither_class_is_a_default() -> None:
    gpu = namespaces.priority_class("gpu", namespaces.GPU_PRIORITY_VALUE, "GPU work")

    assert gpu["value"] == 1_000_000 > namespaces.SERVING_PRIORITY_VALUE
    assert gpu["globalDefault"] is False
    assert pod_spec(POD, "stable")["priorityClassName"] == namespaces.SERVING_PRIORITY


def test_a_model_deployer_changes_deployments_but_reads_no_secret_and_opens_no_shell() -> None:
    rules = access.model_deployer_role()["rules"]
    resources = {resource for rule in rules for resource in rule["resources"]}
    verbs = {verb for rule in rules for verb in rule["verbs"]}

    (deployments,) = [rule for rule in rules if "deployments" in rule["resources"]]
    assert {"update", "patch"} <= set(deployments["verbs"])
    assert resources.isdisjoint({"secrets", "pods/exec", "pods/attach", "serviceaccounts/token", "roles", "*"})
    assert verbs.isdisjoint({"*", "create", "delete", "deletecollection", "escalate", "bind", "impersonate"})


def test_the_deployers_role_is_bound_to_their_group_alone() -> None:
    bound = access.model_deployer_binding()

    assert bound["roleRef"]["name"] == access.model_deployer_role()["metadata"]["name"] == "model-deployer"
    assert [(subject["kind"], subject["name"]) for subject in bound["subjects"]] == [("Group", "model-deployers")]
