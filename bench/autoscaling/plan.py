"""What is tried: production's own settings, other ways to scale beside them, and requests of several weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from bench.autoscaling.fleet import Timings
from bench.autoscaling.simulation import Pods, Scraping, Variant
from bench.serving.environments import ROOT
from bench.serving.results import Scenario
from bench.serving.servers import OURS
from components.autoscaling import rule
from components.observability.monitors import SCRAPE_INTERVAL_SECONDS
from components.workload import autoscaling
from components.workload.autoscaling import Scaling
from infra.settings.model import Environment
from infra.settings.sections import Network
from infra.settings.traffic import Ingress, Workload
from stacks.environments import defaults

MEASURED = ROOT / "bench" / "results" / "serving.json"
_SCENARIO = Scenario(connections=64, rows=1).name

# EKS Auto Mode and Karpenter: 45 to 90 s are reported from an unschedulable pod to a node that takes it.
NODE_SECONDS = 75.0
# The scheduler removes a placeholder, which is killed at once, and looks again.
PLACEHOLDER_SECONDS = 2.0
# Some 100 MB from a registry in the region, and unpacking them. Not measured.
IMAGE_SECONDS = 10.0
# Longest until the startup probe has seen it: its period in components/workload/pods.py.
PROBE_SECONDS = 2.0

# Karpenter takes the smallest node that holds the pods which wait: two CPUs, of which the system keeps some, so that
# three pods that ask for half a CPU share two when all are busy.
NODE_CORES = 2
PODS_PER_NODE = 3

ZONES = Network().zones


class NotMeasured(RuntimeError):
    """The figures of the container are not there; the message says how to get them."""


@dataclass(frozen=True, kw_only=True)
class Weight:
    """Requests that cost so much, and what a pod can then do."""

    name: str
    pods: Pods


def workload() -> Workload:
    """Production's."""
    return cast(Workload, defaults(Environment.PROD)["workload"])


def scraping() -> Scraping:
    return Scraping(
        interval_seconds=SCRAPE_INTERVAL_SECONDS, window_seconds=rule.window_seconds(SCRAPE_INTERVAL_SECONDS)
    )


def scaling(wanted: Workload) -> Scaling:
    given = wanted.autoscaling
    return Scaling(
        replicas_min=given.replicas_min,
        replicas_max=given.replicas_max,
        available_min=wanted.min_available,
        cpu_percent=given.cpu_percent,
        memory_percent=given.memory_percent,
        requests_per_second=given.requests_per_second,
        scale_up_period_seconds=given.scale_up_period_seconds,
        scale_down_period_seconds=given.scale_down_period_seconds,
    )


def variants(wanted: Workload) -> list[Variant]:
    """The settings first; each of the others changes one thing, the last one three."""
    chosen, headroom = scaling(wanted), wanted.headroom_pods
    manifest = autoscaling.autoscaler(chosen)
    fast = _with_behavior(manifest, {"scaleDown": manifest["spec"]["behavior"]["scaleDown"]})
    twice = 2 * chosen.replicas_min
    return [
        Variant(name="as set, with adapter", autoscaler=manifest, headroom=headroom),
        Variant(
            name="CPU and memory alone",
            autoscaler=autoscaling.autoscaler(replace(chosen, requests_per_second=None)),
            headroom=headroom,
        ),
        Variant(name="+4 or +100% per 15 s", autoscaler=fast, headroom=headroom),
        Variant(
            name=f"{twice} pods at least",
            autoscaler=autoscaling.autoscaler(replace(chosen, replicas_min=twice)),
            headroom=headroom,
        ),
        Variant(name="no headroom", autoscaler=manifest, headroom=0),
        Variant(
            name=f"+4, {twice} pods, headroom {ZONES}",
            autoscaler=_with_behavior(
                autoscaling.autoscaler(replace(chosen, replicas_min=twice)), fast["spec"]["behavior"]
            ),
            headroom=ZONES,
        ),
    ]


def weights(wanted: Workload, file: Path = MEASURED) -> list[Weight]:
    """A request of the benchmark's small model, and one at which CPU and request targets ask for the same pods."""
    measured = _measured(file)
    given = wanted.autoscaling
    request_cores = wanted.cpu_request_millicores / 1000
    limit_cores = wanted.cpu_limit_millicores / 1000
    small = measured["scenarios"][_SCENARIO]["cpu_us_per_request"]["median"] / 1e6
    heavy = given.cpu_percent / 100 * request_cores / given.requests_per_second
    pods = Pods(
        work_seconds=small,
        cores=min(limit_cores, NODE_CORES / PODS_PER_NODE),
        request_cores=request_cores,
        memory_percent=100 * measured["pss_mib"]["most"] / wanted.memory_request_mib,
        wait_seconds=wanted.max_wait_ms / 1000,
        per_node=PODS_PER_NODE,
        timings=Timings(
            node=NODE_SECONDS,
            placeholder=PLACEHOLDER_SECONDS,
            image=IMAGE_SECONDS,
            start=measured["seconds_to_steady"]["most"],
            probe=PROBE_SECONDS,
            # A new target has to pass one check (AWS, "Health checks for Application Load Balancer target groups").
            target=Ingress().health_interval_seconds,
        ),
    )
    return [
        Weight(name=f"{small * 1000:.2g} ms of CPU a request, full nodes", pods=pods),
        Weight(name=f"{heavy * 1000:.2g} ms of CPU a request, full nodes", pods=replace(pods, work_seconds=heavy)),
        Weight(
            name=f"{heavy * 1000:.2g} ms of CPU a request, {limit_cores:g} CPUs for each pod",
            pods=replace(pods, work_seconds=heavy, cores=limit_cores),
        ),
    ]


def bounds(wanted: Workload) -> tuple[float, float]:
    """Least and most traffic: a tenth of what the most pods are meant for, and all of it."""
    most = float(wanted.autoscaling.replicas_max * wanted.autoscaling.requests_per_second)
    return most / 10, most


def _with_behavior(manifest: Mapping[str, Any], behavior: Mapping[str, Any]) -> dict[str, Any]:
    return {**manifest, "spec": {**manifest["spec"], "behavior": behavior}}


def _measured(file: Path) -> dict[str, Any]:
    try:
        servers: Sequence[dict[str, Any]] = json.loads(file.read_text())["servers"]
        return next(server for server in servers if server["name"] == OURS)
    except (OSError, ValueError, KeyError, StopIteration):
        raise NotMeasured(
            f"{file} has no figures of the server {OURS!r}: measure them by `python -m bench.serving`"
        ) from None
