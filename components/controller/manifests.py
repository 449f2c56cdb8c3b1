"""The canary controller's objects as manifests: account, outputs, pods, Service, disruption budget and scrape."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pulumi

from components.cluster.addons import system_pool_placement
from components.controller import names
from components.isolation.platform import CANARY_CONTROLLER_PORT
from components.observability import access, monitors, pods, services
from components.observability.monitors import METRICS_PORT, Target
from components.workload.configuration import CHECKSUM_ANNOTATION
from components.workload.labels import Manifest
from components.workload.namespaces import SERVING_PRIORITY
from components.workload.pods import USER_ID, check_image
from contract import service as contract

OUTPUTS_FILE = "outputs.json"
SLACK_KEY = "url"
"""Of the Secret's entries the one that holds the webhook's address."""
GRACE_SECONDS = 30
"""From SIGTERM to SIGKILL: more than the service takes to end its drives, or to give up on them."""

TARGET = Target(application=names.NAME, namespace=names.NAMESPACE, port=METRICS_PORT)

_SIZE = pods.Size(
    cpu_request_millicores=50, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=512, disk_mib=64
)
"""It takes 70 MiB where it has nothing to do; answers of Prometheus come and go on top."""

_OUTPUTS_PATH = "/etc/serveml/outputs"
_SLACK_PATH = "/etc/serveml/slack"
_OUTPUTS, _SLACK = "outputs", "slack"


@dataclass(frozen=True, kw_only=True)
class ControllerPod:
    """What differs from one environment to the next."""

    image: str
    environment: str
    prometheus_url: pulumi.Input[str]
    log_level: str
    replicas: int
    zones: int
    slack_secret: str | None
    """A Secret of the namespace; it may come later, or be gone: then only the topic is told."""

    def __post_init__(self) -> None:
        check_image(self.image)


def account() -> Manifest:
    return access.service_account(names.metadata())


def config_map(outputs: pulumi.Input[str]) -> Manifest:
    """The stack's outputs, as `ops.platform` reads them."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": names.metadata(), "data": {OUTPUTS_FILE: outputs}}


def service() -> Manifest:
    return services.service(names.metadata(), names.selector(), {METRICS_PORT: CANARY_CONTROLLER_PORT})


def disruption_budget() -> Manifest:
    return pods.disruption_budget(names.metadata(), names.selector())


def service_monitor(part_of: str) -> Manifest:
    return monitors.service_monitor(TARGET, part_of)


def deployment(pod: ControllerPod, outputs: pulumi.Input[str]) -> Manifest:
    """Replicas are equals: whoever has a canary's lease drives it, and the others take over where one goes."""
    checksum = pulumi.Output.from_input(outputs).apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(),
        "spec": {
            "replicas": pod.replicas,
            "selector": {"matchLabels": names.selector()},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 5,
            "template": {
                # Read once, at its start: pods are replaced when the outputs change.
                "metadata": {"labels": names.selector(), "annotations": {CHECKSUM_ANNOTATION: checksum}},
                "spec": _pod(pod),
            },
        },
    }


def _pod(pod: ControllerPod) -> Manifest:
    return {
        "serviceAccountName": names.NAME,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # Without it a bad version is not withdrawn: it comes before what can wait, as the pods that serve do.
        "priorityClassName": SERVING_PRIORITY,
        **system_pool_placement(),
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {**pods.pod_security(), "runAsUser": USER_ID, "runAsGroup": USER_ID},
        **({"topologySpreadConstraints": pods.spread(names.selector(), pod.zones)} if pod.replicas > 1 else {}),
        "containers": [_container(pod)],
        "volumes": [
            {"name": _OUTPUTS, "configMap": {"name": names.NAME}},
            *(
                [{"name": _SLACK, "secret": {"secretName": pod.slack_secret, "optional": True}}]
                if pod.slack_secret
                else []
            ),
        ],
    }


def _container(pod: ControllerPod) -> Manifest:
    slack = [{"name": _SLACK, "mountPath": _SLACK_PATH, "readOnly": True}] if pod.slack_secret else []
    return {
        "name": names.NAME,
        "image": pod.image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "--env",
            pod.environment,
            "--outputs",
            f"{_OUTPUTS_PATH}/{OUTPUTS_FILE}",
            "--prometheus",
            pod.prometheus_url,
            "--host",
            "0.0.0.0",
            "--port",
            str(CANARY_CONTROLLER_PORT),
            "--log-level",
            pod.log_level,
            *(["--slack-webhook", f"{_SLACK_PATH}/{SLACK_KEY}"] if pod.slack_secret else []),
        ],
        "env": [
            {"name": contract.ENV_POD_NAME, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            # Who changed a deployment, as its history names them.
            {"name": "SERVEML_OPERATOR", "value": names.NAME},
        ],
        "ports": [{"name": METRICS_PORT, "containerPort": CANARY_CONTROLLER_PORT, "protocol": "TCP"}],
        "resources": pods.resources(_SIZE),
        "livenessProbe": pods.http_probe(contract.HEALTH_PATH, METRICS_PORT),
        "readinessProbe": pods.http_probe(contract.READY_PATH, METRICS_PORT),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": pods.container_security(),
        "volumeMounts": [{"name": _OUTPUTS, "mountPath": _OUTPUTS_PATH, "readOnly": True}, *slack],
    }
