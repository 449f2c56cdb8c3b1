"""The API server takes every object of the production stack, without a complaint and as it was written."""

from __future__ import annotations

import pytest

from components.observability.vendor import read_lock, sha256
from tests.cluster.api import Object
from tests.cluster.conftest import Cluster
from tests.cluster.installation import Installation, InUse, install, refuse_a_cluster_in_use
from tests.cluster.objects import Paths, namespaced_in
from tests.cluster.vendor import CRD_FOLDER

ENFORCED = "pod-security.kubernetes.io/enforce"
READY_SECONDS = 120


def test_definitions_are_what_the_lock_says() -> None:
    assert {line.file: line.vendored_sha256 for line in read_lock(CRD_FOLDER)} == {
        path.name: sha256(path.read_bytes()) for path in CRD_FOLDER.glob("*.yaml")
    }


def test_every_object_is_accepted_under_strict_validation(cluster: Cluster) -> None:
    # A field that the API server does not know, or a pod template that Pod Security warns of, is a complaint.
    assert cluster.installation.complaints == ""
    assert len(cluster.installation.accepted) >= len(cluster.wanted.objects)


def test_namespaces_enforce_their_standard(cluster: Cluster) -> None:
    enforced = {
        name: cluster.api.get(f"/api/v1/namespaces/{name}")["metadata"]["labels"][ENFORCED]
        for name in cluster.wanted.namespaces
    }

    assert enforced.pop("logging", "privileged") == "privileged"
    assert enforced.pop("data") == "baseline"
    assert {"ml-system", "monitoring"} <= enforced.keys()
    assert set(enforced.values()) == {"restricted"}


def test_network_policies_are_stored_as_they_were_written(cluster: Cluster) -> None:
    written = cluster.wanted.of_kind("NetworkPolicy")

    for namespace in cluster.wanted.namespaces:
        stored = cluster.api.items(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies")
        assert {one["metadata"]["name"]: one["spec"] for one in stored} == {
            one["metadata"]["name"]: one["spec"] for one in namespaced_in(written, namespace)
        }


def test_every_namespace_is_closed_but_for_what_is_named(cluster: Cluster) -> None:
    for namespace in cluster.wanted.namespaces:
        spec = cluster.api.get(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/default-deny")[
            "spec"
        ]
        # Selects every pod, and names no flow in either direction.
        assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@pytest.mark.usefixtures("pods_run")
def test_pods_of_every_workload_are_let_in_and_find_a_node(cluster: Cluster) -> None:
    # Volumes are made by the cloud, which is not here.
    workloads = [one for one in cluster.wanted.of_kind("Deployment", "DaemonSet") if not _claims(one)]
    assert "inference-stable" in [one["metadata"]["name"] for one in workloads]

    for workload in workloads:
        collection = Paths(cluster.api).collection(workload)
        name = workload["metadata"]["name"]
        for state in cluster.api.states(collection, seconds=READY_SECONDS, fieldSelector=f"metadata.name={name}"):
            if _has_its_pods(workload, state[name].get("status", {})):
                break


def test_a_cluster_that_has_it_all_is_left_as_it_is(cluster: Cluster) -> None:
    again = Installation()
    install(cluster.api, cluster.kubectl, cluster.wanted, again)

    assert again.complaints == ""
    assert again.made == []


@pytest.mark.usefixtures("pods_run")
def test_a_cluster_whose_pods_are_at_work_is_refused(cluster: Cluster) -> None:
    with pytest.raises(InUse, match="runs pods in the namespace ml-system"):
        refuse_a_cluster_in_use(cluster.api, cluster.wanted, disposable=False)

    refuse_a_cluster_in_use(cluster.api, cluster.wanted, disposable=True)


def _claims(workload: Object) -> bool:
    return any("persistentVolumeClaim" in volume for volume in workload["spec"]["template"]["spec"].get("volumes", []))


def _has_its_pods(workload: Object, status: Object) -> bool:
    if workload["kind"] == "DaemonSet":
        return 0 < status.get("desiredNumberScheduled", 0) <= status.get("numberReady", 0)
    return status.get("readyReplicas", 0) >= workload["spec"].get("replicas", 1)
