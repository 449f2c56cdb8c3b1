"""What the container counts and times of its requests and predictions."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

from serving.metrics.families import GaugeChild, Labels
from serving.metrics.histograms import Distribution, HistogramChild, add_distribution, merged
from serving.metrics.memory import MetricsMemory
from serving.metrics.registry import Registry

# The steps of the latency objective, and below them finer ones, where a small model answers.
PREDICTION_BUCKETS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1)
REQUEST_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

OK, INVALID, FAILED = "ok", "invalid", "failed"
"""Outcomes of a prediction: answered, refused for what the client sent, not answered by the model."""

FIRST_ERROR_STATUS = 400

_REQUEST_LABELS = ("method", "route", "status")
_PREDICTION_LABELS = ("model", "model_version", "outcome")


class Metrics(Registry):
    """The container's metrics. Labels hold only values from small fixed sets, never what a client sent.

    A request and a prediction are each kept as one histogram with all labels. The page shows its count as the counter,
    and its times without the last label: so counting costs one look-up, and counters and times always agree.
    """

    def __init__(self, memory: MetricsMemory | None = None, worker: int = 0) -> None:
        super().__init__(memory, worker)
        self._requests = self.histogram(
            "http_requests", "Requests", _REQUEST_LABELS, buckets=REQUEST_BUCKETS_SECONDS, expose=_requests
        )
        self._predictions = self.histogram(
            "model_predictions",
            "Predictions",
            _PREDICTION_LABELS,
            buckets=PREDICTION_BUCKETS_SECONDS,
            expose=_predictions,
        )
        self._model_errors = self.counter("model_errors_total", "Failures to load or run a model", ("error_type",))
        self._version = self.gauge(
            "model_version", "1 for the version that is served", ("name", "version"), combine=max
        )
        self._served: dict[str, GaugeChild] = {}
        self._serving = threading.Lock()
        # Finding a child by its labels' texts costs more than counting does.
        self._request_children: dict[tuple[str, str, int], HistogramChild] = {}
        self._prediction_children: dict[tuple[str, str, str], HistogramChild] = {}

    def request(self, method: str, route: str, status: int, seconds: float, trace_id: str | None = None) -> None:
        """Count an answer, from one thread only. `trace_id`: of a trace that is kept."""
        key = (method, route, status)
        child = self._request_children.get(key)
        if child is None:
            child = self._requests.labels(method, route, str(int(status)))
            if child is not self._requests.overflow:
                self._request_children[key] = child
        child.observe_alone(seconds, trace_id)

    def prediction(self, model: str, version: str, outcome: str, seconds: float, trace_id: str | None = None) -> None:
        """Count a prediction, from one thread only. `trace_id`: of a trace that is kept."""
        key = (model, version, outcome)
        child = self._prediction_children.get(key)
        if child is None:
            child = self._predictions.labels(*key)
            if child is not self._predictions.overflow:
                self._prediction_children[key] = child
        child.observe_alone(seconds, trace_id)

    def model_error(self, error_type: str) -> None:
        self._model_errors.labels(error_type).inc()

    def serving(self, name: str, version: str) -> None:
        """Mark the version of a model that is served now, and no other of that model."""
        child = self._version.labels(name, version)
        with self._serving:
            before = self._served.get(name)
            child.set(1)
            if before is not None and before is not child:
                before.remove()
            self._served[name] = child


def _requests(found: Mapping[Labels, Distribution]) -> Iterator[Metric]:
    answered = CounterMetricFamily("http_requests_total", "Requests answered", labels=_REQUEST_LABELS)
    errors = CounterMetricFamily(
        "http_request_errors_total", "Requests answered with a status from 400 up", labels=_REQUEST_LABELS
    )
    for labels, distribution in found.items():
        answered.add_metric(labels, distribution.observed)
        status = labels[-1]
        if status.isdigit() and int(status) >= FIRST_ERROR_STATUS:
            errors.add_metric(labels, distribution.observed)
    yield answered
    yield errors
    times = HistogramMetricFamily(
        "http_request_duration_seconds",
        "Time from the head of a request to the end of its answer",
        labels=_REQUEST_LABELS[:-1],
    )
    yield _timed(times, REQUEST_BUCKETS_SECONDS, found)


def _predictions(found: Mapping[Labels, Distribution]) -> Iterator[Metric]:
    counted = CounterMetricFamily(
        "model_predictions_total", "Requests for predictions by outcome", labels=_PREDICTION_LABELS
    )
    for labels, distribution in found.items():
        counted.add_metric(labels, distribution.observed)
    yield counted
    times = HistogramMetricFamily(
        "model_prediction_duration_seconds",
        "Time to read the rows, run the model and write the answer",
        labels=_PREDICTION_LABELS[:-1],
    )
    yield _timed(times, PREDICTION_BUCKETS_SECONDS, found)


def _timed(
    metric: HistogramMetricFamily, bounds: Sequence[float], found: Mapping[Labels, Distribution]
) -> HistogramMetricFamily:
    """The metric with the times of all label sets that differ only in the last label."""
    without_last: dict[Labels, list[Distribution]] = {}
    for labels, distribution in found.items():
        without_last.setdefault(labels[:-1], []).append(distribution)
    for labels, distributions in without_last.items():
        add_distribution(metric, labels, bounds, merged(distributions))
    return metric
