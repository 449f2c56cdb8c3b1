"""What EKS Auto Mode is told about nodes, applied inside the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.cluster import node_pools
from components.cluster.node_pools import InvalidNodePool, NodePoolArgs
from components.kubernetes import Manifest, apply_manifest


@dataclass(frozen=True, kw_only=True)
class NodesArgs:
    place: Place
    provider: kubernetes.Provider
    cluster: pulumi.Resource
    """With it, the objects go."""
    after: Sequence[pulumi.Resource]
    """What must be there before a node can join."""
    role_name: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    node_security_group_id: pulumi.Input[str]
    pod_security_group_id: pulumi.Input[str]
    disk_key_arn: pulumi.Input[str]
    pools: Sequence[NodePoolArgs]


class Nodes(Component, area="cluster"):
    """The nodes there may be, and the network policies they enforce.

    Children: the switch for network policies, the NodeClass, and the NodePools.

    They go with the cluster: deleting a NodePool by itself would first drain its nodes, for as long as the pool's grace
    period, and a NodeClass waits for its last node; whereas EKS, when it deletes a cluster in Auto Mode, terminates
    every node it started (EKS User Guide, "Delete a cluster", considerations for EKS Auto Mode). It keeps the EBS
    volumes of claims, so PersistentVolumeClaims must be deleted, not skipped in the same way.
    """

    def __init__(self, name: str, args: NodesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        pools = _each_once(args.pools)
        self._apply("network-policies", node_pools.network_policy_switch(), after=())
        node_class = self._apply(
            "class",
            node_pools.node_class(
                role_name=args.role_name,
                subnet_ids=args.subnet_ids,
                node_security_group_id=args.node_security_group_id,
                pod_security_group_id=args.pod_security_group_id,
                volume_key_arn=args.disk_key_arn,
                tags=self.tags,
            ),
            after=args.after,
        )
        for pool in pools:
            self._apply(pool.name, node_pools.node_pool(pool), after=[node_class])
        self.finish()

    def _apply(self, part: str, manifest: Manifest, *, after: Sequence[pulumi.Resource]) -> pulumi.CustomResource:
        options = self.child(provider=self._args.provider, deleted_with=self._args.cluster, depends_on=after)
        return apply_manifest(self.child_name(part), manifest, options)


def _each_once(pools: Sequence[NodePoolArgs]) -> Sequence[NodePoolArgs]:
    names = [pool.name for pool in pools]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise InvalidNodePool(f"the node pool {twice[0]!r} is given {names.count(twice[0])} times: give each one once")
    return pools
