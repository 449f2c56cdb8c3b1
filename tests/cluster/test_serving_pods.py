"""The serving pods over their life: where they are placed, how they are replaced, and what an eviction may not do."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import pytest

from components.workload.configuration import CHECKSUM_ANNOTATION
from localcloud.program import stack_config
from tests.cluster import nodes
from tests.cluster.api import Api, Object, Refused, apply, has_condition
from tests.cluster.conftest import STACK, Cluster
from tests.cluster.objects import Rendered, rendered
from tests.stacks.conftest import build

NAMESPACE = "ml-system"
NAME = "inference-stable"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
BUDGETS = f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets"
STABLE = "app.kubernetes.io/name=inference,track=stable"

READY_SECONDS = 180
ROLLOUT_SECONDS = 300
KEPT = 2
"""Pods that no eviction may take."""

TOO_MANY_REQUESTS = 429
"""How the API server answers an eviction that a disruption budget forbids."""

pytestmark = pytest.mark.usefixtures("pods_run")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """What could be seen of one, from the change to the end."""

    before: dict[str, Object]
    after: dict[str, Object]
    deployments: list[Object]
    """Every state that the Deployment went through."""
    ready: list[int]
    """How many pods took requests, after each change to any of them."""


def least(wanted: Rendered) -> int:
    return int(wanted.one("HorizontalPodAutoscaler", NAME)["spec"]["minReplicas"])


def is_ready(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and has_condition(pod, "Ready")


def is_done(deployment: Object, replicas: int) -> bool:
    """Whether the newest revision has all its pods, available, and the old one has none left."""
    status = deployment.get("status", {})
    counts = {status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas")}
    return status.get("observedGeneration") == deployment["metadata"]["generation"] and counts == {replicas}


def await_done(api: Api, replicas: int, seconds: float) -> None:
    for state in api.states(DEPLOYMENTS, seconds=seconds, fieldSelector=f"metadata.name={NAME}"):
        if state[NAME]["spec"].get("replicas") == replicas and is_done(state[NAME], replicas):
            return


def serving_pods(api: Api) -> dict[str, Object]:
    return {pod["metadata"]["name"]: pod for pod in api.items(PODS, labelSelector=STABLE)}


@pytest.fixture
def running(cluster: Cluster) -> Cluster:
    """As many pods as the autoscaler keeps at least, all of them available."""
    await_done(cluster.api, least(cluster.wanted), READY_SECONDS)
    return cluster


@pytest.fixture(scope="module")
def changed() -> Rendered:
    """The stack with one setting of the container changed."""
    assert "serveml:log_level" not in stack_config(STACK)
    return rendered(build(STACK, ("serveml:log_level", "debug")))


@pytest.fixture(scope="module")
def rollout(cluster: Cluster, changed: Rendered) -> Generator[Rollout]:
    """What followed when the changed configuration was applied; it is taken back afterwards."""
    api, replicas = cluster.api, least(cluster.wanted)
    await_done(api, replicas, READY_SECONDS)
    before = serving_pods(api)
    _, deployments_from = api.listing(DEPLOYMENTS)
    _, pods_from = api.listing(PODS)
    _update(cluster, changed)
    await_done(api, replicas, ROLLOUT_SECONDS)
    yield Rollout(
        before=before,
        after=serving_pods(api),
        deployments=[
            deployment
            for _, deployment in api.changes(
                DEPLOYMENTS, deployments_from, seconds=1, fieldSelector=f"metadata.name={NAME}"
            )
        ],
        ready=list(_ready_counts(api, before, pods_from)),
    )
    _update(cluster, cluster.wanted)


def _update(cluster: Cluster, to: Rendered) -> None:
    done = apply(cluster.kubectl, [to.one("ConfigMap", "inference", NAMESPACE), to.one("Deployment", NAME)])
    assert done.complaints == ""


def _ready_counts(api: Api, before: dict[str, Object], since: str) -> Iterator[int]:
    pods = dict(before)
    for happened, pod in api.changes(PODS, since, seconds=1, labelSelector=STABLE):
        pods[pod["metadata"]["name"]] = pod
        if happened == "DELETED":
            del pods[pod["metadata"]["name"]]
        yield sum(is_ready(one) for one in pods.values())


def test_pods_get_ready_one_in_each_zone(running: Cluster) -> None:
    zones = {node["metadata"]["name"]: nodes.zone_of(node) for node in running.api.items(nodes.NODES)}
    pods = serving_pods(running.api).values()

    assert all(is_ready(pod) for pod in pods)
    placed = [zones[pod["spec"]["nodeName"]] for pod in pods]
    assert len(placed) == len(set(placed)) == least(running.wanted)


def test_a_changed_configuration_rolls_the_pods(cluster: Cluster, changed: Rendered, rollout: Rollout) -> None:
    def checksum(of: Object) -> str:
        return of["metadata"]["annotations"][CHECKSUM_ANNOTATION]

    old, new = (checksum(one.one("Deployment", NAME)["spec"]["template"]) for one in (cluster.wanted, changed))

    assert old != new
    assert {checksum(pod) for pod in rollout.before.values()} == {old}
    assert {checksum(pod) for pod in rollout.after.values()} == {new}
    assert not rollout.before.keys() & rollout.after.keys()


def test_a_rollout_never_has_fewer_pods_available_than_wanted(cluster: Cluster, rollout: Rollout) -> None:
    replicas = least(cluster.wanted)
    available = [deployment["status"].get("availableReplicas", 0) for deployment in rollout.deployments]

    # Every old pod made way for a new one in between, or there was nothing to see.
    assert len(rollout.ready) > 2 * replicas
    assert min(available) >= replicas
    assert min(rollout.ready) >= replicas


def test_a_rollout_runs_one_pod_more_than_wanted_and_no_more(cluster: Cluster, rollout: Rollout) -> None:
    counts = [deployment["status"].get("replicas", 0) for deployment in rollout.deployments]

    assert max(counts) == least(cluster.wanted) + 1


def test_the_disruption_budget_keeps_the_last_two(running: Cluster) -> None:
    api = running.api
    names = sorted(serving_pods(api))
    going, staying = names[KEPT:], names[:KEPT]
    for state in api.states(BUDGETS, seconds=READY_SECONDS, fieldSelector=f"metadata.name={NAME}"):
        if state[NAME].get("status", {}).get("currentHealthy") == len(names):
            break

    # With no room for a new pod, what is evicted is missing for good, as while a node is being started.
    with nodes.closed(api):
        for name in going:
            _evict(api, name)
        for name in staying:
            with pytest.raises(Refused, match="disruption budget") as refusal:
                _evict(api, name)
            assert refusal.value.status == TOO_MANY_REQUESTS
        left = [name for name, pod in serving_pods(api).items() if is_ready(pod)]

    assert sorted(left) == staying


def _evict(api: Api, name: str) -> None:
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
    api.create(f"{PODS}/{name}/eviction", eviction)
