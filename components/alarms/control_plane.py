"""Alarms of a cluster's control plane, which AWS measures even when nothing in the cluster can.

Metrics, units and statistics: Amazon EKS user guide, "Monitor cluster data with Amazon CloudWatch", basic metrics.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.alarms.metrics import Alarm, Metric, Missing, Runbook, Severity, Term, share_percent
from components.alarms.objectives import Objectives

NAMESPACE = "AWS/EKS"

STORE_MAX_GIB = 8
"""What etcd may hold (Amazon EKS user guide, "Organize workloads with Amazon EKS clusters"); then it takes no more."""
STORE_ALARM_PERCENT = 80
GIB = 1024**3

UNSCHEDULABLE_MINUTES = 15
"""Longer than Auto Mode takes to bring a node."""

GAPS = "AWS publishes these metrics every minute, and a gap in them is no fault of the cluster"


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    name: pulumi.Input[str]


def metric(facts: ClusterFacts, name: str, statistic: str) -> Metric:
    return Metric(namespace=NAMESPACE, name=name, dimensions={"ClusterName": facts.name}, statistic=statistic)


def failed_percent(facts: ClusterFacts) -> Term:
    """API requests that the control plane failed at, in percent of all."""
    return share_percent(
        metric(facts, "apiserver_request_total_5XX", "Sum"), metric(facts, "apiserver_request_total", "Sum")
    )


def unschedulable(facts: ClusterFacts) -> Metric:
    return metric(facts, "scheduler_pending_pods_UNSCHEDULABLE", "Sum")


def alarms(facts: ClusterFacts, objectives: Objectives) -> list[Alarm]:
    return [
        Alarm(
            name="api-server-5xx",
            summary=f"The Kubernetes API fails at more than {objectives.error_percent:g}% of its requests.",
            runbook=Runbook.CONTROL_PLANE,
            severity=Severity.CRITICAL,
            figure=failed_percent(facts),
            unit="percent of requests",
            threshold=objectives.error_percent,
            periods=15,
            datapoints=10,
            missing=Missing.SAYS_NOTHING,
            missing_because=GAPS,
        ),
        Alarm(
            name="unschedulable-pods",
            summary=f"Pods have found no node for {UNSCHEDULABLE_MINUTES} minutes.",
            runbook=Runbook.CONTROL_PLANE,
            severity=Severity.WARNING,
            figure=unschedulable(facts),
            unit="pods",
            threshold=0,
            periods=UNSCHEDULABLE_MINUTES,
            datapoints=UNSCHEDULABLE_MINUTES,
            missing=Missing.SAYS_NOTHING,
            missing_because=GAPS,
        ),
        Alarm(
            name="cluster-store",
            summary=f"The cluster's store is {STORE_ALARM_PERCENT}% full; when it is full the API takes no change.",
            runbook=Runbook.CLUSTER_STORE,
            severity=Severity.WARNING,
            figure=metric(facts, "apiserver_storage_size_bytes", "Maximum"),
            unit="bytes",
            threshold=STORE_MAX_GIB * GIB * STORE_ALARM_PERCENT // 100,
            periods=15,
            datapoints=10,
            missing=Missing.SAYS_NOTHING,
            missing_because=GAPS,
        ),
    ]
