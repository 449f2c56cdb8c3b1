"""Who may do what, asked of the API server in both directions: what is written is granted, and nothing beyond it."""

from __future__ import annotations

import pytest

from components.autoscaling.names import GROUP as ADAPTER_GROUP
from components.workload.access import MODEL_DEPLOYERS_GROUP
from components.workload.autoscaling import REQUESTS_METRIC
from tests.cluster.conftest import Cluster
from tests.cluster.objects import Rendered
from tests.cluster.rights import Grant, Right, Subject, accounts, grants, may

SERVING = "ml-system"
DEPLOYERS = Subject(kind="Group", name=MODEL_DEPLOYERS_GROUP)
SERVING_ACCOUNT = Subject(kind="ServiceAccount", name="inference", namespace=SERVING)
AUTOSCALER = Subject(kind="ServiceAccount", name="horizontal-pod-autoscaler", namespace="kube-system")

RBAC = "rbac.authorization.k8s.io"
# With any of these a subject could become another one, read what others keep secret, or take the cluster apart.
FAR_REACHING = [
    Right(verb=verb, resource=resource, group=group, namespace=namespace)
    for namespace in (SERVING, "monitoring", "kube-system")
    for verb, resource, group in (
        ("get", "secrets", ""),
        ("list", "secrets", ""),
        ("create", "pods", ""),
        ("create", "pods/exec", ""),
        ("create", "serviceaccounts/token", ""),
        ("impersonate", "serviceaccounts", ""),
        ("delete", "deployments", "apps"),
        ("create", "rolebindings", RBAC),
        ("escalate", "roles", RBAC),
        ("bind", "roles", RBAC),
    )
] + [
    Right(verb="delete", resource="namespaces"),
    Right(verb="create", resource="clusterrolebindings", group=RBAC),
    Right(verb="get", resource="nodes/proxy"),
    Right(verb="impersonate", resource="users"),
    Right(verb="*", resource="*", group="*"),
]


@pytest.fixture(scope="module")
def granted(cluster: Cluster) -> list[Grant]:
    return grants(cluster.api, cluster.wanted)


@pytest.mark.parametrize(
    "right",
    [
        Right(verb="patch", resource="deployments", group="apps", namespace=SERVING),
        Right(verb="update", resource="deployments/scale", group="apps", namespace=SERVING),
        Right(verb="update", resource="configmaps", namespace=SERVING),
        Right(verb="get", resource="pods/log", namespace=SERVING),
        Right(verb="watch", resource="events", namespace=SERVING),
        Right(verb="list", resource="horizontalpodautoscalers", group="autoscaling", namespace=SERVING),
    ],
    ids=str,
)
def test_a_model_deployer_rolls_out_and_observes(cluster: Cluster, right: Right) -> None:
    assert may(cluster.api, DEPLOYERS, right)


@pytest.mark.parametrize(
    "right",
    [
        Right(verb="create", resource="deployments", group="apps", namespace=SERVING),
        Right(verb="delete", resource="deployments", group="apps", namespace=SERVING),
        Right(verb="get", resource="secrets", namespace=SERVING),
        Right(verb="create", resource="pods/exec", namespace=SERVING),
        Right(verb="patch", resource="resourcequotas", namespace=SERVING),
        Right(verb="delete", resource="networkpolicies", group="networking.k8s.io", namespace=SERVING),
        Right(verb="patch", resource="deployments", group="apps", namespace="monitoring"),
        Right(verb="list", resource="pods", namespace="kube-system"),
        Right(verb="list", resource="nodes"),
    ],
    ids=str,
)
def test_a_model_deployer_does_no_more(cluster: Cluster, right: Right) -> None:
    assert not may(cluster.api, DEPLOYERS, right)


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "update", "patch", "delete"])
def test_the_serving_pods_have_no_rights_in_the_cluster(cluster: Cluster, verb: str) -> None:
    for resource in ("pods", "configmaps", "secrets", "services", "serviceaccounts"):
        assert not may(cluster.api, SERVING_ACCOUNT, Right(verb=verb, resource=resource, namespace=SERVING))


def test_requests_per_second_are_for_the_autoscaler_to_read(cluster: Cluster) -> None:
    metric = Right(verb="get", resource=f"pods/{REQUESTS_METRIC}", group=ADAPTER_GROUP, namespace=SERVING)

    assert may(cluster.api, AUTOSCALER, metric)
    assert not any(may(cluster.api, other, metric) for other in (DEPLOYERS, SERVING_ACCOUNT))


def test_what_is_written_is_granted(cluster: Cluster, granted: list[Grant]) -> None:
    assert granted
    refused = [
        (str(grant.subject), right)
        for grant in granted
        for right in grant.rights()
        if not may(cluster.api, grant.subject, right)
    ]

    assert refused == []


def test_nobody_has_a_far_reaching_right_that_is_not_written(cluster: Cluster, granted: list[Grant]) -> None:
    subjects = {grant.subject for grant in granted} | set(accounts(cluster.wanted))
    # The controllers of Kubernetes have roles of its own, which are not ours to judge.
    ours = sorted((one for one in subjects if one.namespace != "kube-system"), key=str)
    unexpected = [
        (str(subject), right)
        for subject in ours
        for right in FAR_REACHING
        if may(cluster.api, subject, right)
        != any(grant.subject == subject and grant.covers(right) for grant in granted)
    ]

    assert len(ours) > 2
    assert unexpected == []


def test_every_account_of_the_stack_is_bound_or_has_nothing(cluster: Cluster, wanted: Rendered) -> None:
    """An account in a binding that the stack does not make would be a right for whoever comes by that name."""
    made = set(accounts(wanted))
    bound = {grant.subject for grant in grants(cluster.api, wanted) if grant.subject.kind == "ServiceAccount"}

    assert {one for one in bound if one.namespace != "kube-system"} <= made
