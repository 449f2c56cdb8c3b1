"""Histograms in a worker's region, with an exemplar for each bucket, and their distributions added up."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.samples import Exemplar

from serving.metrics import exemplars
from serving.metrics.families import Family, Labels, Places
from serving.metrics.memory import MetricsMemory, OwnRegion


class Distribution(NamedTuple):
    """What a histogram holds for one label set; the counts are each bucket's own, the last one unbounded."""

    total: float
    counts: Sequence[float]
    exemplars: Sequence[Exemplar | None]

    @property
    def observed(self) -> float:
        return math.fsum(self.counts)


def merged(distributions: Sequence[Distribution]) -> Distribution:
    """Exact sums: rounded ones, in another order, could fall below what an earlier page said."""
    if len(distributions) == 1:
        return distributions[0]
    newest: list[Exemplar | None] = [None] * len(distributions[0].exemplars)
    for distribution in distributions:
        newest = [exemplars.newest(*pair) for pair in zip(newest, distribution.exemplars, strict=True)]
    return Distribution(
        math.fsum(distribution.total for distribution in distributions),
        [math.fsum(counts) for counts in zip(*(distribution.counts for distribution in distributions), strict=True)],
        newest,
    )


class HistogramChild:
    """Values: the total, the count of each bucket, the exemplar of each bucket."""

    __slots__ = ("_bounds", "_exemplars", "_first_bucket", "_lock", "_memory", "_numbers", "_total")

    def __init__(self, region: OwnRegion, start: int, bounds: Sequence[float]) -> None:
        self._lock = region.lock
        self._memory = region.memory
        self._numbers = region.memory.numbers
        self._bounds = bounds
        self._total = start
        self._first_bucket = start + 1
        self._exemplars = start + 1 + len(bounds) + 1

    def observe(self, value: float, trace_id: str | None = None) -> None:
        """Count a value; `trace_id`, 32 hexadecimal digits, only of a request whose trace is kept."""
        with self._lock:
            self.observe_alone(value, trace_id)

    def observe_alone(self, value: float, trace_id: str | None = None) -> None:
        """The same at half the cost, for a child that only one thread writes."""
        bucket = bisect_left(self._bounds, value)
        numbers = self._numbers
        numbers[self._first_bucket + bucket] += 1.0
        numbers[self._total] += value
        if trace_id is not None:
            exemplars.write(self._memory, self._exemplars + bucket * exemplars.EXEMPLAR_WORDS, trace_id, value)


class Histogram(Family[HistogramChild]):
    """`expose` makes of the distributions what the page shows, if that is not just this histogram."""

    kind = "histogram"

    def __init__(
        self,
        region: OwnRegion,
        name: str,
        description: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        expose: Callable[[Mapping[Labels, Distribution]], Iterable[Metric]] | None = None,
    ) -> None:
        if not bounds or list(bounds) != sorted(set(bounds)) or math.isinf(bounds[-1]):
            raise ValueError(f"{name} has the bounds {bounds}: one or more finite ones are allowed, ascending")
        self.bounds = tuple(bounds)
        buckets = len(bounds) + 1
        self._expose = expose or self._exposed
        super().__init__(region, name, description, labels, (0.0,) * (1 + buckets * (1 + exemplars.EXEMPLAR_WORDS)))

    @property
    def definition(self) -> tuple[object, ...]:
        return *super().definition, self.bounds

    def observe(self, value: float, trace_id: str | None = None) -> None:
        """Of a histogram without labels."""
        self.labels().observe(value, trace_id)

    def _child(self, start: int) -> HistogramChild:
        return HistogramChild(self._region, start, self.bounds)

    def collect(self, places: Places) -> Iterable[Metric]:
        found = {
            labels: merged([_distribution(self._memory, start, len(self.bounds) + 1) for start in starts])
            for labels, starts in sorted(places.items())
        }
        return self._expose(
            {
                labels: distribution
                for labels, distribution in found.items()
                if any(distribution.counts) or not self.is_overflow(labels)
            }
        )

    def _exposed(self, found: Mapping[Labels, Distribution]) -> Iterable[Metric]:
        metric = HistogramMetricFamily(self.name, self.description, labels=self.label_names)
        for labels, distribution in found.items():
            add_distribution(metric, labels, self.bounds, distribution)
        yield metric


def add_distribution(
    metric: HistogramMetricFamily, labels: Labels, bounds: Sequence[float], distribution: Distribution
) -> None:
    """Add a label set's buckets to a metric, each with all that lies below it."""
    buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
    below = 0.0
    for bound, count, exemplar in zip((*bounds, math.inf), distribution.counts, distribution.exemplars, strict=True):
        below += count
        name = "+Inf" if math.isinf(bound) else repr(float(bound))
        buckets.append((name, below) if exemplar is None else (name, below, exemplar))
    metric.add_metric(labels, buckets, distribution.total)


def _distribution(memory: MetricsMemory, start: int, buckets: int) -> Distribution:
    first_exemplar = start + 1 + buckets
    return Distribution(
        memory.numbers[start],
        memory.numbers[start + 1 : first_exemplar].tolist(),
        [exemplars.read(memory, first_exemplar + bucket * exemplars.EXEMPLAR_WORDS) for bucket in range(buckets)],
    )
