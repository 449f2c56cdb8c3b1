"""The policies of the platform's own pods as a component, so that nothing of theirs starts before it may speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.isolation import platform
from components.isolation.flow import application_policies
from components.isolation.platform import Watched
from components.kubernetes import apply_manifest
from components.workload.labels import Manifest


@dataclass(frozen=True, kw_only=True)
class IsolationArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespaces, whose default-deny these policies open."""
    watched: Watched | None
    """None where nothing is installed that watches the cluster."""


class Isolation(Component, area="isolation"):
    """The flows of `monitoring`, `logging` and `data`.

    Children: a NetworkPolicy for each application of these namespaces.
    """

    system_pool_to_pods: list[int]
    """TCP ports on which pods of the system pool reach others: security groups have to let them through too."""
    pods_to_system_pool: list[int]
    """TCP ports on which they are reached by others."""

    def __init__(self, name: str, args: IsolationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        flows = [*platform.data_flows(), *(platform.watching_flows(args.watched) if args.watched else [])]
        for manifest in application_policies(flows, platform.NAMESPACES):
            self._apply(manifest)
        self.system_pool_to_pods, self.pods_to_system_pool = platform.crossing_ports(flows)
        self.finish()

    def _apply(self, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        options = self.child(
            provider=self._args.provider, deleted_with=self._args.cluster, depends_on=list(self._args.after)
        )
        apply_manifest(self.child_name(metadata["namespace"], metadata["name"]), manifest, options)
