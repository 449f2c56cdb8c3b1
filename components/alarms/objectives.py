"""What the service promises, as far as AWS can measure it: the thresholds of the alarms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """Each figure is the worst that is still good."""

    error_percent: float = 1.0
    """Share of requests that end in an error of ours."""
    p95_seconds: float = 0.5
    p99_seconds: float = 1.0
    """Response times at the load balancer, from the request's leaving it to the response's beginning."""
    recovery_point_seconds: int = 300
    """How much of the latest data the loss of a region may cost: how far a copy may lag."""
