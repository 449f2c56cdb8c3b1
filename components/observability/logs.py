"""Fluent Bit on every node: its pods, what they may read, and the AWS rights to write to the platform's log group."""

from __future__ import annotations

from typing import Any

import yaml

from components.observability import access, fluent_bit, images, names, pods, services
from components.observability.monitors import METRICS_PORT
from components.workload import labels
from components.workload.configuration import CHECKSUM_ANNOTATION, checksum
from components.workload.labels import Manifest

SERVICE_ACCOUNT = names.LOGS
"""What EKS Pod Identity ties the right to write to."""

HEALTH_PATH = "/api/v1/health"

_FILE = "fluent-bit.yaml"
_FOLDER = "/etc/fluent-bit"
# Beside the buffer: how far each file was read, and chunks that are being written.
_STATE_MIB = fluent_bit.BUFFER_MIB + 64
_SIZE = pods.Size(
    cpu_request_millicores=50,
    cpu_limit_millicores=500,
    memory_request_mib=128,
    memory_limit_mib=256,
    disk_mib=_STATE_MIB + 32,
)
# The links, and the files that they lead to. Not the whole of /var/log, where the journal lies.
_NODE_FOLDERS = {"containers": fluent_bit.CONTAINER_LOGS, "pods": "/var/log/pods"}
# The runtime's log files are root's and its group may read them (containerd, internal/cri/io/logger.go: 0640). Another
# user of that group therefore needs neither root nor a capability. On Bottlerocket the SELinux type that every ordinary
# container has may read and watch them (bottlerocket-os/bottlerocket, pull request 1236), so none is named here.
_GROUP_OF_LOG_FILES = 0
# What each node has to have: it pushes out other pods, and a node short of memory keeps it. Any namespace may use the
# class since Kubernetes 1.17, unless the API server is told to limit it, which EKS's is not.
_PRIORITY = "system-node-critical"


def log_group_name(project: str, environment: str, cluster_name: str) -> str:
    return f"/{project}/{environment}/{cluster_name}/application"


def log_group_arn(name: str, *, region: str, account_id: str) -> str:
    return f"arn:aws:logs:{region}:{account_id}:log-group:{name}"


def statements(group_arn: str) -> list[dict[str, Any]]:
    """The AWS rights of its pods: to begin streams in the group, and to write to them.

    CloudWatch Logs encrypts with the group's key itself: who writes needs no right on it.
    """
    return [
        {
            "Sid": "WriteLogs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            # The group with its streams, whose names nobody knows before.
            "Resource": [f"{group_arn}:*"],
        }
    ]


def manifests(*, region: str, log_group: str) -> list[Manifest]:
    """Account, role, binding, configuration, Service and DaemonSet, in the order in which they are needed."""
    metadata = _metadata()
    cluster = names.cluster_metadata(names.LOGS)
    text = yaml.safe_dump(fluent_bit.configuration(region=region, log_group=log_group), sort_keys=False)
    configuration = {_FILE: text}
    return [
        access.service_account(metadata),
        # By name, one pod at a time, which is how the Kubernetes filter asks (plugins/filter_kubernetes/kube_meta.c).
        access.role(cluster, [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
        access.binding(cluster, SERVICE_ACCOUNT, labels.LOGGING_NAMESPACE),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": configuration},
        services.service(metadata, names.name_labels(names.LOGS), {METRICS_PORT: fluent_bit.PORT}),
        daemon_set(checksum(configuration)),
    ]


def daemon_set(configuration_checksum: str) -> Manifest:
    """A pod on every node, whatever keeps others off it."""
    selector = names.name_labels(names.LOGS)
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(),
        "spec": {
            "selector": {"matchLabels": selector},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {
                "metadata": {"labels": selector, "annotations": {CHECKSUM_ANNOTATION: configuration_checksum}},
                "spec": _pod(),
            },
        },
    }


def _metadata() -> Manifest:
    return {**names.metadata(names.LOGS), "namespace": labels.LOGGING_NAMESPACE}


def _pod() -> Manifest:
    return {
        "serviceAccountName": SERVICE_ACCOUNT,
        # It asks the API for the labels of pods.
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "priorityClassName": _PRIORITY,
        "securityContext": {**pods.pod_security(), "runAsGroup": _GROUP_OF_LOG_FILES},
        "tolerations": [{"operator": "Exists"}],
        "containers": [_container()],
        "volumes": [
            *({"name": name, "hostPath": {"path": path, "type": "Directory"}} for name, path in _NODE_FOLDERS.items()),
            {"name": "configuration", "configMap": {"name": names.LOGS}},
            {"name": "state", "emptyDir": {"sizeLimit": f"{_STATE_MIB}Mi"}},
        ],
    }


def _container() -> Manifest:
    return {
        "name": names.LOGS,
        "image": images.FLUENT_BIT.reference,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-c", f"{_FOLDER}/{_FILE}"],
        "env": [
            {"name": fluent_bit.NODE_VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "ports": [{"name": METRICS_PORT, "containerPort": fluent_bit.PORT, "protocol": "TCP"}],
        "resources": pods.resources(_SIZE),
        "securityContext": pods.container_security(),
        # Whether it answers at all. A restart would help nothing when CloudWatch is away, so that is readiness, which
        # stops a rollout that could not deliver.
        "livenessProbe": pods.http_probe("/", METRICS_PORT),
        "readinessProbe": pods.http_probe(HEALTH_PATH, METRICS_PORT),
        "volumeMounts": [
            *({"name": name, "mountPath": path, "readOnly": True} for name, path in _NODE_FOLDERS.items()),
            {"name": "configuration", "mountPath": _FOLDER, "readOnly": True},
            {"name": "state", "mountPath": fluent_bit.STATE_PATH},
        ],
    }
