"""The Prometheus operator, which turns the resources `Prometheus` and `Alertmanager` into StatefulSets, and the least
rights it does that with: all it watches and makes lies in one namespace.
"""

from __future__ import annotations

from typing import Any

from components.cluster.addons import system_pool_placement
from components.observability import access, images, names, pods, services
from components.workload.labels import Manifest

CLUSTER_ROLE = names.OPERATOR

_PORT_NAME = "http"
_GROUP = "monitoring.coreos.com"
_SIZE = pods.Size(
    cpu_request_millicores=50, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=384, disk_mib=64
)
_RELOADER_SIZE = pods.Size(
    cpu_request_millicores=10, cpu_limit_millicores=100, memory_request_mib=32, memory_limit_mib=64, disk_mib=32
)

# The methods that v0.93.0 calls, read in pkg/k8s/{secrets,k8s,network,statefulset}.go, pkg/operator/rules.go,
# pkg/operator/statefulset_reporter.go and the informers of pkg/{prometheus/server,alertmanager}/operator.go. The
# upstream's own example (example/rbac/prometheus-operator) gives `*` on these, in every namespace.
_WATCH = ("get", "list", "watch")
_OWN = (*_WATCH, "create", "update", "delete")
_WATCHED_KINDS = ("servicemonitors", "podmonitors", "probes", "prometheusrules", "alertmanagerconfigs")
_OPERATED_KINDS = ("prometheuses", "alertmanagers")


def manifests() -> list[Manifest]:
    """Account, roles, bindings, Service and Deployment, in the order in which they are needed."""
    metadata = names.metadata(names.OPERATOR)
    cluster = names.cluster_metadata(CLUSTER_ROLE)
    return [
        access.service_account(metadata),
        access.role(metadata, _namespace_rules()),
        access.binding(metadata, names.OPERATOR, names.NAMESPACE),
        access.role(cluster, _cluster_rules()),
        access.binding(cluster, names.OPERATOR, names.NAMESPACE),
        services.service(metadata, names.name_labels(names.OPERATOR), {_PORT_NAME: names.OPERATOR_PORT}),
        deployment(),
    ]


def reloaders() -> Manifest:
    """The part of a Prometheus' or Alertmanager's specification that bounds the containers which the operator adds, to
    have them read their configuration anew: its command line says CPU and memory, but nothing of the node's disk."""
    bounded = pods.resources(_RELOADER_SIZE)
    return {
        "containers": [{"name": "config-reloader", "resources": bounded}],
        "initContainers": [{"name": "init-config-reloader", "resources": bounded}],
    }


def deployment() -> Manifest:
    """One replica: while it is away, Prometheus and Alertmanager run on as they are."""
    selector = names.name_labels(names.OPERATOR)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(names.OPERATOR),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": _pod()},
        },
    }


def _pod() -> Manifest:
    return {
        "serviceAccountName": names.OPERATOR,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "securityContext": pods.pod_security(),
        **system_pool_placement(),
        "containers": [
            {
                "name": names.OPERATOR,
                "image": images.PROMETHEUS_OPERATOR.reference,
                "imagePullPolicy": "IfNotPresent",
                "args": _arguments(),
                "ports": [{"name": _PORT_NAME, "containerPort": names.OPERATOR_PORT, "protocol": "TCP"}],
                "resources": pods.resources(_SIZE),
                "securityContext": pods.container_security(),
                "livenessProbe": pods.http_probe("/healthz", _PORT_NAME),
                "readinessProbe": pods.http_probe("/healthz", _PORT_NAME),
            }
        ],
    }


def _arguments() -> list[str]:
    """Read in `parseFlags` of cmd/operator/main.go at v0.93.0."""
    reloader = pods.resources(_RELOADER_SIZE)
    return [
        f"--namespaces={names.NAMESPACE}",
        f"--prometheus-config-reloader={images.CONFIG_RELOADER.reference}",
        f"--config-reloader-cpu-request={reloader['requests']['cpu']}",
        f"--config-reloader-cpu-limit={reloader['limits']['cpu']}",
        f"--config-reloader-memory-request={reloader['requests']['memory']}",
        f"--config-reloader-memory-limit={reloader['limits']['memory']}",
        "--enable-config-reloader-probes=true",
        "--disable-unmanaged-prometheus-configuration=true",
        "--log-format=json",
    ]


def _namespace_rules() -> list[dict[str, Any]]:
    return [
        _rule(_GROUP, [*_OPERATED_KINDS, *_WATCHED_KINDS], _WATCH),
        # The state it reports is applied (`ApplyStatus`), and asked for as `update` when it starts.
        _rule(_GROUP, [f"{kind}/status" for kind in _OPERATED_KINDS], ("get", "patch", "update")),
        # What it makes names its maker as an owner that waits for it, which a cluster may demand this right for.
        _rule(_GROUP, [f"{kind}/finalizers" for kind in _OPERATED_KINDS], ("update",)),
        _rule("apps", ["statefulsets"], (*_OWN, "patch")),
        _rule("", ["configmaps", "secrets"], _OWN),
        _rule("", ["services"], ("get", "create", "update")),
        _rule("", ["pods"], ("list",)),
    ]


def _cluster_rules() -> list[dict[str, Any]]:
    """Of what lies in no namespace. Without `list` on namespaces it asks for its own by name
    (pkg/listwatch/listwatch.go). Its own events are asked for in all namespaces at once and would be refused here."""
    return [
        {**_rule("", ["namespaces"], ("get",)), "resourceNames": [names.NAMESPACE]},
        _rule("storage.k8s.io", ["storageclasses"], ("get",)),
    ]


def _rule(group: str, resources: list[str], verbs: tuple[str, ...]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": list(verbs)}
