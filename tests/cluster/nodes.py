"""Nodes that kwok simulates, made to look like those of a cluster in EKS Auto Mode for as long as a block runs.

kwok stands in for the kubelet: pods are scheduled and turn ready, and nothing of them runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from components.cluster.addons import SYSTEM_POOL
from components.cluster.node_pools import POOL_LABEL
from tests.cluster.api import Api, Object

NODES = "/api/v1/nodes"
ZONE_LABEL = "topology.kubernetes.io/zone"
ZONES_NEEDED = 3
GENERAL_POOL = "general"

# kwok manages nodes by this annotation (kubernetes-sigs/kwok, `--manage-nodes-with-annotation-selector` in its manual).
_SIMULATED = ("kwok.x-k8s.io/node", "fake")
# The taint of Auto Mode's system pool, which `components.cluster.addons` tolerates.
_SYSTEM_TAINT = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"}


def simulated(api: Api) -> list[Object]:
    """The nodes that kwok simulates and that take any pod."""
    key, value = _SIMULATED
    return [
        node
        for node in api.items(NODES)
        if node["metadata"].get("annotations", {}).get(key) == value and not node["spec"].get("taints")
    ]


def zone_of(node: Object) -> str:
    return node["metadata"].get("labels", {}).get(ZONE_LABEL, "")


def are_enough(nodes: Sequence[Object]) -> bool:
    """Whether there is a zone for each of three pods, and in each zone a node for either pool."""
    return len([zone for zone, members in _by_zone(nodes).items() if zone and len(members) > 1]) >= ZONES_NEEDED


@contextmanager
def in_pools(api: Api, nodes: Sequence[Object]) -> Generator[None]:
    """In each zone one node is of the system pool, and the others are of the general pool."""
    try:
        for members in _by_zone(nodes).values():
            for index, node in enumerate(members):
                pool = SYSTEM_POOL if index == 0 else GENERAL_POOL
                _set(api, node, pool, [_SYSTEM_TAINT] if pool == SYSTEM_POOL else [])
        yield
    finally:
        for node in nodes:
            _set(api, node, node["metadata"].get("labels", {}).get(POOL_LABEL), [])


@contextmanager
def closed(api: Api) -> Generator[None]:
    """No node takes a new pod."""
    open_before = [node for node in api.items(NODES) if not node["spec"].get("unschedulable")]
    try:
        for node in open_before:
            api.merge(_path(node), {"spec": {"unschedulable": True}})
        yield
    finally:
        for node in open_before:
            api.merge(_path(node), {"spec": {"unschedulable": None}})


def _by_zone(nodes: Sequence[Object]) -> dict[str, list[Object]]:
    members: defaultdict[str, list[Object]] = defaultdict(list)
    for node in nodes:
        members[zone_of(node)].append(node)
    return members


def _set(api: Api, node: Object, pool: str | None, taints: list[dict[str, str]]) -> None:
    api.merge(_path(node), {"metadata": {"labels": {POOL_LABEL: pool}}, "spec": {"taints": taints}})


def _path(node: Object) -> str:
    return f"{NODES}/{node['metadata']['name']}"
