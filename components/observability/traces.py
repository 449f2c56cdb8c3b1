"""The OpenTelemetry collector: its pods, the AWS rights to hand on what they take, and how the serving pods send it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from components.cluster.addons import system_pool_placement
from components.observability import access, collector, images, names, pods, services
from components.observability.errors import InvalidObservability
from components.observability.monitors import METRICS_PORT
from components.workload.configuration import CHECKSUM_ANNOTATION, checksum
from components.workload.labels import Manifest
from contract import service as serving

SERVICE_ACCOUNT = names.TRACES
"""What EKS Pod Identity ties the right to send to."""

_FILE = "collector.yaml"
_FOLDER = "/etc/collector"
_GRPC = "otlp-grpc"
_HTTP = "otlp-http"
_HEALTH = "health"
_SIZE = pods.Size(
    cpu_request_millicores=100, cpu_limit_millicores=1000, memory_request_mib=256, memory_limit_mib=512, disk_mib=64
)
# By their ids alone, whatever a caller's own trace says: the platform's callers do not decide what it pays for.
_SAMPLER = "traceidratio"


@dataclass(frozen=True, kw_only=True)
class Collector:
    """What differs from one environment to the next."""

    replicas: int
    zones: int
    """Availability zones that the nodes may lie in."""
    region: str
    log_group: str
    """Where the logs of the traced pods are."""

    def __post_init__(self) -> None:
        for what in ("replicas", "zones"):
            given = getattr(self, what)
            if given < 1:
                raise InvalidObservability(f"the collector's {what} is {given}: give a whole number, 1 or more")


def variables(traces_percent: int) -> dict[str, str]:
    """What the serving pods read to record so many of 100 requests and to send their spans to the collector."""
    if not 1 <= traces_percent <= 100:
        raise InvalidObservability(
            f"{traces_percent}% of requests cannot be traced: give 1 to 100, or install no traces"
        )
    return {
        serving.ENV_OTLP_ENDPOINT: f"http://{names.service_host(names.TRACES)}:{collector.HTTP_PORT}",
        serving.ENV_TRACES_SAMPLER: _SAMPLER,
        serving.ENV_TRACES_SAMPLER_ARG: f"{traces_percent / 100:g}",
    }


def statements() -> list[dict[str, Any]]:
    """The AWS rights of its pods: to write trace segments.

    The action has no resource that it could be narrowed to (Service Authorization Reference, "Actions, resources, and
    condition keys for AWS X-Ray"); what is written is encrypted by X-Ray itself.
    """
    return [{"Sid": "WriteTraces", "Effect": "Allow", "Action": ["xray:PutTraceSegments"], "Resource": ["*"]}]


def manifests(args: Collector) -> list[Manifest]:
    """Account, configuration, Service, disruption budget and Deployment, in the order in which they are needed."""
    metadata = names.metadata(names.TRACES)
    selector = names.name_labels(names.TRACES)
    text = yaml.safe_dump(collector.configuration(region=args.region, log_groups=[args.log_group]), sort_keys=False)
    configuration = {_FILE: text}
    return [
        access.service_account(metadata),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": configuration},
        services.service(
            metadata,
            selector,
            {_GRPC: collector.GRPC_PORT, _HTTP: collector.HTTP_PORT, METRICS_PORT: collector.METRICS_PORT},
        ),
        *([pods.disruption_budget(metadata, selector)] if args.replicas > 1 else []),
        deployment(args, checksum(configuration)),
    ]


def deployment(args: Collector, configuration_checksum: str) -> Manifest:
    """A pod that goes hands on what it holds; while one is replaced there is one more."""
    selector = names.name_labels(names.TRACES)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(names.TRACES),
        "spec": {
            "replicas": args.replicas,
            "selector": {"matchLabels": selector},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": selector, "annotations": {CHECKSUM_ANNOTATION: configuration_checksum}},
                "spec": {
                    "serviceAccountName": SERVICE_ACCOUNT,
                    # It asks the API for nothing; EKS mounts the token of Pod Identity by itself.
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": pods.pod_security(),
                    **system_pool_placement(),
                    "topologySpreadConstraints": pods.spread(selector, args.zones) if args.replicas > 1 else [],
                    "containers": [_container()],
                    "volumes": [{"name": "configuration", "configMap": {"name": names.TRACES}}],
                },
            },
        },
    }


def _container() -> Manifest:
    ports = {
        _GRPC: collector.GRPC_PORT,
        _HTTP: collector.HTTP_PORT,
        METRICS_PORT: collector.METRICS_PORT,
        _HEALTH: collector.HEALTH_PORT,
    }
    return {
        "name": names.TRACES,
        "image": images.OTEL_COLLECTOR.reference,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"--config={_FOLDER}/{_FILE}"],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports.items()],
        "resources": pods.resources(_SIZE),
        "securityContext": pods.container_security(),
        "livenessProbe": pods.http_probe("/", _HEALTH),
        "readinessProbe": pods.http_probe("/", _HEALTH),
        "volumeMounts": [{"name": "configuration", "mountPath": _FOLDER, "readOnly": True}],
    }
