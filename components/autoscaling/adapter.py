"""The metrics adapter itself: its pods, its Service, and its place among the API server's APIs, as manifests.

prometheus-adapter v0.12.0 answers `custom.metrics.k8s.io` from Prometheus, as v1beta1 and as v1beta2, and prefers the
first. The autoscaler's client knows both and takes the one that the API server prefers (k8s.io/metrics,
`pkg/client/custom_metrics/discovery.go`), so one of them is registered.
"""

from __future__ import annotations

import hashlib

import yaml

from components.autoscaling import rule
from components.autoscaling.names import CONFIGURATION, GROUP, PORT, metadata, selector
from components.cluster.addons import system_pool_placement
from components.observability.names import ADAPTER
from components.workload import labels
from components.workload.isolation import HTTPS_PORT
from components.workload.labels import Manifest
from components.workload.namespaces import SERVING_PRIORITY
from components.workload.pods import check_image

VERSION = "v1beta1"
USER_ID = 65534
"""The user of the image (`USER` in its Dockerfile)."""

_PORT_NAME = "https"
_CONFIGURATION_KEY = "config.yaml"
_CONFIGURATION_PATH = "/etc/adapter"
_TMP_PATH = "/tmp"
_TMP_MIB = 16
_CHECKSUM_ANNOTATION = "serveml/configuration-sha256"
_RELIST_SECONDS = 30
# Series of the last minutes stay listed, so that a restart of Prometheus does not make the metric unknown.
_LISTED_SECONDS = 300


def config_map(scrape_interval_seconds: int) -> Manifest:
    text = yaml.safe_dump(rule.configuration(scrape_interval_seconds), sort_keys=False, width=1000)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(CONFIGURATION),
        "data": {_CONFIGURATION_KEY: text},
    }


def deployment(image: str, replicas: int, prometheus_url: str, configuration: Manifest) -> Manifest:
    """The adapter's pods, on the system pool, where the API server can reach them."""
    # Read once, at its start: pods are replaced when it changes.
    checksum = hashlib.sha256(configuration["data"][_CONFIGURATION_KEY].encode()).hexdigest()
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": selector()},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 5,
            "template": {
                "metadata": {"labels": selector(), "annotations": {_CHECKSUM_ANNOTATION: checksum}},
                "spec": {
                    **system_pool_placement(),
                    "serviceAccountName": ADAPTER,
                    "automountServiceAccountToken": True,
                    "enableServiceLinks": False,
                    "priorityClassName": SERVING_PRIORITY,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": USER_ID,
                        "runAsGroup": USER_ID,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "topologySpreadConstraints": [
                        _spread("topology.kubernetes.io/zone", "ScheduleAnyway"),
                        _spread("kubernetes.io/hostname", "DoNotSchedule"),
                    ],
                    "containers": [_container(check_image(image), prometheus_url)],
                    "volumes": [
                        {"name": "configuration", "configMap": {"name": CONFIGURATION}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": f"{_TMP_MIB}Mi"}},
                    ],
                },
            },
        },
    }


def service() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(),
            "ports": [{"name": _PORT_NAME, "port": HTTPS_PORT, "targetPort": _PORT_NAME, "protocol": "TCP"}],
        },
    }


def api_service() -> Manifest:
    """Sends requests for the group to the adapter, without checking its certificate.

    The certificate is the adapter's own, made anew at each start for the name `localhost`
    (`pkg/cmd/options/options.go` of custom-metrics-apiserver v1.30.0), so there is no authority to name here. One from
    outside would put a private key into the program's state or ask for a component that issues certificates, to guard
    a connection that stays within the VPC, carries no credentials of a caller (the API server shows its own client
    certificate, which the adapter does check) and can at worst be told wrong figures, within the autoscaler's bounds.
    """
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": metadata(f"{VERSION}.{GROUP}", namespace=None),
        "spec": {
            "group": GROUP,
            "version": VERSION,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
            "insecureSkipTLSVerify": True,
            "service": {"name": ADAPTER, "namespace": labels.MONITORING_NAMESPACE, "port": HTTPS_PORT},
        },
    }


def disruption_budget() -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(),
        "spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector()},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def arguments(prometheus_url: str) -> list[str]:
    """The command line. `--cert-dir` is where its certificate is written at each start."""
    return [
        f"--config={_CONFIGURATION_PATH}/{_CONFIGURATION_KEY}",
        f"--prometheus-url={prometheus_url}",
        f"--metrics-relist-interval={_RELIST_SECONDS}s",
        f"--metrics-max-age={_LISTED_SECONDS}s",
        f"--secure-port={PORT}",
        f"--cert-dir={_TMP_PATH}/certificate",
        "--tls-min-version=VersionTLS12",
        "--profiling=false",
    ]


def _container(image: str, prometheus_url: str) -> Manifest:
    return {
        "name": ADAPTER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments(prometheus_url),
        "ports": [{"name": _PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi", "ephemeral-storage": f"{2 * _TMP_MIB}Mi"},
            "limits": {"cpu": "500m", "memory": "256Mi", "ephemeral-storage": "128Mi"},
        },
        "startupProbe": _probe("/readyz", period_seconds=2, failures=60),
        "livenessProbe": _probe("/livez", period_seconds=10, failures=3),
        "readinessProbe": _probe("/readyz", period_seconds=5, failures=2),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "configuration", "mountPath": _CONFIGURATION_PATH, "readOnly": True},
            {"name": "tmp", "mountPath": _TMP_PATH},
        ],
    }


def _probe(path: str, *, period_seconds: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": _PORT_NAME, "scheme": "HTTPS"},
        "periodSeconds": period_seconds,
        "timeoutSeconds": 2,
        "failureThreshold": failures,
        "successThreshold": 1,
    }


def _spread(topology_key: str, unsatisfiable: str) -> Manifest:
    return {
        "topologyKey": topology_key,
        "maxSkew": 1,
        "whenUnsatisfiable": unsatisfiable,
        "labelSelector": {"matchLabels": selector()},
        "matchLabelKeys": ["pod-template-hash"],
    }
