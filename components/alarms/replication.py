"""Alarms of a bucket's replication: copies that are late, that pile up, or that fail.

Metrics and the regions that they are published in: S3 user guide, "Using S3 Replication metrics"; units, statistics and
the advice on missing data: same guide, "Metrics and dimensions". The rule must have its metrics on.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.alarms.metrics import Alarm, Metric, Missing, Runbook, Severity
from components.alarms.objectives import Objectives

NAMESPACE = "AWS/S3"

PENDING_MINUTES = 15
"""S3 Replication Time Control promises a copy within this time: what has not once been empty for as long is stuck."""

# S3's own advice for every alarm on these.
NO_NEWS = "S3 delivers these metrics at best effort, and a gap says nothing of the copies"


@dataclass(frozen=True, kw_only=True)
class ReplicationFacts:
    role: str
    """What is copied, such as `models`; unique in a region."""
    source_bucket: pulumi.Input[str]
    destination_bucket: pulumi.Input[str]
    rule_id: pulumi.Input[str]


def metric(facts: ReplicationFacts, name: str, statistic: str) -> Metric:
    return Metric(
        namespace=NAMESPACE,
        name=name,
        dimensions={
            "SourceBucket": facts.source_bucket,
            "DestinationBucket": facts.destination_bucket,
            "RuleId": facts.rule_id,
        },
        statistic=statistic,
    )


def latency(facts: ReplicationFacts) -> Metric:
    """Seconds by which the destination is behind; published in the destination's region."""
    return metric(facts, "ReplicationLatency", "Maximum")


def pending(facts: ReplicationFacts) -> Metric:
    """Bytes that wait to be copied; published in the destination's region."""
    return metric(facts, "BytesPendingReplication", "Maximum")


def failed(facts: ReplicationFacts) -> Metric:
    """Copies that failed; published in the source's region."""
    return metric(facts, "OperationsFailedReplication", "Sum")


def alarms_at_destination(facts: ReplicationFacts, objectives: Objectives) -> list[Alarm]:
    return [
        Alarm(
            name=f"{facts.role}-replication-latency",
            summary=(
                f"The copy of {facts.role} here is more than {objectives.recovery_point_seconds} s behind: losing the "
                "other region would lose what is missing."
            ),
            runbook=Runbook.MODEL_REPLICATION,
            severity=Severity.CRITICAL,
            figure=latency(facts),
            unit="seconds",
            threshold=objectives.recovery_point_seconds,
            periods=5,
            datapoints=3,
            missing=Missing.SAYS_NOTHING,
            missing_because=NO_NEWS,
        ),
        Alarm(
            name=f"{facts.role}-replication-pending",
            summary=f"Copies of {facts.role} have been waiting for {PENDING_MINUTES} minutes without a pause.",
            runbook=Runbook.MODEL_REPLICATION,
            severity=Severity.WARNING,
            figure=pending(facts),
            unit="bytes",
            threshold=0,
            periods=PENDING_MINUTES,
            datapoints=PENDING_MINUTES,
            missing=Missing.SAYS_NOTHING,
            missing_because=NO_NEWS,
        ),
    ]


def alarms_at_source(facts: ReplicationFacts) -> list[Alarm]:
    return [
        Alarm(
            name=f"{facts.role}-replication-failed",
            summary=f"S3 could not copy something of {facts.role} to the other region, and does not try again.",
            runbook=Runbook.MODEL_REPLICATION,
            severity=Severity.CRITICAL,
            figure=failed(facts),
            unit="operations a minute",
            threshold=0,
            periods=1,
            datapoints=1,
            missing=Missing.SAYS_NOTHING,
            missing_because="nothing is published until the next copy, and until then the failed one is missing",
        )
    ]
