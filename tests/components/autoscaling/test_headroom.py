"""Placeholders: as large as a serving pod, below everything else, and out of the serving pods' quota."""

from __future__ import annotations

from typing import Any

import pulumi_kubernetes as kubernetes
import pytest

from components.observability import images
from components.workload import labels, namespaces
from components.workload.errors import InvalidWorkload
from components.workload.placeholder import Headroom, HeadroomArgs, priority_class
from components.workload.pods import pod_spec
from localcloud.graph import Graph
from tests.support.components import graph_of, place
from tests.support.workload import POD


def graph(*, pods: int = 3, zones: int = 3) -> Graph:
    def program() -> None:
        Headroom(
            "headroom",
            HeadroomArgs(
                place=place(),
                provider=kubernetes.Provider("provider", kubeconfig="{}"),
                cluster=kubernetes.core.v1.ConfigMap("cluster", metadata={"name": "cluster"}),
                image=images.PAUSE.reference,
                pods=pods,
                size=POD.size,
                model_cache_mib=POD.model_cache_mib,
                zones=zones,
            ),
        )

    return graph_of(program)


def placeholder(**given: int) -> dict[str, Any]:
    return graph(**given).one("Deployment").inputs["spec"]["template"]["spec"]


def test_a_placeholder_keeps_exactly_the_room_of_a_serving_pod() -> None:
    (container,) = placeholder()["containers"]
    (serving,) = pod_spec(POD, "stable")["containers"]

    assert container["resources"]["requests"] == serving["resources"]["requests"]
    assert container["resources"]["limits"] == container["resources"]["requests"]


def test_every_pod_pushes_it_out_at_once_and_it_pushes_out_none() -> None:
    spec, priority = placeholder(), priority_class()

    assert spec["priorityClassName"] == priority["metadata"]["name"]
    assert spec["terminationGracePeriodSeconds"] == 0
    # Pods without a class have priority 0; cluster-autoscaler starts no nodes below -10.
    assert -10 <= priority["value"] < 0 < namespaces.SERVING_PRIORITY_VALUE
    assert priority["preemptionPolicy"] == "Never"


def test_it_may_stand_wherever_a_serving_pod_may() -> None:
    spec, serving = placeholder(), pod_spec(POD, "stable")

    for field in ("nodeSelector", "tolerations", "affinity"):
        assert spec.get(field) == serving.get(field)


@pytest.mark.parametrize(("zones", "keys"), [(3, ["topology.kubernetes.io/zone"]), (1, [])])
def test_placeholders_are_spread_over_zones_where_there_are_several(zones: int, keys: list[str]) -> None:
    constraints = placeholder(zones=zones)["topologySpreadConstraints"]

    assert [constraint["topologyKey"] for constraint in constraints] == keys
    assert all(constraint["whenUnsatisfiable"] == "DoNotSchedule" for constraint in constraints)


def test_they_live_in_a_fenced_namespace_of_their_own_which_no_quota_counts() -> None:
    found = graph()
    space = found.one("Namespace").inputs["metadata"]

    assert space["name"] == found.one("Deployment").inputs["metadata"]["namespace"] != labels.SERVING_NAMESPACE
    assert space["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    policy = found.one("NetworkPolicy").inputs
    assert policy["metadata"]["namespace"] == space["name"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not list(found.of_type("ResourceQuota"))
    assert found.one("NetworkPolicy").urn in found.one("Deployment").dependencies


def test_a_placeholder_that_waits_for_a_node_does_not_hold_up_a_deployment() -> None:
    metadata = graph().one("Deployment").inputs["metadata"]

    assert metadata["annotations"] == {"pulumi.com/skipAwait": "true"}


def test_headroom_for_nobody_is_refused() -> None:
    with pytest.raises(InvalidWorkload, match="headroom for 0 pods is none"):
        graph(pods=0)
