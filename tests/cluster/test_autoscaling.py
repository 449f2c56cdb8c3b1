"""The autoscaler follows the load between its bounds, a pod at a time, no faster than the settings say.

The decisions are those of Kubernetes' own controller; what the pods use and get is simulated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from components.workload.autoscaling import REQUESTS_METRIC
from localcloud.program import stack_config
from tests.cluster.api import Api, Object, apply, has_condition
from tests.cluster.conftest import STACK, Cluster
from tests.cluster.objects import API_SERVICE, Rendered, rendered
from tests.cluster.request_metrics import OutOfReach, RequestMetrics, registered, served
from tests.cluster.simulated_load import Load, SharedLoad, shared
from tests.stacks.conftest import build

NAMESPACE = "ml-system"
NAME = "inference-stable"
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
AUTOSCALERS = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SELECTOR = "app.kubernetes.io/name=inference,track=stable"

# Short enough for a test, and of a length that the controller's own period (15 s unless it is told otherwise) shows.
STEP_SECONDS = 4
# Changes are seen here somewhat later than they are made, and not always equally late.
LATE_SECONDS = 2.0
PHASE_SECONDS = 300

# Of 500m and 512Mi that a pod asks for: far below what scaling aims at, so that requests alone decide.
QUIET = Load(requests_per_second=30, pod_cpu_millicores=50, pod_memory_mib=100)
BUSY = replace(QUIET, requests_per_second=2500)

pytestmark = pytest.mark.usefixtures("pods_run")


@dataclass(frozen=True, kw_only=True)
class Change:
    """The autoscaler asked for another number of pods."""

    at_seconds: float
    replicas: int


@pytest.fixture(scope="module")
def quick() -> Rendered:
    """The stack with short pauses between the steps, which is all that differs."""
    assert "serveml:workload" not in stack_config(STACK)
    pauses = {"scale_up_period_seconds": STEP_SECONDS, "scale_down_period_seconds": STEP_SECONDS}
    return rendered(build(STACK, ("serveml:workload", json.dumps({"autoscaling": pauses}))))


@pytest.fixture
def autoscaler(cluster: Cluster, quick: Rendered) -> Generator[Object]:
    """The stack's autoscaler, in a hurry."""
    hurried, usual = (one.one("HorizontalPodAutoscaler", NAME) for one in (quick, cluster.wanted))
    assert apply(cluster.kubectl, [hurried]).complaints == ""
    yield hurried
    assert apply(cluster.kubectl, [usual]).complaints == ""


def test_pods_follow_the_requests_up_to_the_most_and_back(cluster: Cluster, autoscaler: Object, tmp_path: Path) -> None:
    api, spec = cluster.api, autoscaler["spec"]
    least, most = spec["minReplicas"], spec["maxReplicas"]
    assert REQUESTS_METRIC in [metric["pods"]["metric"]["name"] for metric in spec["metrics"] if "pods" in metric]

    with ExitStack() as block:
        load = block.enter_context(shared(api, PODS, SELECTOR, QUIET))
        metrics = _requests_from(block, cluster, load, tmp_path)
        _await_replicas(api, least)
        load.change(BUSY)
        up = _watch_until(api, most)
        _await_limited(api, most)
        # The first step down counts from what there was at the period's begin: a pod added in it would go as well
        # (`calculateScaleDownLimitWithBehaviors` in kubernetes/kubernetes, pkg/controller/podautoscaler/horizontal.go).
        time.sleep(max(0.0, up[-1].at_seconds + STEP_SECONDS + LATE_SECONDS - time.monotonic()))
        load.change(QUIET)
        down = _watch_until(api, least)

    for timeline in (up, down):
        print([(round(change.at_seconds - timeline[0].at_seconds, 1), change.replicas) for change in timeline])
    assert metrics.asked >= most - least
    assert [change.replicas for change in up] == list(range(least, most + 1))
    assert [change.replicas for change in down] == list(range(most, least - 1, -1))
    for timeline in (up, down):
        _assert_no_faster_than(timeline, STEP_SECONDS)


def _requests_from(block: ExitStack, cluster: Cluster, load: SharedLoad, folder: Path) -> RequestMetrics:
    """Answer for the metric in the adapter's place, for as long as the block lasts."""
    (api_service,) = cluster.wanted.of_kind(API_SERVICE)
    group_version = f"{api_service['spec']['group']}/{api_service['spec']['version']}"
    metrics = RequestMetrics(group_version, REQUESTS_METRIC, load.requests)
    port = block.enter_context(served(metrics, folder))
    try:
        block.enter_context(registered(cluster.api, api_service, port))
    except OutOfReach as far:
        pytest.skip(str(far))
    return metrics


def _await_replicas(api: Api, replicas: int) -> None:
    for change in _changes(api):
        if change.replicas == replicas:
            return


def _watch_until(api: Api, replicas: int) -> list[Change]:
    """What the autoscaler asked for, from now until it asks for so many."""
    seen: list[Change] = []
    for change in _changes(api):
        if not seen or seen[-1].replicas != change.replicas:
            seen.append(change)
        if change.replicas == replicas:
            break
    return seen


def _changes(api: Api) -> Generator[Change]:
    for state in api.states(DEPLOYMENTS, seconds=PHASE_SECONDS, fieldSelector=f"metadata.name={NAME}"):
        yield Change(at_seconds=time.monotonic(), replicas=state[NAME]["spec"].get("replicas", 1))


def _await_limited(api: Api, most: int) -> None:
    """The load asks for more pods than there may be, and the autoscaler says that it holds back."""
    for state in api.states(AUTOSCALERS, seconds=PHASE_SECONDS, fieldSelector=f"metadata.name={NAME}"):
        status = state[NAME].get("status", {})
        if has_condition(state[NAME], "ScalingLimited") and status.get("desiredReplicas") == most:
            return


def _assert_no_faster_than(timeline: Sequence[Change], step_seconds: int) -> None:
    """Between any two changes there was time for as many steps as were made."""
    changes = timeline[1:]
    for index, first in enumerate(changes):
        for steps, later in enumerate(changes[index:]):
            assert later.at_seconds - first.at_seconds >= steps * step_seconds - LATE_SECONDS
