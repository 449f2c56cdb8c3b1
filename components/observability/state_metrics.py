"""kube-state-metrics: says as metrics what the Kubernetes API knows of the objects that dashboards and alerts speak of,
and may read these alone.
"""

from __future__ import annotations

from components.cluster.addons import system_pool_placement
from components.observability import access, images, names, pods, services
from components.observability.monitors import METRICS_PORT
from components.workload.labels import Manifest

# Kinds by API group. What is not listed here is neither read nor allowed to be: Secrets and ConfigMaps above all.
READ = {
    "": ("nodes", "persistentvolumeclaims", "pods", "resourcequotas"),
    "apps": ("daemonsets", "deployments", "statefulsets"),
    "autoscaling": ("horizontalpodautoscalers",),
    "batch": ("jobs",),
    "policy": ("poddisruptionbudgets",),
}
"""Replica sets are left out: a pod's Deployment is found by its name in the dashboards."""

_OWN_PORT = "own-metrics"
_SIZE = pods.Size(
    cpu_request_millicores=20, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=384, disk_mib=64
)


def manifests() -> list[Manifest]:
    """Account, role, binding, Service and Deployment."""
    metadata = names.metadata(names.STATE_METRICS)
    cluster = names.cluster_metadata(names.STATE_METRICS)
    rules = [
        {"apiGroups": [group], "resources": list(kinds), "verbs": ["list", "watch"]} for group, kinds in READ.items()
    ]
    return [
        access.service_account(metadata),
        access.role(cluster, rules),
        access.binding(cluster, names.STATE_METRICS, names.NAMESPACE),
        services.service(metadata, names.name_labels(names.STATE_METRICS), {METRICS_PORT: names.STATE_METRICS_PORT}),
        deployment(),
    ]


def deployment() -> Manifest:
    """One replica: two would say everything twice."""
    selector = names.name_labels(names.STATE_METRICS)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(names.STATE_METRICS),
        "spec": {
            "replicas": 1,
            # Never two at once, for the same reason.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": selector}, "spec": _pod()},
        },
    }


def _pod() -> Manifest:
    kinds = sorted(kind for group in READ.values() for kind in group)
    return {
        "serviceAccountName": names.STATE_METRICS,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "securityContext": pods.pod_security(),
        **system_pool_placement(),
        "containers": [
            {
                "name": names.STATE_METRICS,
                "image": images.KUBE_STATE_METRICS.reference,
                "imagePullPolicy": "IfNotPresent",
                # Read in pkg/options/options.go at v2.19.1.
                "args": [
                    f"--port={names.STATE_METRICS_PORT}",
                    f"--telemetry-port={names.STATE_METRICS_OWN_PORT}",
                    f"--resources={','.join(kinds)}",
                ],
                "ports": [
                    {"name": METRICS_PORT, "containerPort": names.STATE_METRICS_PORT, "protocol": "TCP"},
                    {"name": _OWN_PORT, "containerPort": names.STATE_METRICS_OWN_PORT, "protocol": "TCP"},
                ],
                "resources": pods.resources(_SIZE),
                "securityContext": pods.container_security(),
                # As in examples/standard/deployment.yaml: whether the API answers it, and whether it answers at all.
                "livenessProbe": pods.http_probe("/livez", METRICS_PORT),
                "readinessProbe": pods.http_probe("/readyz", _OWN_PORT),
            }
        ],
    }
