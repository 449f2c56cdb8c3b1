"""Kubernetes' horizontal pod autoscaler as a manifest describes it, so that what is deployed is what is tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.autoscaling.pace import DEFAULT_DOWN, DEFAULT_UP, Pace, read_rules
from bench.autoscaling.proposal import Metric, Reading, proposed

SYNC_SECONDS = 15
"""How often it looks (kube-controller-manager, `--horizontal-pod-autoscaler-sync-period`)."""

_ALL_OF_A_REQUEST_PERCENT = 100


class Autoscaler:
    """Takes the most that a metric asks for, at the pace that the manifest allows."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        spec = manifest["spec"]
        self.least: int = spec["minReplicas"]
        self.most: int = spec["maxReplicas"]
        self.metrics: Sequence[Metric] = [_metric(given) for given in spec["metrics"]]
        behavior: Mapping[str, Any] = spec.get("behavior") or {}
        self._pace = Pace(
            read_rules(behavior.get("scaleUp"), DEFAULT_UP), read_rules(behavior.get("scaleDown"), DEFAULT_DOWN)
        )

    def look(self, now: float, replicas: int, readings: Mapping[str, Reading]) -> int:
        """The number of pods from now on. A metric that no pod has a figure of is not followed, and forbids fewer."""
        if not self.least <= replicas <= self.most:
            return min(max(replicas, self.least), self.most)
        proposals = [proposed(metric, readings[metric.name], replicas) for metric in self.metrics]
        known = [proposal for proposal in proposals if proposal is not None]
        if not known or (len(known) < len(proposals) and max(known) < replicas):
            return replicas
        return self._pace.follow(now, replicas, max(known), least=self.least, most=self.most)


def _metric(given: Mapping[str, Any]) -> Metric:
    if given["type"] == "Resource":
        percent = given["resource"]["target"]["averageUtilization"]
        return Metric(
            name=given["resource"]["name"],
            target=percent,
            missing_value=max(percent, _ALL_OF_A_REQUEST_PERCENT),
            whole=True,
        )
    target = float(given["pods"]["target"]["averageValue"])
    return Metric(name=given["pods"]["metric"]["name"], target=target, missing_value=target)
