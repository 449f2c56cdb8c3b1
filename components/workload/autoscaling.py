"""How many stable pods there are: the autoscaler's bounds, targets and pace, and how few an eviction may leave."""

from __future__ import annotations

from dataclasses import dataclass

from components.workload import labels
from components.workload.errors import InvalidWorkload
from components.workload.labels import Manifest

REQUESTS_METRIC = "http_requests_per_second"
"""Name under which a metrics adapter offers the requests per second of a pod."""

_PERIOD_MAX_SECONDS = 1800  # Kubernetes API, HPAScalingPolicy.periodSeconds


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """Bounds, targets and pace. `requests_per_second` is per pod, None where no metrics adapter serves it."""

    replicas_min: int
    replicas_max: int
    available_min: int
    """Pods that node drains must leave running."""
    cpu_percent: int
    memory_percent: int
    requests_per_second: int | None
    scale_up_period_seconds: int
    scale_down_period_seconds: int
    scale_up_pods: int = 1
    scale_down_pods: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.replicas_min <= self.replicas_max:
            raise InvalidWorkload(
                f"{self.replicas_min} to {self.replicas_max} replicas are no range: "
                f"give a least number of 1 or more, and a most that is not below it"
            )
        if not 0 <= self.available_min < self.replicas_min:
            raise InvalidWorkload(
                f"a disruption budget of {self.available_min} with {self.replicas_min} replicas at least would never "
                f"let a node drain: keep it from 0 to {self.replicas_min - 1}, or raise the least replicas"
            )
        for what, seconds in (("up", self.scale_up_period_seconds), ("down", self.scale_down_period_seconds)):
            if not 1 <= seconds <= _PERIOD_MAX_SECONDS:
                raise InvalidWorkload(
                    f"scaling {what} every {seconds} s is not possible: "
                    f"Kubernetes allows 1 to {_PERIOD_MAX_SECONDS} s between steps"
                )


def autoscaler(scaling: Scaling) -> Manifest:
    """Scales the stable Deployment by whichever metric asks for the most pods."""
    name = labels.track_name("stable")
    metrics = [_resource("cpu", scaling.cpu_percent), _resource("memory", scaling.memory_percent)]
    if scaling.requests_per_second is not None:
        metrics.append(_per_pod(REQUESTS_METRIC, scaling.requests_per_second))
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": labels.metadata(name),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": scaling.replicas_min,
            "maxReplicas": scaling.replicas_max,
            "metrics": metrics,
            "behavior": {
                "scaleUp": _pace(scaling.scale_up_pods, scaling.scale_up_period_seconds, window_seconds=0),
                # The window is one step long: the count falls only if the load stayed low for a whole step.
                "scaleDown": _pace(
                    scaling.scale_down_pods,
                    scaling.scale_down_period_seconds,
                    window_seconds=scaling.scale_down_period_seconds,
                ),
            },
        },
    }


def disruption_budget(scaling: Scaling) -> Manifest:
    """How many stable pods an eviction must leave. A pod that never became ready may always go."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": labels.metadata(labels.track_name("stable")),
        "spec": {
            "minAvailable": scaling.available_min,
            "selector": {"matchLabels": labels.track_selector("stable")},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def _resource(name: str, percent_of_request: int) -> Manifest:
    target = {"type": "Utilization", "averageUtilization": percent_of_request}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def _per_pod(metric: str, average: int) -> Manifest:
    target = {"type": "AverageValue", "averageValue": str(average)}
    return {"type": "Pods", "pods": {"metric": {"name": metric}, "target": target}}


def _pace(pods: int, period_seconds: int, *, window_seconds: int) -> Manifest:
    return {
        "stabilizationWindowSeconds": window_seconds,
        "policies": [{"type": "Pods", "value": pods, "periodSeconds": period_seconds}],
    }
