"""What the parts count, as Prometheus knows it."""

from __future__ import annotations

from collections.abc import Callable

from serving.metrics import Metrics

BATCH_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
WAIT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
LOOKUP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


class QueueCounts:
    """How models run that do not answer at once."""

    def __init__(self, metrics: Metrics) -> None:
        self.batch_rows = metrics.histogram("model_batch_rows", "Rows that were run together", buckets=BATCH_ROWS)
        self.waited_seconds = metrics.histogram(
            "model_queue_duration_seconds",
            "Time from a request's arrival in the queue to its run",
            buckets=WAIT_SECONDS,
        )


class DeploymentCounts:
    """How deployment records are followed."""

    def __init__(self, metrics: Metrics) -> None:
        self._revisions = metrics.gauge(
            "model_deployment_revision",
            "Revision of the deployment's record that every worker follows at least",
            ("model",),
            combine=min,
        )
        self._fallbacks = metrics.counter(
            "model_fallbacks_total",
            "Requests for a version that was not held, answered by the stable one",
            ("model", "model_version"),
        )
        self._away = metrics.counter("deployments_away_total", "Times that the deployments table did not answer")

        self._unreported = metrics.counter(
            "deployment_reports_failed_total", "Reports of what a worker holds that could not be written"
        )

    def revision(self, model: str, revision: int) -> None:
        self._revisions.labels(model).set(revision)

    def fallback(self, model: str, version: str) -> None:
        self._fallbacks.labels(model, version).inc()

    def away(self) -> None:
        self._away.inc()

    def unreported(self) -> None:
        self._unreported.inc()


class FeatureCounts:
    """Lookups in the feature store."""

    def __init__(self, metrics: Metrics) -> None:
        self._lookups = metrics.histogram(
            "feature_lookup_duration_seconds",
            "Time to look up the features of one request, by what came of it",
            ("outcome",),
            buckets=LOOKUP_SECONDS,
        )
        self._defaults = metrics.counter(
            "feature_defaults_total", "Feature values that were the model's defaults, the store having none"
        )

    def feature_lookup(self, outcome: str, seconds: float) -> None:
        self._lookups.labels(outcome).observe(seconds)

    def feature_defaults(self, count: int) -> None:
        self._defaults.inc(count)


class CacheCounts:
    """Look-ups in the response cache, by level and by what came of them."""

    def __init__(self, metrics: Metrics) -> None:
        self._counter = metrics.counter(
            "response_cache_total", "Look-ups in the response cache by level and outcome", ("level", "outcome")
        )

    def hit(self, level: str) -> None:
        self._counter.labels(level, "hit").inc()

    def miss(self, level: str) -> None:
        self._counter.labels(level, "miss").inc()

    def bypass(self, level: str) -> None:
        self._counter.labels(level, "bypass").inc()


def trace_report(metrics: Metrics) -> Callable[[str, int], None]:
    """Counts spans by what came of them."""
    spans = metrics.counter("trace_spans_total", "Spans by what came of their export", ("outcome",))

    def report(outcome: str, count: int) -> None:
        spans.labels(outcome).inc(count)

    return report
