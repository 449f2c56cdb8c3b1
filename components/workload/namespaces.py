"""Manifests of the namespaces, their budgets of CPU and memory, and the order in which pods give way to each other."""

from __future__ import annotations

from dataclasses import dataclass

from components.workload import labels
from components.workload.labels import Manifest
from components.workload.quantities import cpu, memory
from infra.capacity import Capacity, ContainerSize

SERVING_PRIORITY = "serving"
GPU_PRIORITY = "gpu"

# Serving pods push out batch and training pods (no class: 0); GPU pods come first, their nodes being few and dear.
SERVING_PRIORITY_VALUE = 100_000
GPU_PRIORITY_VALUE = 1_000_000

# A load balancer finds a new pod healthy long after the kubelet does. With this label EKS Auto Mode adds a readiness
# gate to pods that a TargetGroupBinding selects, so a rolling update waits for their targets. The key is Auto Mode's
# own, not the open-source controller's `elbv2.k8s.aws/...`: its `eks-load-balancing-webhook` selects namespaces by it,
# as reported by users who read the selector there. A cluster that ignores the label loses the waiting and no more.
READINESS_GATE_LABEL = "eks.amazonaws.com/pod-readiness-gate-inject"

DEFAULT_CONTAINER = ContainerSize(
    cpu_request_millicores=100, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=512
)
"""What a container gets that states nothing: under a quota such a pod would be refused."""


@dataclass(frozen=True, kw_only=True)
class PodSecurity:
    """The Pod Security Standards of a namespace: what is refused, and what is warned of and audited."""

    enforce: str
    warn: str


RESTRICTED = PodSecurity(enforce="restricted", warn="restricted")

# Off-the-shelf images of data tools (volume permission jobs, brokers that start as root) break under `restricted`;
# `baseline` still refuses host access and privileged pods, and each shortfall is warned of and audited.
BASELINE = PodSecurity(enforce="baseline", warn="restricted")

# What reads the nodes' own log files mounts a directory of the node, which every stricter standard refuses. A warning
# at each change of what the namespace is for would tell nobody anything.
PRIVILEGED = PodSecurity(enforce="privileged", warn="privileged")


def namespace(name: str, part_of: str, security: PodSecurity, *, readiness_gates: bool = False) -> Manifest:
    """A namespace under a Pod Security Standard."""
    prefix = "pod-security.kubernetes.io"
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": name,
            "labels": {
                labels.PART_OF_LABEL: part_of,
                f"{prefix}/enforce": security.enforce,
                f"{prefix}/audit": security.warn,
                f"{prefix}/warn": security.warn,
                **({READINESS_GATE_LABEL: "enabled"} if readiness_gates else {}),
            },
        },
    }


def resource_quota(namespace_name: str, quota: Capacity, gpus: int) -> Manifest:
    """The most that all pods of a namespace may ask for and use together."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "compute", "namespace": namespace_name},
        "spec": {
            "hard": {
                "requests.cpu": cpu(quota.cpu_requests_millicores),
                "requests.memory": memory(quota.memory_requests_mib),
                "limits.cpu": cpu(quota.cpu_limits_millicores),
                "limits.memory": memory(quota.memory_limits_mib),
                # Extended resources are not overcommitted: their limit is their request.
                "requests.nvidia.com/gpu": str(gpus),
            }
        },
    }


def limit_range(namespace_name: str, default: ContainerSize) -> Manifest:
    """Requests and limits of containers that state none."""
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "container-defaults", "namespace": namespace_name},
        "spec": {
            "limits": [
                {
                    "type": "Container",
                    "defaultRequest": {
                        "cpu": cpu(default.cpu_request_millicores),
                        "memory": memory(default.memory_request_mib),
                    },
                    "default": {
                        "cpu": cpu(default.cpu_limit_millicores),
                        "memory": memory(default.memory_limit_mib),
                    },
                }
            ]
        },
    }


def priority_class(name: str, value: int, description: str) -> Manifest:
    """A class of pods that may push out pods of lower value; none is the cluster's default."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": name},
        "value": value,
        "globalDefault": False,
        "preemptionPolicy": "PreemptLowerPriority",
        "description": description,
    }
