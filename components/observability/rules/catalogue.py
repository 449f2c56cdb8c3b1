"""All rules together, as the objects that the operator takes: one for each subject, so that a change touches few."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from components.observability.rules.canary_alerts import canary_alerts
from components.observability.rules.cluster_alerts import cluster_alerts
from components.observability.rules.limits import Limits
from components.observability.rules.model_alerts import model_alerts
from components.observability.rules.monitoring_alerts import monitoring_alerts
from components.observability.rules.objectives import objective_groups
from components.observability.rules.rule import RUNBOOKS, Alert, Group, prometheus_rule
from components.observability.rules.serving_alerts import serving_alerts
from components.observability.rules.serving_records import serving_records
from components.workload.labels import Manifest

RULE_FILES: Mapping[str, Callable[[Limits], list[Group]]] = {
    "serving-records": lambda _: serving_records(),
    "objectives": objective_groups,
    "serving-alerts": serving_alerts,
    "model-alerts": model_alerts,
    "canary-alerts": lambda _: canary_alerts(),
    "cluster-alerts": cluster_alerts,
    "monitoring-alerts": monitoring_alerts,
}
"""Groups by the name of the object that holds them."""


def manifests(limits: Limits, *, part_of: str, runbooks: str = RUNBOOKS) -> list[Manifest]:
    """Every PrometheusRule; see `prometheus_rule`."""
    return [
        prometheus_rule(name, groups(limits), part_of=part_of, runbooks=runbooks) for name, groups in RULE_FILES.items()
    ]


def alerts(limits: Limits) -> list[Alert]:
    """Every alert; one that has several thresholds is there once for each."""
    return [alert for groups in RULE_FILES.values() for group in groups(limits) for alert in group.alerts]
