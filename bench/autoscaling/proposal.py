"""What one metric asks for: the first half of Kubernetes' autoscaling algorithm, as plain arithmetic.

After kubernetes.io, "Horizontal Pod Autoscaling", algorithm details, and kubernetes/kubernetes,
`pkg/controller/podautoscaler/replica_calculator.go`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE = 0.1
"""A ratio this near to 1 changes nothing (kube-controller-manager, `--horizontal-pod-autoscaler-tolerance`)."""

_MILLI = 1000


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is known of a metric at one moment, pod by pod."""

    values: Sequence[float]
    """Of the pods whose figures count."""
    missing: int = 0
    """Pods without a figure."""
    unready: int = 0
    """Pods that are too new for their figure to count, or wait for a node."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A target, in the unit of the values."""

    name: str
    target: float
    missing_value: float
    """What a pod without a figure is taken for while the others ask for fewer pods."""
    whole: bool = False
    """Averages lose their fraction, as those of CPU and memory in percent do."""


def proposed(metric: Metric, reading: Reading, replicas: int) -> int | None:
    """The number of pods that the metric asks for; None where no pod has a figure.

    Pods without figures, or with figures that do not count yet, are taken for what makes the change smaller.
    """
    if not reading.values:
        return None
    ratio = _ratio(metric, reading.values)
    counts_unready = reading.unready > 0 and ratio > 1
    if not counts_unready and not reading.missing:
        return replicas if _near(ratio) else math.ceil(ratio * len(reading.values))
    values = list(reading.values)
    if ratio < 1:
        values += [metric.missing_value] * reading.missing
    elif ratio > 1:
        values += [0.0] * reading.missing
    if counts_unready:
        values += [0.0] * reading.unready
    then = _ratio(metric, values)
    if _near(then) or (ratio < 1 < then) or (then < 1 < ratio):
        return replicas
    wanted = math.ceil(then * len(values))
    turned = wanted > replicas if then < 1 else wanted < replicas
    return replicas if turned else wanted


def _near(ratio: float) -> bool:
    return abs(1 - ratio) <= TOLERANCE


def _ratio(metric: Metric, values: Sequence[float]) -> float:
    average = sum(values) / len(values)
    # Kubernetes averages in whole percent, and in thousandths.
    given = math.floor(average) if metric.whole else math.floor(average * _MILLI) / _MILLI
    return given / metric.target
