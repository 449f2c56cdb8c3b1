"""What the pods that watch the cluster have in common: where they run, as whom, and what they may not do."""

from __future__ import annotations

from dataclasses import dataclass

from components.workload.labels import Manifest
from components.workload.quantities import cpu, memory
from infra.capacity import ContainerSize

USER_ID = 65534
"""`nobody`: none of these images needs a user of its own."""

_ZONES_APART = 2


@dataclass(frozen=True, kw_only=True)
class Size(ContainerSize):
    """A container's CPU and memory, and its share of the node's disk for logs and what it writes."""

    disk_mib: int


def resources(size: Size) -> Manifest:
    """Requests and limits."""
    disk = memory(size.disk_mib)
    return {
        "requests": {
            "cpu": cpu(size.cpu_request_millicores),
            "memory": memory(size.memory_request_mib),
            "ephemeral-storage": disk,
        },
        "limits": {
            "cpu": cpu(size.cpu_limit_millicores),
            "memory": memory(size.memory_limit_mib),
            "ephemeral-storage": disk,
        },
    }


def pod_security(*, volumes_of_group: bool = False) -> Manifest:
    """A pod's security context; `volumes_of_group` lets the user write to its persistent volumes."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        **({"fsGroup": USER_ID, "fsGroupChangePolicy": "OnRootMismatch"} if volumes_of_group else {}),
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def http_probe(path: str, port: str) -> Manifest:
    """A probe of a named port."""
    return {
        "httpGet": {"path": path, "port": port, "scheme": "HTTP"},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
        "successThreshold": 1,
    }


def spread(selector: dict[str, str], zones: int) -> list[Manifest]:
    """Replicas in different zones where there are several, and on different nodes where that can be.

    A volume keeps its pod in the zone that the pod first came to. So two do not begin in one zone because the other
    zones have no node yet: the second waits for a node elsewhere.
    """
    over_nodes = _spread_over("kubernetes.io/hostname", selector, unsatisfiable="ScheduleAnyway")
    if zones == 1:
        return [over_nodes]
    over_zones = _spread_over("topology.kubernetes.io/zone", selector, unsatisfiable="DoNotSchedule")
    return [{**over_zones, "minDomains": _ZONES_APART}, over_nodes]


def disruption_budget(metadata: Manifest, selector: dict[str, str]) -> Manifest:
    """One of the replicas may be missing at a time. Not for a single one: its node could never be drained."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector}},
    }


def _spread_over(topology_key: str, selector: dict[str, str], *, unsatisfiable: str) -> Manifest:
    return {
        "topologyKey": topology_key,
        "maxSkew": 1,
        "whenUnsatisfiable": unsatisfiable,
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": selector},
    }
