"""All network policies of a cluster with everything installed, and the flows that the specification asks for."""

from __future__ import annotations

from dataclasses import replace

from components.isolation import platform
from components.isolation.flow import application_policies
from components.isolation.platform import Watched
from components.isolation.table import Row
from components.workload import isolation, labels
from components.workload.labels import Manifest
from tests.support.workload import NEIGHBOURS

PRIVATE = ("10.0.64.0/20", "10.0.80.0/20")
SPACES = ("ml-system", "monitoring", "logging", "data")
EVERYTHING = Watched(
    private_cidrs=PRIVATE,
    interface_services=("secretsmanager", "logs"),
    replicated=True,
    traces=True,
    metrics_adapter=True,
    canary_controller=False,
)

_ANY = "0.0.0.0/0"
_AGENT = "169.254.170.23/32"
_API = ("10.100.0.1/32", "172.20.0.1/32", *PRIVATE)


def policies(watched: Watched | None = EVERYTHING, *, grpc: bool = True) -> list[Manifest]:
    """As the program's components make them."""
    spaces = [space for space in SPACES if watched or space != labels.LOGGING_NAMESPACE]
    neighbours = replace(NEIGHBOURS, metrics=watched is not None, traces=watched is not None and watched.traces)
    flows = [*platform.data_flows(), *(platform.watching_flows(watched) if watched else [])]
    return [
        *(isolation.default_deny(space) for space in spaces),
        *(isolation.allow_dns(space) for space in spaces),
        *isolation.serving_policies(neighbours, grpc=grpc),
        *application_policies(flows, platform.NAMESPACES),
    ]


def _tcp(source: str, target: str, *ports: int) -> set[Row]:
    return {Row(source, target, str(port), "TCP") for port in ports}


def _all(*flows: set[Row]) -> list[Row]:
    return sorted(set[Row]().union(*flows))


_SERVING = "ml-system/inference"

SERVING_FLOWS = _all(
    *(_tcp(f"10.0.{subnet}.0/24", _SERVING, 8000, 8001) for subnet in range(3)),
    _tcp("monitoring/prometheus", _SERVING, 8001),
    _tcp("ml-system/*", _SERVING, 9000),
    _tcp(_SERVING, "10.0.0.0/16", 5432),
    _tcp(_SERVING, "data/mlflow", 5000),
    _tcp(_SERVING, _ANY, 443),
    _tcp(_SERVING, _AGENT, 80),
    _tcp(_SERVING, "monitoring/otel-collector", 4318),
)
"""Load balancer, monitoring, gRPC inside the namespace, PostgreSQL, MLflow, AWS endpoints and their credentials."""

WATCHING_FLOWS = _all(
    _tcp("monitoring/prometheus", "monitoring/prometheus", 9090),
    _tcp("monitoring/prometheus", "monitoring/prometheus-operator", 8080),
    _tcp("monitoring/prometheus", "monitoring/alertmanager", 9093),
    _tcp("monitoring/prometheus", "monitoring/grafana", 3000),
    _tcp("monitoring/prometheus", "monitoring/kube-state-metrics", 8080),
    _tcp("monitoring/prometheus", "monitoring/prometheus-adapter", 6443),
    _tcp("monitoring/prometheus", "monitoring/otel-collector", 8888),
    _tcp("monitoring/prometheus", "monitoring/external-secrets", 8080),
    _tcp("monitoring/prometheus", "logging/fluent-bit", 2020),
    *(_tcp("monitoring/prometheus", cidr, 10250) for cidr in PRIVATE),
    _tcp("monitoring/grafana", "monitoring/prometheus", 9090),
    _tcp("monitoring/grafana", "monitoring/alertmanager", 9093),
    _tcp("monitoring/prometheus-adapter", "monitoring/prometheus", 9090),
    *(_tcp(cidr, "monitoring/prometheus-adapter", 6443) for cidr in PRIVATE),
    _tcp("monitoring/alertmanager", "monitoring/alertmanager", 9094),
    {Row("monitoring/alertmanager", "monitoring/alertmanager", "9094", "UDP")},
    *(
        _tcp(asking, cidr, 443)
        for cidr in _API
        for asking in (
            "monitoring/prometheus",
            "monitoring/prometheus-operator",
            "monitoring/kube-state-metrics",
            "monitoring/external-secrets",
            "monitoring/prometheus-adapter",
            "logging/fluent-bit",
        )
    ),
    _tcp("monitoring/alertmanager", _ANY, 443),
    _tcp("monitoring/otel-collector", _ANY, 443),
    *(
        _tcp(asking, _AGENT, 80)
        for asking in (
            "monitoring/alertmanager",
            "monitoring/otel-collector",
            "monitoring/external-secrets",
            "logging/fluent-bit",
        )
    ),
)
"""What watches the platform; Secrets Manager and CloudWatch Logs are asked through their interfaces in the VPC."""

DNS_FLOWS = sorted(Row(f"{space}/*", _ANY, "53", protocol) for space in SPACES for protocol in ("TCP", "UDP"))
