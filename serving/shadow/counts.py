"""What is counted of copies, under the labels of `model_predictions_total`: always those of the version on trial."""

from __future__ import annotations

from serving.loaded import LoadedVersion
from serving.metrics import Metrics
from serving.metrics.container import PREDICTION_BUCKETS_SECONDS
from serving.shadow.comparison import Comparison

AGREES, DIFFERS, FAILED, DROPPED = "agrees", "differs", "failed", "dropped"
"""Outcomes of a copy: answered like the request, answered otherwise, not answered, and never run."""

DIFFERENCE_BUCKETS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100)
MOST_DIFFERENCE = 1e9
"""What a larger difference counts as, so that one infinite answer does not make the sum useless for ever."""

_LABELS = ("model", "model_version")


class ShadowCounts:
    """Declared in every worker alike; written on the event loop's thread alone."""

    def __init__(self, metrics: Metrics) -> None:
        self._copies = metrics.counter(
            "model_shadow_total", "Copies of requests by what came of them", (*_LABELS, "outcome")
        )
        self._differences = metrics.histogram(
            "model_shadow_difference",
            "Largest absolute difference of an answer to a copy from the answer that was given",
            _LABELS,
            buckets=DIFFERENCE_BUCKETS,
        )
        self._times = metrics.histogram(
            "model_shadow_duration_seconds",
            "Time from the start of a copy to its outputs",
            _LABELS,
            buckets=PREDICTION_BUCKETS_SECONDS,
        )

    def compared(self, shadow: LoadedVersion, comparison: Comparison, seconds: float) -> None:
        self._count(shadow, DIFFERS if comparison.differs else AGREES)
        self._times.labels(shadow.name, shadow.version).observe_alone(seconds)
        difference = comparison.largest_absolute
        if difference is not None:
            self._differences.labels(shadow.name, shadow.version).observe_alone(min(difference, MOST_DIFFERENCE))

    def failed(self, shadow: LoadedVersion) -> None:
        self._count(shadow, FAILED)

    def dropped(self, shadow: LoadedVersion) -> None:
        self._count(shadow, DROPPED)

    def _count(self, shadow: LoadedVersion, outcome: str) -> None:
        self._copies.labels(shadow.name, shadow.version, outcome).inc()
