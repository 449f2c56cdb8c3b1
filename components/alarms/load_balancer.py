"""Alarms of an application load balancer: errors of its own and of its targets, response times, full connections.

Metrics, dimensions and units: ELB user guide, "CloudWatch metrics for your Application Load Balancer".
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.alarms.metrics import Alarm, Metric, Missing, Runbook, Severity, share_percent
from components.alarms.objectives import Objectives

NAMESPACE = "AWS/ApplicationELB"

OWN_ERRORS_MAX_PER_MINUTE = 10
"""Above the odd request that is caught by a pod's end; a balancer with healthy targets answers no 5xx itself."""

QUIET = "without requests the load balancer publishes nothing, and nobody is refused"
RARE = "the metric is published only when it is not 0"


@dataclass(frozen=True, kw_only=True)
class LoadBalancerFacts:
    arn_suffix: pulumi.Input[str]
    """`app/<name>/<id>`: the dimension LoadBalancer."""


def metric(facts: LoadBalancerFacts, name: str, statistic: str) -> Metric:
    """A metric of the whole load balancer, all zones and target groups together."""
    return Metric(namespace=NAMESPACE, name=name, dimensions={"LoadBalancer": facts.arn_suffix}, statistic=statistic)


def requests(facts: LoadBalancerFacts) -> Metric:
    """Requests that found a target: what a balancer without healthy ones answers is not among them."""
    return metric(facts, "RequestCount", "Sum")


def alarms(facts: LoadBalancerFacts, objectives: Objectives) -> list[Alarm]:
    return [
        Alarm(
            name="load-balancer-5xx",
            summary="The load balancer itself answers with 5xx: no healthy target, or one that hangs up or is late.",
            runbook=Runbook.LOAD_BALANCER_ERRORS,
            severity=Severity.CRITICAL,
            # A count, not a share: the requests that find no target are missing from RequestCount.
            figure=metric(facts, "HTTPCode_ELB_5XX_Count", "Sum"),
            unit="responses a minute",
            threshold=OWN_ERRORS_MAX_PER_MINUTE,
            periods=5,
            datapoints=3,
            missing=Missing.IS_GOOD,
            missing_because=RARE,
        ),
        Alarm(
            name="target-5xx",
            summary=f"More than {objectives.error_percent:g}% of requests are answered with 5xx by the pods.",
            runbook=Runbook.LOAD_BALANCER_ERRORS,
            severity=Severity.CRITICAL,
            figure=share_percent(metric(facts, "HTTPCode_Target_5XX_Count", "Sum"), requests(facts)),
            unit="percent of requests",
            threshold=objectives.error_percent,
            periods=5,
            datapoints=3,
            missing=Missing.IS_GOOD,
            missing_because=RARE,
        ),
        *(
            Alarm(
                name=f"latency-{percentile}",
                summary=f"The {percentile.upper()} response time is above {worst_seconds:g} s at the load balancer.",
                runbook=Runbook.LOAD_BALANCER_LATENCY,
                severity=severity,
                figure=metric(facts, "TargetResponseTime", percentile),
                unit="seconds",
                threshold=worst_seconds,
                periods=5,
                datapoints=5,
                missing=Missing.IS_GOOD,
                missing_because=QUIET,
            )
            for percentile, worst_seconds, severity in (
                ("p95", objectives.p95_seconds, Severity.CRITICAL),
                ("p99", objectives.p99_seconds, Severity.WARNING),
            )
        ),
        Alarm(
            name="rejected-connections",
            summary="The load balancer refuses connections: it holds as many as it can.",
            runbook=Runbook.LOAD_BALANCER_CONNECTIONS,
            severity=Severity.CRITICAL,
            figure=metric(facts, "RejectedConnectionCount", "Sum"),
            unit="connections a minute",
            threshold=0,
            periods=3,
            datapoints=2,
            missing=Missing.IS_GOOD,
            missing_because=RARE,
        ),
    ]
