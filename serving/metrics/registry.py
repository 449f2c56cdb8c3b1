"""The metrics of one worker, and the page that says what all workers counted together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import fsum
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from serving.metrics import processes
from serving.metrics.accept import prefers_openmetrics
from serving.metrics.families import Counter, Family, Gauge, Labels, forget_gauges
from serving.metrics.histograms import Distribution, Histogram
from serving.metrics.memory import MetricsMemory, OwnRegion, Region, create

TEXT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = b"application/openmetrics-text; version=1.0.0; charset=utf-8"

_openmetrics = cast(Callable[[Collector], bytes], openmetrics.generate_latest)

FamilyT = TypeVar("FamilyT", bound=Family[Any])


class Registry(Collector):
    """Metrics are declared at start and alike in every worker: a page shows those that its own worker declared.

    Declaring the same again gives the same metric.
    """

    def __init__(self, memory: MetricsMemory | None = None, worker: int = 0) -> None:
        """`memory`: as made before the fork; None for a process that is alone."""
        memory = memory or create(1)
        self._memory = memory
        self._own = OwnRegion(memory, worker)
        forget_gauges(self._own)
        self._regions = [Region(memory, number) for number in range(memory.workers)]
        self._families: dict[str, Family[Any]] = {}
        self._places: dict[tuple[str, str], dict[Labels, list[int]]] = {}
        self._reading = threading.Lock()
        self._written = CollectorRegistry()
        self._written.register(self)

    def counter(self, name: str, description: str, labels: Sequence[str] = ()) -> Counter:
        """A counter, shown as the sum of all workers. Its name ends with `_total`."""
        return self._declared(Counter(self._own, name, description, labels))

    def gauge(
        self,
        name: str,
        description: str,
        labels: Sequence[str] = (),
        *,
        combine: Callable[[Iterable[float]], float] = fsum,
    ) -> Gauge:
        """A gauge, shown as the sum of what the workers set, or as `max` or `min` of it."""
        return self._declared(Gauge(self._own, name, description, labels, combine))

    def histogram(
        self,
        name: str,
        description: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float],
        expose: Callable[[Mapping[Labels, Distribution]], Iterable[Metric]] | None = None,
    ) -> Histogram:
        """A histogram, shown as the sum of all workers; `buckets` are the finite upper bounds.

        `expose` makes other metrics of what was observed for each label set.
        """
        return self._declared(Histogram(self._own, name, description, labels, buckets, expose))

    def page(self, accept: bytes = b"") -> tuple[bytes, bytes]:
        """All metrics and their content type: OpenMetrics where the Accept header prefers it."""
        with self._reading:
            if prefers_openmetrics(accept):
                return _openmetrics(self._written), OPENMETRICS_TYPE
            return generate_latest(self._written), TEXT_TYPE

    def collect(self) -> Iterator[Metric]:
        self._find_new()
        for family in self._families.values():
            yield from family.collect(self._places.get((family.kind, family.name), {}))
        restarts = CounterMetricFamily(
            "serveml_worker_restarts_total", "Times a worker was started anew after its end", labels=("worker",)
        )
        for region in self._regions:
            if region.starts:
                restarts.add_metric((str(region.worker),), region.starts - 1)
        yield restarts
        yield CounterMetricFamily(
            "serveml_metric_overflows_total",
            "Times a label set found no room and was counted under another name",
            sum(region.overflows for region in self._regions),
        )
        yield from processes.collect(self._memory.owner, (region.pid for region in self._regions if region.pid))

    def _find_new(self) -> None:
        for region in self._regions:
            for entry in region.new_entries():
                kind, name, *labels = entry.key
                places = self._places.setdefault((kind, name), {})
                places.setdefault(tuple(labels), []).append(entry.start)

    def _declared(self, family: FamilyT) -> FamilyT:
        known = self._families.get(family.name)
        if known is None:
            self._families[family.name] = family
            return family
        if known.definition != family.definition:
            raise ValueError(f"the metric {family.name} is declared already, with another definition: use another name")
        return cast(FamilyT, known)
