"""What a version did in a window of time, summed over all pods, exactly as far as their counters were scraped.

A window holds the samples after its beginning and up to its end, so windows that follow each other share nothing and
miss nothing. A counter's rise in it is added up from its samples, not extrapolated: one that appears in the window
counts from nothing, and after a fall it began anew. What was counted between the last scrape and a pod's end is lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Protocol

from contract.objects import Version
from ops.canary.prometheus import Series

SETTLE_SECONDS = 1.0
"""Samples carry the time at which their scrape began and are there when it has ended: windows lie this far back."""
QUANTILE = 0.95
DEFAULT_SLOW_MS = 500.0

PREDICTIONS = "model_predictions_total"
SECONDS_BUCKET = "model_prediction_duration_seconds_bucket"
SHADOWED = "model_shadow_total"
RESTARTS = "serveml_worker_restarts_total"
STARTED = "process_start_time_seconds"
OK, FAILED = "ok", "failed"
AGREES, DIFFERS, DROPPED = "agrees", "differs", "dropped"

_BEFORE = "6h"
"""How far back a counter's last value is looked for: a pod that was not scraped for a while is no new one."""
_PIECE_MS = 600_000
_REFERENCE_MS = 600_000
# The time of a process's start is computed from the machine's clock, which is corrected now and then.
_START_SHIFT_SECONDS = 2.0
_NOT_THE_TARGETS = frozenset({"__name__", "model", "model_version", "outcome", "worker"})

Labels = frozenset[tuple[str, str]]


class Queries(Protocol):
    """What `ops.canary.prometheus.Prometheus` gives; raises PrometheusAway or PrometheusRefused."""

    def query(self, query: str, at_ms: int) -> list[Series]: ...


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One version in a window."""

    requests: int
    """Answered, or failed by the model. What was refused for what the client sent says nothing about a version."""
    errors: int
    """Of these, the failed ones."""
    timed: int
    """All whose time was taken, the refused included: the trials to `slow`, which may exceed `requests`."""
    slow: int
    """Of the timed ones, those that took longer than what was asked for."""
    p95_ms: float | None
    """By linear interpolation in its bucket; above the last bound, that bound. None where nothing was timed."""
    p95_bound_ms: float | None
    """The upper bound of that bucket; above the last bound, that bound."""
    crashes: int
    """Workers and processes that began anew in the pods that serve the model: not one version's alone."""


@dataclass(frozen=True, kw_only=True)
class Shadowed:
    """The copies that a version was given in a window."""

    compared: int
    differing: int
    """Of the compared ones."""
    failed: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class _Trace:
    """A series' samples in a window, and its last value before."""

    before: float | None
    values: tuple[float, ...]

    @property
    def increase(self) -> float:
        """Of a counter."""
        values = (self.before or 0.0, *self.values)
        return sum(after - before if after >= before else after for before, after in pairwise(values))

    @property
    def restarts(self) -> int:
        """Of the time at which a process started."""
        values = self.values if self.before is None else (self.before, *self.values)
        return sum(after - before > _START_SHIFT_SECONDS for before, after in pairwise(values))


class Measurements:
    """Reads the container's metrics. `scope` are labels that all series must have, such as a namespace's.

    Every method raises PrometheusAway or PrometheusRefused; times must know their zone.
    """

    def __init__(
        self, prometheus: Queries, *, scope: Mapping[str, str] | None = None, settle_seconds: float = SETTLE_SECONDS
    ) -> None:
        self._prometheus = prometheus
        self._scope = dict(scope or {})
        self._settle_ms = round(settle_seconds * 1000)

    def __call__(
        self, model: str, version: Version, since: datetime, until: datetime, *, slow_ms: float = DEFAULT_SLOW_MS
    ) -> Measured:
        """The version's figures. Slow is what lies beyond the first bucket bound that is `slow_ms` or more, or the last
        bound there is: all counted ones were slower than it, but for a `slow_ms` above every bound."""
        window = self._window(since, until)
        found = self._traces((PREDICTIONS, SECONDS_BUCKET), {"model": model, "model_version": str(version)}, window)
        outcomes = _sum_by(found, PREDICTIONS, "outcome")
        times = Times.of(found)
        answered, failed = outcomes.get(OK, 0), outcomes.get(FAILED, 0)
        p95_bound = times.bound_of(QUANTILE)
        return Measured(
            requests=answered + failed,
            errors=failed,
            timed=times.total,
            slow=times.beyond(slow_ms / 1000),
            p95_ms=_ms(times.quantile(QUANTILE)),
            p95_bound_ms=_ms(p95_bound),
            crashes=self._crashes(model, window),
        )

    def shadowed(self, model: str, version: Version, since: datetime, until: datetime) -> Shadowed:
        """What became of the copies for a version."""
        matchers = {"model": model, "model_version": str(version)}
        found = self._traces((SHADOWED,), matchers, self._window(since, until))
        outcomes = _sum_by(found, SHADOWED, "outcome")
        agreeing, differing = outcomes.get(AGREES, 0), outcomes.get(DIFFERS, 0)
        return Shadowed(
            compared=agreeing + differing,
            differing=differing,
            failed=outcomes.get(FAILED, 0),
            dropped=outcomes.get(DROPPED, 0),
        )

    def slow_bound_ms(self, model: str, stable: Version, before: datetime) -> float:
        """What to call slow when versions are compared from a moment on: the bound of the bucket in which the stable
        version's 95th percentile was in the ten minutes before. The same for the same moment, whoever asks when."""
        end = self._ms(before)
        matchers = {"model": model, "model_version": str(stable)}
        times = Times.of(self._traces((SECONDS_BUCKET,), matchers, (end - _REFERENCE_MS, end)))
        return _ms(times.bound_of(QUANTILE)) or DEFAULT_SLOW_MS

    def _crashes(self, model: str, window: tuple[int, int]) -> int:
        """Over the targets that ever answered for the model, with whichever version."""
        serving = {_target(labels) for labels in self._traces((PREDICTIONS,), {"model": model}, window, sampled=False)}
        found = self._traces((RESTARTS, STARTED), {}, window)
        mine = [(dict(labels)["__name__"], trace) for labels, trace in found.items() if _target(labels) in serving]
        workers = sum(trace.increase for name, trace in mine if name == RESTARTS)
        return round(workers) + sum(trace.restarts for name, trace in mine if name == STARTED)

    def _traces(
        self, names: Iterable[str], matchers: Mapping[str, str], window: tuple[int, int], *, sampled: bool = True
    ) -> dict[Labels, _Trace]:
        """All series of these names, those included that have no sample in the window.

        Without `sampled`, of the window only each series' last sample.
        """
        start, end = window
        selector = selector_of(names, {**matchers, **self._scope})
        before = {
            frozenset(series.labels.items()): series.samples[-1][1]
            for series in self._prometheus.query(f"last_over_time({selector}[{_BEFORE}])", start)
            if series.samples
        }
        values: dict[Labels, list[float]] = {labels: [] for labels in before}
        for piece_start, piece_end in _pieces(start, end):
            taken = f"{selector}[{piece_end - piece_start}ms]"
            asked = taken if sampled else f"last_over_time({taken})"
            for series in self._prometheus.query(asked, piece_end):
                # Some releases give the sample at the beginning too: the value before once more, which adds nothing.
                inside = (value for _, value in series.samples)
                values.setdefault(frozenset(series.labels.items()), []).extend(inside)
        return {labels: _Trace(before=before.get(labels), values=tuple(got)) for labels, got in values.items()}

    def _window(self, since: datetime, until: datetime) -> tuple[int, int]:
        return self._ms(since), self._ms(until)

    def _ms(self, moment: datetime) -> int:
        return math.floor(moment.timestamp() * 1000) - self._settle_ms


class Times:
    """A histogram's rise in a window: upper bounds in seconds, and how many lay at or below each."""

    def __init__(self, counts: Mapping[float, float]) -> None:
        self._bounds = sorted(bound for bound in counts if not math.isinf(bound))
        rises = [round(counts[bound]) for bound in self._bounds]
        self._counts = [max(rises[: place + 1]) for place in range(len(rises))]
        self.total = max([round(counts.get(math.inf, 0.0)), *self._counts])

    @classmethod
    def of(cls, found: Mapping[Labels, _Trace]) -> Times:
        return cls({float(bound): count for bound, count in _sum_by(found, SECONDS_BUCKET, "le").items()})

    def quantile(self, share: float) -> float | None:
        """In seconds: times are taken to lie evenly within a bucket, the first of which begins at 0."""
        place = self._place(share)
        if place is None or place == len(self._bounds):
            return self.bound_of(share)
        lower, below = (0.0, 0) if place == 0 else (self._bounds[place - 1], self._counts[place - 1])
        inside = self._counts[place] - below
        return lower + (self._bounds[place] - lower) * (share * self.total - below) / inside

    def bound_of(self, share: float) -> float | None:
        """The upper bound of the bucket with the quantile, or the last bound that there is."""
        place = self._place(share)
        return None if place is None else self._bounds[min(place, len(self._bounds) - 1)]

    def beyond(self, seconds: float) -> int:
        """How many took longer than the first bound that is as long as that or longer, or than the last bound."""
        if not self._bounds:
            return 0
        # A bound in milliseconds and back may be off by a rounding.
        asked = seconds * (1 - 1e-9)
        place = next((place for place, bound in enumerate(self._bounds) if bound >= asked), len(self._bounds) - 1)
        return self.total - self._counts[place]

    def _place(self, share: float) -> int | None:
        """Of the first bucket that reaches the share; one past the last bound where none does."""
        if self.total == 0 or not self._bounds:
            return None
        rank = share * self.total
        return next((place for place, count in enumerate(self._counts) if count >= rank), len(self._bounds))


def selector_of(names: Iterable[str], matchers: Mapping[str, str]) -> str:
    """Series of any of these names whose labels have these values."""
    quoted = [f"{label}={_quoted(value)}" for label, value in sorted(matchers.items())]
    return "{" + ",".join([f'__name__=~"{"|".join(names)}"', *quoted]) + "}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _sum_by(found: Mapping[Labels, _Trace], name: str, label: str) -> dict[str, int]:
    """Counters' rises, by a label's value."""
    sums: dict[str, float] = {}
    for labels, trace in found.items():
        values = dict(labels)
        if values.get("__name__") == name and label in values:
            sums[values[label]] = sums.get(values[label], 0.0) + trace.increase
    return {value: round(rise) for value, rise in sums.items()}


def _target(labels: Labels) -> Labels:
    """Which pod a series is of: what Prometheus adds to the labels of the page."""
    return frozenset(label for label in labels if label[0] not in _NOT_THE_TARGETS)


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Long windows are asked for in pieces, so that every answer has a bounded size."""
    while start < end:
        yield start, min(start + _PIECE_MS, end)
        start += _PIECE_MS


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
