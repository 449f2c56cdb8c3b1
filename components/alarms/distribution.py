"""The alarm of a CloudFront distribution that answers with errors.

Metrics, dimensions and statistics: CloudFront developer guide, "Types of metrics for CloudFront". They are published in
us-east-1 alone, and the dimension Region is always `Global`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.alarms.metrics import Alarm, Metric, Missing, Runbook, Severity
from components.alarms.objectives import Objectives

NAMESPACE = "AWS/CloudFront"


@dataclass(frozen=True, kw_only=True)
class DistributionFacts:
    distribution_id: pulumi.Input[str]


def metric(facts: DistributionFacts, name: str, statistic: str) -> Metric:
    return Metric(
        namespace=NAMESPACE,
        name=name,
        dimensions={"DistributionId": facts.distribution_id, "Region": "Global"},
        statistic=statistic,
    )


def error_percent(facts: DistributionFacts) -> Metric:
    return metric(facts, "5xxErrorRate", "Average")


def alarms(facts: DistributionFacts, objectives: Objectives) -> list[Alarm]:
    return [
        Alarm(
            name="edge-5xx",
            summary=f"Callers get 5xx for more than {objectives.error_percent:g}% of requests at the edge.",
            runbook=Runbook.EDGE_ERRORS,
            severity=Severity.CRITICAL,
            figure=error_percent(facts),
            unit="percent of requests",
            threshold=objectives.error_percent,
            periods=5,
            datapoints=3,
            missing=Missing.IS_GOOD,
            missing_because="without requests CloudFront publishes nothing, and nobody is refused",
        )
    ]
