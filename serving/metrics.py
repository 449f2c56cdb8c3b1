"""What the container counts and times, as Prometheus text: of one process, or summed over its workers.

With several workers the values live in files that all of them map, so any worker can answer for all. That is the
client library's multiprocess mode, switched on by the variable METRICS_DIRECTORY before this module is imported.
"""

from __future__ import annotations

import os

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector

from serving import METRICS_DIRECTORY

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

# The steps of the latency objective, and below them finer ones, where a small model answers.
PREDICTION_BUCKETS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1)
REQUEST_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

OK, INVALID, FAILED = "ok", "invalid", "failed"
"""Outcomes of a prediction: answered, refused for what the client sent, not answered by the model."""

FIRST_ERROR_STATUS = 400

# A second series for each counter, holding when it was made, would double the page for nothing that is used.
prometheus_client.disable_created_metrics()


class Metrics:
    """The container's metrics. Labels hold only values from small fixed sets, never what a client sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._shared = METRICS_DIRECTORY in os.environ
        if not self._shared:
            ProcessCollector(registry=self.registry)
        http = ("method", "route", "status")
        self._requests = Counter("http_requests_total", "Requests answered", http, registry=self.registry)
        self._errors = Counter(
            "http_request_errors_total", "Requests answered with a status from 400 up", http, registry=self.registry
        )
        self._duration = Histogram(
            "http_request_duration_seconds",
            "Time from the head of a request to the end of its answer",
            ("method", "route"),
            buckets=REQUEST_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._predictions = Counter(
            "model_predictions_total",
            "Requests for predictions by outcome",
            ("model_version", "outcome"),
            registry=self.registry,
        )
        self._prediction_duration = Histogram(
            "model_prediction_duration_seconds",
            "Time to read the rows, run the model and write the answer",
            ("model_version",),
            buckets=PREDICTION_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self._model_errors = Counter(
            "model_errors_total", "Failures to load or run a model", ("error_type",), registry=self.registry
        )
        self._version = Gauge(
            "model_version",
            "1 for the version that is served",
            ("name", "version"),
            multiprocess_mode="livemax",
            registry=self.registry,
        )
        self._served: dict[str, str] = {}
        # Finding a child by its labels costs more than counting does; the labels come from small fixed sets.
        self._request_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._prediction_children: dict[tuple[str, str], tuple[Counter, Histogram]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        key = (method, route, status)
        children = self._request_children.get(key)
        if children is None:
            children = self._requests.labels(*key), self._duration.labels(method, route)
            self._request_children[key] = children
        children[0].inc()
        children[1].observe(seconds)
        if status >= FIRST_ERROR_STATUS:
            self._errors.labels(method, route, status).inc()

    def prediction(self, version: str, outcome: str, seconds: float) -> None:
        key = (version, outcome)
        children = self._prediction_children.get(key)
        if children is None:
            children = self._predictions.labels(*key), self._prediction_duration.labels(version)
            self._prediction_children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def model_error(self, error_type: str) -> None:
        self._model_errors.labels(error_type).inc()

    def serving(self, name: str, version: str) -> None:
        """Mark the version of a model that is served now, and no other of that model."""
        before = self._served.get(name)
        self._version.labels(name, version).set(1)
        if before is not None and before != version:
            if self._shared:
                # A mapped value cannot be taken away; 0 says the same.
                self._version.labels(name, before).set(0)
            else:
                self._version.remove(name, before)
        self._served[name] = version

    def page(self) -> bytes:
        if not self._shared:
            return prometheus_client.generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)
        return prometheus_client.generate_latest(together)
