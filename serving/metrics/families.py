"""Counters and gauges that keep their values in a worker's region and are read over the regions of all workers.

A child's methods may be called from any thread, except where they say otherwise. Label values come from small fixed
sets, never from what a client sent; a label set that finds no room is counted under OVERFLOW_LABEL, so that the sum
over all label sets stays right.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from serving.metrics.memory import OwnRegion

Labels = tuple[str, ...]
Places = Mapping[Labels, Sequence[int]]
"""For each label set, where its values begin in each region that has it."""

OVERFLOW_LABEL = "other"
COUNTER_SUFFIX = "_total"

_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_UNSET = math.nan

Child = TypeVar("Child")


class Family(ABC, Generic[Child]):
    """One metric with its label names. `labels` gives the child to keep where finding it anew would cost too much."""

    kind: ClassVar[str]

    def __init__(
        self, region: OwnRegion, name: str, description: str, labels: Sequence[str], initial: Sequence[float]
    ) -> None:
        for word in (name, *labels):
            if _NAME.fullmatch(word) is None:
                raise ValueError(f"{word!r} names no metric or label: lower-case letters, digits and _ are allowed")
        self.name = name
        self.description = description
        self.label_names = tuple(labels)
        self._region = region
        self._memory = region.memory
        self._initial = initial
        self._children: dict[Labels, Child] = {}
        self._overflow_labels = (OVERFLOW_LABEL,) * len(self.label_names)
        # Made first, so that it has room whatever comes. Without label names, it is the only child.
        start = self._place(self._overflow_labels)
        if start is None:
            raise ValueError(f"no room is left for the metric {name}: declare it at start, or make the regions larger")
        self.overflow = self._child(start)

    @property
    def definition(self) -> tuple[object, ...]:
        """What two declarations of the same metric have in common."""
        return self.kind, self.description, self.label_names

    def labels(self, *values: str) -> Child:
        child = self._children.get(values)
        if child is None:
            child = self._find(values)
        return child

    def _find(self, values: Labels) -> Child:
        if len(values) != len(self.label_names):
            raise ValueError(f"{self.name} has the labels {self.label_names}, but {len(values)} values were given")
        start = self._place(values)
        if start is None:
            # Not kept: what finds no room is without bound.
            return self.overflow
        child = self._children[values] = self._child(start)
        return child

    def _place(self, values: Labels) -> int | None:
        return self._region.place((self.kind, self.name, *values), self._initial)

    def is_overflow(self, labels: Labels) -> bool:
        """Whether these labels stand for those that found no room: not shown while none did."""
        return bool(labels) and labels == self._overflow_labels

    @abstractmethod
    def _child(self, start: int) -> Child: ...

    @abstractmethod
    def collect(self, places: Places) -> Iterable[Metric]:
        """The metric as the client library writes it."""


class CounterChild:
    __slots__ = ("_lock", "_numbers", "_start")

    def __init__(self, region: OwnRegion, start: int) -> None:
        self._lock = region.lock
        self._numbers = region.memory.numbers
        self._start = start

    def inc(self, amount: float = 1.0) -> None:
        """Add an amount, which must not be negative."""
        with self._lock:
            self._numbers[self._start] += amount


class Counter(Family[CounterChild]):
    kind = "counter"

    def __init__(self, region: OwnRegion, name: str, description: str, labels: Sequence[str]) -> None:
        if not name.endswith(COUNTER_SUFFIX):
            raise ValueError(f"{name!r} is a counter: its name must end with {COUNTER_SUFFIX}")
        super().__init__(region, name, description, labels, (0.0,))

    def inc(self, amount: float = 1.0) -> None:
        """Of a counter without labels."""
        self.labels().inc(amount)

    def _child(self, start: int) -> CounterChild:
        return CounterChild(self._region, start)

    def collect(self, places: Places) -> Iterable[Metric]:
        metric = CounterMetricFamily(self.name, self.description, labels=self.label_names)
        for labels, starts in sorted(places.items()):
            value = math.fsum(self._memory.numbers[start] for start in starts)
            if value or not self.is_overflow(labels):
                metric.add_metric(labels, value)
        yield metric


class GaugeChild:
    """A value of this worker's, which its successor does not inherit."""

    __slots__ = ("_lock", "_numbers", "_start")

    def __init__(self, region: OwnRegion, start: int) -> None:
        self._lock = region.lock
        self._numbers = region.memory.numbers
        self._start = start

    def set(self, value: float) -> None:
        with self._lock:
            self._numbers[self._start] = value

    def inc(self, amount: float = 1.0) -> None:
        """Add to the value, which is 0 before it is set."""
        with self._lock:
            before = self._numbers[self._start]
            self._numbers[self._start] = amount if math.isnan(before) else before + amount

    def dec(self, amount: float = 1.0) -> None:
        self.inc(-amount)

    def remove(self) -> None:
        """Show no value of this worker's until it is set again."""
        self.set(_UNSET)


class Gauge(Family[GaugeChild]):
    """`combine` makes one value of those that the workers have set."""

    kind = "gauge"

    def __init__(
        self,
        region: OwnRegion,
        name: str,
        description: str,
        labels: Sequence[str],
        combine: Callable[[Iterable[float]], float],
    ) -> None:
        super().__init__(region, name, description, labels, (_UNSET,))
        self.combine = combine

    @property
    def definition(self) -> tuple[object, ...]:
        return *super().definition, self.combine

    def set(self, value: float) -> None:
        """Of a gauge without labels."""
        self.labels().set(value)

    def inc(self, amount: float = 1.0) -> None:
        """Of a gauge without labels."""
        self.labels().inc(amount)

    def dec(self, amount: float = 1.0) -> None:
        """Of a gauge without labels."""
        self.labels().dec(amount)

    def _child(self, start: int) -> GaugeChild:
        return GaugeChild(self._region, start)

    def collect(self, places: Places) -> Iterable[Metric]:
        metric = GaugeMetricFamily(self.name, self.description, labels=self.label_names)
        for labels, starts in sorted(places.items()):
            values = [value for start in starts if not math.isnan(value := self._memory.numbers[start])]
            if values:
                metric.add_metric(labels, self.combine(values))
        yield metric


def forget_gauges(region: OwnRegion) -> None:
    """Clear what a predecessor set: the worker that begins now has not said so."""
    for key, start in region.places():
        if key[0] == Gauge.kind:
            region.memory.numbers[start] = _UNSET
