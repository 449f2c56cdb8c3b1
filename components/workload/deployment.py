"""The Deployment of a track: how its pods are replaced, and how long that may take."""

from __future__ import annotations

import pulumi

from components.workload import labels
from components.workload.binding import SKIP_AWAIT
from components.workload.configuration import CHECKSUM_ANNOTATION
from components.workload.labels import Manifest, Track
from components.workload.pods import ServingPod, grace_period_seconds, pod_spec
from infra.capacity import SURGE_PODS

REVISIONS_KEPT = 5
MIN_READY_SECONDS = 10
NODE_START_SECONDS = 180
"""What a pod waits for a node that has yet to be started, generously."""

TARGET_HEALTHY_SECONDS = 120
"""What the load balancer takes to find a new target healthy, by its readiness gate, generously."""


def deployment(
    track: Track,
    pod: ServingPod,
    *,
    replicas: int | None,
    configuration_sha256: pulumi.Input[str],
    await_rollout: bool,
) -> Manifest:
    """The Deployment of a track.

    `replicas` is None where an autoscaler owns the number: stated here, each update of the stack would set it back
    (kubernetes.io, "Horizontal Pod Autoscaling", on migrating Deployments). Kubernetes then begins with one.
    """
    selector = labels.track_selector(track)
    spec: Manifest = {
        "selector": {"matchLabels": selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": SURGE_PODS, "maxUnavailable": 0}},
        "minReadySeconds": MIN_READY_SECONDS,
        "revisionHistoryLimit": REVISIONS_KEPT,
        "progressDeadlineSeconds": step_seconds(pod),
        "template": {
            "metadata": {"labels": selector, "annotations": {CHECKSUM_ANNOTATION: configuration_sha256}},
            "spec": pod_spec(pod, track),
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": labels.metadata(labels.track_name(track), selector, None if await_rollout else SKIP_AWAIT),
        "spec": spec if replicas is None else {**spec, "replicas": replicas},
    }


def step_seconds(pod: ServingPod) -> int:
    """The longest that one pod may take to replace another; a rollout without progress for so long has failed."""
    return NODE_START_SECONDS + pod.startup_seconds + TARGET_HEALTHY_SECONDS + MIN_READY_SECONDS


def rollout_seconds(pod: ServingPod, replicas: int) -> int:
    """The longest that a rollout may take: pods follow one another, and the last old one drains at its end."""
    return (replicas + SURGE_PODS) * step_seconds(pod) + grace_period_seconds(pod.drain_seconds)
