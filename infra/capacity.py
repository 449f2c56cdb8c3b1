"""What a rollout at full scale asks of a namespace's quota: arithmetic, for the settings to check beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.errors import InvalidInput

SURGE_PODS = 1
"""Pods a rolling update runs above the wanted number (`maxSurge`), in each Deployment."""


class InvalidSize(InvalidInput):
    """A container size that Kubernetes would refuse; the message says which figure and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class ContainerSize:
    """What one pod asks for (requests) and may use (limits)."""

    cpu_request_millicores: int
    cpu_limit_millicores: int
    memory_request_mib: int
    memory_limit_mib: int

    def __post_init__(self) -> None:
        pairs = (
            ("CPU", "millicores", self.cpu_request_millicores, self.cpu_limit_millicores),
            ("memory", "MiB", self.memory_request_mib, self.memory_limit_mib),
        )
        for what, unit, request, limit in pairs:
            if not 0 < request <= limit:
                raise InvalidSize(
                    f"the {what} request of {request} {unit} does not go with the limit of {limit} {unit}: "
                    f"a request is above 0 and at most the limit"
                )


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Room in a namespace: what a quota allows, or what a set of pods takes."""

    cpu_requests_millicores: int
    memory_requests_mib: int
    cpu_limits_millicores: int
    memory_limits_mib: int


def pods_at_full_scale(*, replicas_max: int, canary_replicas: int) -> int:
    """Pods there may be while stable and canary are both rolled at the autoscaler's upper bound.

    Pods that still drain are not counted, although a quota counts them until they are gone:
    they only make a rollout wait for their room, they cannot make it fail.
    """
    canary = canary_replicas + SURGE_PODS if canary_replicas else 0
    return replicas_max + SURGE_PODS + canary


def needed(*, replicas_max: int, canary_replicas: int, container: ContainerSize) -> Capacity:
    """The room that the workload takes at full scale, surge and canary included."""
    pods = pods_at_full_scale(replicas_max=replicas_max, canary_replicas=canary_replicas)
    return Capacity(
        cpu_requests_millicores=pods * container.cpu_request_millicores,
        memory_requests_mib=pods * container.memory_request_mib,
        cpu_limits_millicores=pods * container.cpu_limit_millicores,
        memory_limits_mib=pods * container.memory_limit_mib,
    )


def fits(capacity: Capacity, quota: Capacity) -> list[str]:
    """One sentence for each figure of the quota that is too small; empty when all of it fits."""
    return [
        f"the {what} at full scale come to {need} {unit} with surge and canary, {need - room} {unit} more than the "
        f"quota's {room}: raise the quota to {need} {unit}, or lower the most replicas or what each may use"
        for what, unit, need, room in _figures(capacity, quota)
        if need > room
    ]


def _figures(capacity: Capacity, quota: Capacity) -> Iterator[tuple[str, str, int, int]]:
    yield "CPU requests", "millicores", capacity.cpu_requests_millicores, quota.cpu_requests_millicores
    yield "memory requests", "MiB", capacity.memory_requests_mib, quota.memory_requests_mib
    yield "CPU limits", "millicores", capacity.cpu_limits_millicores, quota.cpu_limits_millicores
    yield "memory limits", "MiB", capacity.memory_limits_mib, quota.memory_limits_mib
