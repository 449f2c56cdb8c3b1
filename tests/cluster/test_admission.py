"""What the namespaces refuse, and what they fill in. Every pod here is a dry run: admitted or not, it never exists."""

from __future__ import annotations

from typing import Any

import pytest

from components.workload.namespaces import DEFAULT_CONTAINER
from components.workload.quantities import cpu, memory
from tests.cluster.api import Object, Refused
from tests.cluster.conftest import Cluster

SERVING = "ml-system"
ENFORCED = "pod-security.kubernetes.io/enforce"
QUOTA_SECONDS = 60
ACCOUNT_SECONDS = 60

RESTRICTED_CONTAINER: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
PRIVILEGED_CONTAINER: Object = {"privileged": True}


def pod(security: Object, resources: Object | None = None, **spec: Any) -> Object:
    container = {"name": "probe", "image": "registry.example.com/probe", "securityContext": security}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe"},
        "spec": {"containers": [{**container, "resources": resources or {}}], **spec},
    }


def pods_of(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def enforcing(cluster: Cluster, *standards: str) -> list[str]:
    namespaces = cluster.wanted.of_kind("Namespace")
    return [one["metadata"]["name"] for one in namespaces if one["metadata"]["labels"][ENFORCED] in standards]


@pytest.fixture(autouse=True)
def ready(cluster: Cluster) -> None:
    """The controllers have given each namespace its service account, and the quota its count, without which no pod is
    admitted at all."""
    for namespace in cluster.wanted.namespaces:
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        for state in cluster.api.states(accounts, seconds=ACCOUNT_SECONDS):
            if "default" in state:
                break
    quotas = f"/api/v1/namespaces/{SERVING}/resourcequotas"
    for state in cluster.api.states(quotas, seconds=QUOTA_SECONDS):
        if state and all(quota.get("status", {}).get("hard") for quota in state.values()):
            break


def test_a_privileged_pod_is_refused_in_every_restricted_namespace(cluster: Cluster) -> None:
    namespaces = enforcing(cluster, "restricted")

    assert {SERVING, "monitoring"} <= set(namespaces)
    for namespace in namespaces:
        with pytest.raises(Refused, match='violates PodSecurity "restricted:latest": privileged') as refusal:
            cluster.api.create(pods_of(namespace), pod(PRIVILEGED_CONTAINER), dry_run=True)
        assert refusal.value.status == 403


def test_a_pod_that_states_no_restrictions_is_refused_in_every_restricted_namespace(cluster: Cluster) -> None:
    for namespace in enforcing(cluster, "restricted"):
        with pytest.raises(Refused, match="runAsNonRoot != true"):
            cluster.api.create(pods_of(namespace), pod({}), dry_run=True)


def test_a_restricted_pod_is_let_into_every_restricted_namespace(cluster: Cluster) -> None:
    for namespace in enforcing(cluster, "restricted"):
        admitted = cluster.api.create(pods_of(namespace), pod(RESTRICTED_CONTAINER), dry_run=True)
        assert admitted["metadata"]["namespace"] == namespace


@pytest.mark.parametrize(
    "spec", [{"hostNetwork": True}, {"hostPID": True}, {}], ids=["network", "processes", "devices"]
)
def test_the_host_is_out_of_reach_in_the_data_namespace(cluster: Cluster, spec: Object) -> None:
    for namespace in enforcing(cluster, "baseline"):
        security = {} if spec else PRIVILEGED_CONTAINER
        with pytest.raises(Refused, match='violates PodSecurity "baseline:latest"'):
            cluster.api.create(pods_of(namespace), pod(security, **spec), dry_run=True)


@pytest.mark.parametrize(
    ("resource", "beyond"),
    [("cpu", "21"), ("memory", "41Gi"), ("nvidia.com/gpu", "1")],
)
def test_the_quota_refuses_what_goes_beyond_it(cluster: Cluster, resource: str, beyond: str) -> None:
    quota = cluster.wanted.one("ResourceQuota", "compute", SERVING)["spec"]["hard"]
    assert f"requests.{resource}" in quota
    asked = {resource: beyond}

    with pytest.raises(Refused, match=f"exceeded quota: compute, requested: .*{resource}") as refusal:
        cluster.api.create(
            pods_of(SERVING), pod(RESTRICTED_CONTAINER, {"requests": asked, "limits": asked}), dry_run=True
        )
    assert refusal.value.status == 403


def test_a_container_that_asks_for_nothing_gets_the_defaults(cluster: Cluster) -> None:
    admitted = cluster.api.create(pods_of(SERVING), pod(RESTRICTED_CONTAINER), dry_run=True)

    assert admitted["spec"]["containers"][0]["resources"] == {
        "requests": {
            "cpu": cpu(DEFAULT_CONTAINER.cpu_request_millicores),
            "memory": memory(DEFAULT_CONTAINER.memory_request_mib),
        },
        "limits": {
            "cpu": cpu(DEFAULT_CONTAINER.cpu_limit_millicores),
            "memory": memory(DEFAULT_CONTAINER.memory_limit_mib),
        },
    }
