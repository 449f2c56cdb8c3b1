"""The pod of the serving container: what it runs, may use and may not do. Stricter than Pod Security's `restricted`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from components.secrets.secrets import ML_CREDENTIALS
from components.workload import labels
from components.workload.binding import GRPC_PORT_NAME, HTTP_PORT_NAME, PROBE_PORT_NAME
from components.workload.configuration import CONFIG_MAP
from components.workload.errors import InvalidWorkload
from components.workload.labels import Manifest, Track
from components.workload.namespaces import SERVING_PRIORITY
from components.workload.quantities import cpu, memory
from contract import service
from infra.capacity import ContainerSize

USER_ID = 10001
"""The user of the image (`USER` in its Dockerfile): stated here too, so that an image cannot choose root."""

TMP_MIB = 64
LOG_MIB = 128
"""Beyond the volumes, what the container's log may take up on the node, where the kubelet rotates it: twice its usual
five files of 10 MiB, for it looks at them every ten seconds (kubernetes.io, "Logging Architecture", log rotation)."""
STOP_MARGIN_SECONDS = 5
"""What the process has to end in, once the last request is answered, before it is killed."""

_STARTUP_PERIOD_SECONDS = 2
_LIVENESS_PERIOD_SECONDS = 10
_LIVENESS_FAILURES = 3
_READINESS_PERIOD_SECONDS = 5
_READINESS_FAILURES = 2
_PROBE_TIMEOUT_SECONDS = 2

CREDENTIALS_DIR = "/etc/serveml/credentials"
"""Where settings such as SERVEML_REDIS_PASSWORD_FILE find what operators put into `ml-credentials`."""

_CACHE_VOLUME = "model-cache"
_TMP_VOLUME = "tmp"
_CREDENTIALS_VOLUME = "credentials"
_BY_DIGEST = re.compile(r"[a-z0-9][a-z0-9.:/_-]*@sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class ServingPod:
    """What differs from one environment to the next, or between the tracks."""

    image: str
    size: ContainerSize
    zones: int
    drain_seconds: int
    startup_seconds: int
    """How long the first model may take to be fetched, verified and loaded before the pod is started anew."""
    model_cache_mib: int
    grpc: bool

    def __post_init__(self) -> None:
        check_image(self.image)
        for what in ("zones", "startup_seconds", "model_cache_mib"):
            if getattr(self, what) < 1:
                raise InvalidWorkload(f"{what} is {getattr(self, what)}: give a whole number, 1 or more")


def check_image(image: str) -> str:
    """Return an image that is named by digest; raise InvalidWorkload for a tag, which may come to mean other bytes."""
    if _BY_DIGEST.fullmatch(image) is None:
        raise InvalidWorkload(
            f"image {image!r} is not named by digest: write <repository>@sha256:<64 hexadecimal digits>, "
            f"as the registry answered when it was pushed"
        )
    return image


def grace_period_seconds(drain_seconds: int) -> int:
    """From SIGTERM to SIGKILL: the drain, the longest request that came in at its end, and a margin."""
    return drain_seconds + service.REQUEST_TIMEOUT_SECONDS + STOP_MARGIN_SECONDS


def pod_spec(pod: ServingPod, track: Track) -> Manifest:
    """The pod's specification.

    There is no preStop hook: on SIGTERM the server turns unready and goes on answering for the drain, which is the time
    that endpoints and load balancer take to turn away.
    """
    return {
        "serviceAccountName": labels.SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": SERVING_PRIORITY,
        "terminationGracePeriodSeconds": grace_period_seconds(pod.drain_seconds),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": _spread(track, pod.zones),
        "containers": [_container(pod)],
        "volumes": [
            {"name": _CACHE_VOLUME, "emptyDir": {"sizeLimit": memory(pod.model_cache_mib)}},
            {"name": _TMP_VOLUME, "emptyDir": {"sizeLimit": memory(TMP_MIB)}},
            # A file for each field that operators put into Secrets Manager; there is no Secret before there is one.
            {
                "name": _CREDENTIALS_VOLUME,
                "secret": {"secretName": ML_CREDENTIALS, "optional": True, "defaultMode": 0o440},
            },
        ],
    }


def _container(pod: ServingPod) -> Manifest:
    return {
        "name": labels.APPLICATION,
        "image": pod.image,
        # A digest never comes to mean other bytes, so what a node holds is right.
        "imagePullPolicy": "IfNotPresent",
        "ports": [
            {"name": HTTP_PORT_NAME, "containerPort": service.HTTP_PORT, "protocol": "TCP"},
            {"name": PROBE_PORT_NAME, "containerPort": service.PROBE_PORT, "protocol": "TCP"},
            *([{"name": GRPC_PORT_NAME, "containerPort": service.GRPC_PORT, "protocol": "TCP"}] if pod.grpc else []),
        ],
        "envFrom": [{"configMapRef": {"name": CONFIG_MAP}}],
        "env": [{"name": service.ENV_POD_NAME, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {
            "requests": {
                "cpu": cpu(pod.size.cpu_request_millicores),
                "memory": memory(pod.size.memory_request_mib),
                # The scheduler counts the volumes below only where a pod asks for their room.
                "ephemeral-storage": memory(pod.model_cache_mib + TMP_MIB),
            },
            "limits": {
                "cpu": cpu(pod.size.cpu_limit_millicores),
                "memory": memory(pod.size.memory_limit_mib),
                "ephemeral-storage": memory(pod.model_cache_mib + TMP_MIB + LOG_MIB),
            },
        },
        # Succeeds once a model has answered: a pod that finds none in its time is started anew.
        "startupProbe": _probe(
            service.STARTUP_PATH, _STARTUP_PERIOD_SECONDS, -(-pod.startup_seconds // _STARTUP_PERIOD_SECONDS)
        ),
        # Does not ask for a model: what keeps one away would not go by starting anew a pod that has served before.
        "livenessProbe": _probe(service.LIVE_PATH, _LIVENESS_PERIOD_SECONDS, _LIVENESS_FAILURES),
        "readinessProbe": _probe(service.READY_PATH, _READINESS_PERIOD_SECONDS, _READINESS_FAILURES),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": _CACHE_VOLUME, "mountPath": service.CACHE_DIR},
            {"name": _TMP_VOLUME, "mountPath": "/tmp"},
            {"name": _CREDENTIALS_VOLUME, "mountPath": CREDENTIALS_DIR, "readOnly": True},
        ],
    }


def _probe(path: str, period_seconds: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": PROBE_PORT_NAME, "scheme": "HTTP"},
        "periodSeconds": period_seconds,
        "timeoutSeconds": _PROBE_TIMEOUT_SECONDS,
        "failureThreshold": failures,
        "successThreshold": 1,
    }


def _spread(track: Track, zones: int) -> list[Manifest]:
    """Even over zones as a rule, and over nodes as a wish, which a small cluster may be unable to grant."""
    over_nodes = _spread_over("kubernetes.io/hostname", track, unsatisfiable="ScheduleAnyway")
    if zones == 1:
        return [over_nodes]
    over_zones = _spread_over("topology.kubernetes.io/zone", track, unsatisfiable="DoNotSchedule")
    # As many zones as are left when one is lost: where all nodes lie in one zone, a pod waits for a node in another,
    # and an outage of a zone does not stop the rest from taking its pods.
    return [{**over_zones, "minDomains": zones - 1}, over_nodes]


def _spread_over(topology_key: str, track: Track, *, unsatisfiable: str) -> Manifest:
    return {
        "topologyKey": topology_key,
        "maxSkew": 1,
        "whenUnsatisfiable": unsatisfiable,
        # Nodes that are tainted, because they fail or are kept for other work, are no place to count.
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": labels.track_selector(track)},
        # Each revision is spread by itself, so a rollout does not leave its pods where the old ones had been fewer.
        "matchLabelKeys": ["pod-template-hash"],
    }
