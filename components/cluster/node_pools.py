"""Manifests of the nodes: the class that says how a node is built, and the pools that say which nodes there may be.

Pure functions. EKS Auto Mode reads these objects and starts, replaces and stops EC2 instances accordingly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pulumi

from infra.errors import InvalidInput

PoolName = Literal["general", "spot", "gpu"]
CapacityType = Literal["on-demand", "spot"]
Architecture = Literal["amd64", "arm64"]
Consolidation = Literal["WhenEmpty", "WhenEmptyOrUnderutilized"]

NODE_CLASS = "private"
"""The NodeClass of every pool here. (`default` is the name of the class that EKS makes for its built-in pools.)"""

# AWS replaces Auto Mode nodes after 21 days at most (EKS User Guide, "Learn about security in EKS Auto Mode").
MAX_NODE_HOURS = 21 * 24
NODE_HOURS = 14 * 24
# How long an empty node of a tainted pool is kept for the next job.
EMPTY_AFTER_SECONDS = 60
# The generation that EKS's own built-in pools start at (EKS User Guide, "Enable or Disable Built-in NodePools").
OLDEST_INSTANCE_GENERATION = 5
EPHEMERAL_STORAGE_GIB = 100

POOL_LABEL = "karpenter.sh/nodepool"
GPU_RESOURCE = "nvidia.com/gpu"


class InvalidNodePool(InvalidInput):
    """A node pool that could not work; the message names the pool, the value, and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Taint:
    """Keeps pods away from a node unless they tolerate it."""

    key: str
    value: str
    effect: Literal["NoSchedule", "NoExecute"] = "NoSchedule"

    def manifest(self) -> dict[str, str]:
        return {"key": self.key, "value": self.value, "effect": self.effect}

    def toleration(self) -> dict[str, str]:
        """What a pod carries to be let in."""
        return {"key": self.key, "operator": "Equal", "value": self.value, "effect": self.effect}


SPOT_TAINT = Taint(key="serveml/spot", value="true")
GPU_TAINT = Taint(key=GPU_RESOURCE, value="true")

_TAINTS: dict[PoolName, tuple[Taint, ...]] = {"general": (), "spot": (SPOT_TAINT,), "gpu": (GPU_TAINT,)}


@dataclass(frozen=True, kw_only=True)
class NodePoolArgs:
    """One pool. `general_pool`, `spot_pool` and `gpu_pool` below fill in what is the same in every environment.

    `cpu_limit` (vCPU), `memory_limit_gib` and `gpu_limit` bound what the pool may cost: at a limit no node is added.
    """

    name: PoolName
    zones: Sequence[str]
    cpu_limit: int
    memory_limit_gib: int
    gpu_limit: int = 0
    capacity_types: Sequence[CapacityType]
    instance_categories: Sequence[str]
    architectures: Sequence[Architecture]
    taints: Sequence[Taint]
    consolidation: Consolidation
    consolidate_after_seconds: int
    expire_after_hours: int
    termination_grace_minutes: int
    """How long a node being replaced waits for pods that a disruption budget holds back; then they are stopped."""
    disruption_percent: int
    """Share of the pool's nodes that may be replaced at the same time, rounded up to a whole node."""

    def __post_init__(self) -> None:
        def require(holds: bool, what: str) -> None:
            if not holds:
                raise InvalidNodePool(f"node pool {self.name!r}: {what}")

        for field in ("zones", "capacity_types", "instance_categories", "architectures"):
            require(bool(getattr(self, field)), f"{field} is empty, and no node can match it: give at least one")
        for field in ("cpu_limit", "memory_limit_gib"):
            given = getattr(self, field)
            require(given >= 1, f"{field} is {given}: give at least 1, or leave the pool out")
        require(
            1 <= self.expire_after_hours <= MAX_NODE_HOURS,
            f"expire_after_hours is {self.expire_after_hours}: AWS allows 1 to {MAX_NODE_HOURS}",
        )
        require(
            self.consolidate_after_seconds >= 0,
            f"consolidate_after_seconds is {self.consolidate_after_seconds}: give 0 or more",
        )
        require(
            self.termination_grace_minutes >= 1,
            f"termination_grace_minutes is {self.termination_grace_minutes}: give at least 1, "
            "the time that pods have to go",
        )
        require(
            1 <= self.disruption_percent <= 100,
            f"disruption_percent is {self.disruption_percent}: give 1 to 100 (0 would stop all replacement)",
        )
        require(
            (self.gpu_limit > 0) == (self.name == "gpu"),
            f"gpu_limit is {self.gpu_limit}: the gpu pool needs at least 1, the others have none",
        )
        absent = [taint.key for taint in _TAINTS[self.name] if taint not in self.taints]
        require(not absent, f"it lacks the taint {', '.join(absent)}, which keeps other work off its nodes: add it")


def general_pool(
    *, zones: Sequence[str], cpu_limit: int, memory_limit_gib: int, architectures: Sequence[Architecture] = ("amd64",)
) -> NodePoolArgs:
    """On-demand nodes for what serves traffic."""
    return NodePoolArgs(
        name="general",
        zones=zones,
        cpu_limit=cpu_limit,
        memory_limit_gib=memory_limit_gib,
        capacity_types=("on-demand",),
        instance_categories=("c", "m", "r"),
        architectures=architectures,
        taints=_TAINTS["general"],
        consolidation="WhenEmptyOrUnderutilized",
        # Five minutes, the pause of the pods' own scale-down, so that nodes do not come and go with every wave.
        consolidate_after_seconds=300,
        expire_after_hours=NODE_HOURS,
        termination_grace_minutes=30,
        disruption_percent=10,
    )


def spot_pool(
    *, zones: Sequence[str], cpu_limit: int, memory_limit_gib: int, architectures: Sequence[Architecture] = ("amd64",)
) -> NodePoolArgs:
    """Spot nodes for training, batch and whatever else may be interrupted; tainted, so nothing lands here unasked."""
    return NodePoolArgs(
        name="spot",
        zones=zones,
        cpu_limit=cpu_limit,
        memory_limit_gib=memory_limit_gib,
        capacity_types=("spot",),
        instance_categories=("c", "m", "r"),
        architectures=architectures,
        taints=_TAINTS["spot"],
        # A running job is not moved to save a node: it would start over.
        consolidation="WhenEmpty",
        consolidate_after_seconds=EMPTY_AFTER_SECONDS,
        expire_after_hours=7 * 24,
        termination_grace_minutes=30,
        disruption_percent=50,
    )


def gpu_pool(*, zones: Sequence[str], cpu_limit: int, memory_limit_gib: int, gpu_limit: int) -> NodePoolArgs:
    """On-demand nodes with NVIDIA GPUs; tainted, and gone soon after the last pod."""
    return NodePoolArgs(
        name="gpu",
        zones=zones,
        cpu_limit=cpu_limit,
        memory_limit_gib=memory_limit_gib,
        gpu_limit=gpu_limit,
        capacity_types=("on-demand",),
        instance_categories=("g",),
        architectures=("amd64",),
        taints=_TAINTS["gpu"],
        consolidation="WhenEmpty",
        consolidate_after_seconds=EMPTY_AFTER_SECONDS,
        expire_after_hours=NODE_HOURS,
        # A training run may hold its node for hours.
        termination_grace_minutes=12 * 60,
        disruption_percent=100,
    )


def pod_placement(pool: PoolName) -> dict[str, Any]:
    """The part of a pod's spec that puts it on a pool: `nodeSelector`, and `tolerations` of the pool's taints."""
    return {
        "nodeSelector": {POOL_LABEL: pool},
        "tolerations": [taint.toleration() for taint in _TAINTS[pool]],
    }


def node_class(
    *,
    role_name: pulumi.Input[str],
    subnet_ids: Sequence[pulumi.Input[str]],
    node_security_group_id: pulumi.Input[str],
    pod_security_group_id: pulumi.Input[str],
    volume_key_arn: pulumi.Input[str],
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """How every node is built: private, encrypted with our key, its pods in a security group of their own.

    The metadata service needs no setting: Auto Mode nodes require IMDSv2 and answer within one hop, and the class has
    no field for it. Fields: EKS User Guide, "Create a Node Class for Amazon EKS".
    """
    subnets = [{"id": subnet_id} for subnet_id in subnet_ids]
    return {
        "apiVersion": "eks.amazonaws.com/v1",
        "kind": "NodeClass",
        "metadata": {"name": NODE_CLASS},
        "spec": {
            "role": role_name,
            "subnetSelectorTerms": subnets,
            "securityGroupSelectorTerms": [{"id": node_security_group_id}],
            # Pods get network interfaces of their own, in the same subnets, so that their security group is not the
            # nodes' one. The nodes' first interface then carries no pods: a few pods fewer fit on a node.
            "podSubnetSelectorTerms": subnets,
            "podSecurityGroupSelectorTerms": [{"id": pod_security_group_id}],
            # Namespaces bring their own default-deny policy; denying here would cut off add-ons that bring none.
            "networkPolicy": "DefaultAllow",
            # Refused connections are written to a file on the node; nothing else would show them.
            "networkPolicyEventLogs": "Enabled",
            "advancedNetworking": {"associatePublicIPAddress": False},
            "ephemeralStorage": {"size": f"{EPHEMERAL_STORAGE_GIB}Gi", "kmsKeyID": volume_key_arn},
            "tags": dict(tags),
        },
    }


def node_pool(args: NodePoolArgs) -> dict[str, Any]:
    """The pool as Karpenter takes it (EKS User Guide, "Create a Node Pool for EKS Auto Mode")."""
    limits = {"cpu": str(args.cpu_limit), "memory": f"{args.memory_limit_gib}Gi"}
    requirements = [
        _any_of("karpenter.sh/capacity-type", args.capacity_types),
        _any_of("kubernetes.io/arch", args.architectures),
        _any_of("topology.kubernetes.io/zone", args.zones),
        _any_of("eks.amazonaws.com/instance-category", args.instance_categories),
        {
            "key": "eks.amazonaws.com/instance-generation",
            "operator": "Gt",
            "values": [str(OLDEST_INSTANCE_GENERATION - 1)],
        },
    ]
    if args.gpu_limit:
        limits[GPU_RESOURCE] = str(args.gpu_limit)
        # Category g holds AMD's cards too, which the images' CUDA libraries cannot use.
        requirements.append(_any_of("eks.amazonaws.com/instance-gpu-manufacturer", ["nvidia"]))
    return {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": args.name},
        "spec": {
            "template": {
                "spec": {
                    "nodeClassRef": {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": NODE_CLASS},
                    "requirements": requirements,
                    "taints": [taint.manifest() for taint in args.taints],
                    "expireAfter": f"{args.expire_after_hours}h",
                    "terminationGracePeriod": f"{args.termination_grace_minutes}m",
                }
            },
            "limits": limits,
            "disruption": {
                "consolidationPolicy": args.consolidation,
                "consolidateAfter": f"{args.consolidate_after_seconds}s",
                # At any hour, whatever the reason: a schedule would be in UTC for every residency, and would keep back
                # the replacement by newer images, which takes nodes one by one before they expire. Expiry heeds no
                # budget, and nodes that started together would go together (aws/karpenter-provider-aws 9224).
                "budgets": [{"nodes": f"{args.disruption_percent}%"}],
            },
        },
    }


def network_policy_switch() -> dict[str, Any]:
    """Turns Auto Mode's network policy controller on: until it exists, policies are accepted and enforce nothing.

    EKS User Guide, "Use Network Policies with EKS Auto Mode".
    """
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"},
        "data": {"enable-network-policy-controller": "true"},
    }


def _any_of(key: str, values: Sequence[str]) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}
