"""Names, ports and labels of what watches the cluster, so that selectors, Services and scrapes agree."""

from __future__ import annotations

from components.workload import labels
from components.workload.labels import Manifest

NAMESPACE = labels.MONITORING_NAMESPACE

OPERATOR = "prometheus-operator"
PROMETHEUS = "prometheus"
ALERTMANAGER = "alertmanager"
GRAFANA = "grafana"
STATE_METRICS = "kube-state-metrics"
ADAPTER = "prometheus-adapter"
TRACES = "otel-collector"
SECRETS = "external-secrets"
LOGS = "fluent-bit"

OPERATOR_PORT = 8080
PROMETHEUS_PORT = 9090
ALERTMANAGER_PORT = 9093
GRAFANA_PORT = 3000
STATE_METRICS_PORT = 8080
STATE_METRICS_OWN_PORT = 8081

OPERATED_BY_LABEL = "operator.prometheus.io/name"
"""The operator sets it on the pods of a Prometheus or an Alertmanager, with the name of the resource they come from."""


def read_by_prometheus(part_of: str) -> dict[str, str]:
    """The labels by which Prometheus finds its ServiceMonitors and PrometheusRules, among those of the namespace."""
    return {labels.PART_OF_LABEL: part_of}


def name_labels(name: str) -> dict[str, str]:
    return {labels.NAME_LABEL: name}


def metadata(name: str, *, of: str | None = None, more: dict[str, str] | None = None) -> Manifest:
    """Metadata of an object in the namespace; `of` is the application it belongs to, its own name by default."""
    return {"name": name, "namespace": NAMESPACE, "labels": {**name_labels(of or name), **(more or {})}}


def cluster_metadata(name: str) -> Manifest:
    """Metadata of an object that lies in no namespace."""
    return {"name": name, "labels": name_labels(name)}


def service_host(name: str) -> str:
    """How pods of any namespace reach a Service of this one."""
    return f"{name}.{NAMESPACE}.svc"
