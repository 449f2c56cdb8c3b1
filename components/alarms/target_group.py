"""Alarms of a target group: pods that fail their health check, and too few that pass it.

Metrics and dimensions: ELB user guide, "CloudWatch metrics for your Application Load Balancer".
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.alarms.load_balancer import NAMESPACE
from components.alarms.metrics import Alarm, Comparison, Metric, Missing, Runbook, Severity


@dataclass(frozen=True, kw_only=True)
class TargetGroupFacts:
    role: str
    """What it is for, such as `stable`; unique in a region."""
    arn_suffix: pulumi.Input[str]
    """`targetgroup/<name>/<id>`: the dimension TargetGroup."""
    load_balancer_arn_suffix: pulumi.Input[str]
    healthy_min: int
    """How many pods it should have at least; 0 where it may be empty."""


def metric(facts: TargetGroupFacts, name: str, statistic: str) -> Metric:
    return Metric(
        namespace=NAMESPACE,
        name=name,
        dimensions={"LoadBalancer": facts.load_balancer_arn_suffix, "TargetGroup": facts.arn_suffix},
        statistic=statistic,
    )


def healthy(facts: TargetGroupFacts) -> Metric:
    """The fewest that any of the load balancer's nodes sees healthy."""
    return metric(facts, "HealthyHostCount", "Minimum")


def unhealthy(facts: TargetGroupFacts) -> Metric:
    """The most that any of the load balancer's nodes sees unhealthy."""
    return metric(facts, "UnHealthyHostCount", "Maximum")


def alarms(facts: TargetGroupFacts) -> list[Alarm]:
    failing = Alarm(
        name=f"{facts.role}-unhealthy",
        summary=f"A pod of the target group {facts.role} fails the load balancer's health check.",
        runbook=Runbook.TARGETS,
        severity=Severity.WARNING,
        figure=unhealthy(facts),
        unit="pods",
        threshold=0,
        periods=5,
        datapoints=5,
        missing=Missing.IS_GOOD,
        missing_because="a group without targets publishes nothing, and has none that is unhealthy",
    )
    if facts.healthy_min == 0:
        return [failing]
    few = Alarm(
        name=f"{facts.role}-too-few",
        summary=f"The target group {facts.role} has fewer than {facts.healthy_min} healthy pods.",
        runbook=Runbook.TARGETS,
        severity=Severity.CRITICAL,
        figure=healthy(facts),
        unit="pods",
        comparison=Comparison.BELOW,
        threshold=facts.healthy_min,
        periods=5,
        datapoints=5,
        missing=Missing.IS_BAD,
        missing_because="a group without targets publishes nothing, and none is too few",
    )
    return [failing, few]
