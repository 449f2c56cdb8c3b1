"""The figures that alerts compare with: the service's objectives and how much of each resource has to be left."""

from __future__ import annotations

from dataclasses import dataclass, fields

from components.observability.errors import InvalidObservability

WHOLE_PERCENT = 100


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Shares are of requests unless they say otherwise."""

    replicas_min: int
    """Pods of the stable image that the environment always has."""
    availability_percent: float = 99.9
    """Requests that are answered, over the budget's days."""
    latency_percent: float = 95.0
    """Requests that are answered within `latency_p95_ms`, over the budget's days."""
    budget_days: int = 30
    latency_p95_ms: int = 500
    """Has to be a bound of the server's histogram of request times: between bounds Prometheus only estimates."""
    latency_p99_ms: int = 1000
    error_percent: float = 1.0
    requests_min: int = 20
    """In five minutes, or in the shorter window of a burn rate: a share of fewer requests says too little."""
    rate_limited_percent: float = 20.0
    refused_credentials_percent: float = 20.0
    failed_predictions_percent: float = 1.0
    """Of a model's version."""
    failed_lookups_percent: float = 5.0
    """Of the look-ups in the feature store, and of those in the shared response cache."""
    shadow_differing_percent: float = 1.0
    """Of the copies that a version on trial answered."""
    shadow_compared_min: int = 200
    """Copies in half an hour from which on their share counts."""
    lost_spans_percent: float = 5.0
    """Of the spans of traces."""
    disk_free_percent: float = 10.0
    """Of a volume, or of a node's file system."""
    quota_used_percent: float = 90.0
    throttled_percent: float = 25.0
    """Of the scheduler's periods, in which a container had used up its CPU limit."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_percent"):
                if not 0 < value < WHOLE_PERCENT:
                    raise InvalidObservability(
                        f"{field.name} is {value:g}: give a share above 0 and below {WHOLE_PERCENT}"
                    )
            elif value < 1:
                raise InvalidObservability(f"{field.name} is {value:g}: give a whole number, 1 or more")
        if self.latency_p99_ms < self.latency_p95_ms:
            raise InvalidObservability(
                f"latency_p99_ms is {self.latency_p99_ms}, below latency_p95_ms ({self.latency_p95_ms}): "
                "the slowest one in a hundred cannot be faster than the slowest five"
            )
