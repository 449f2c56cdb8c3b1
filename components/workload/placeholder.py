"""Headroom: pods that do nothing but keep the room of a serving pod free, and give it up as soon as one needs it.

A new serving pod then takes the placeholder's room in seconds, and it is the placeholder that waits for a node.
Karpenter, and so EKS Auto Mode, starts nodes for pods of any priority (kubernetes-sigs/karpenter, issue 1396); the
pattern is that of kubernetes.io, "Overprovision Node Capacity For A Cluster".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.workload import isolation, labels, namespaces
from components.workload.binding import SKIP_AWAIT
from components.workload.errors import InvalidWorkload
from components.workload.labels import Manifest
from components.workload.pods import TMP_MIB, check_image
from components.workload.quantities import cpu, memory
from infra.capacity import ContainerSize

NAME = "headroom"
"""Of the namespace, the PriorityClass and the Deployment.

The namespace is their own: in the serving pods' one the quota would count them, waiting ones too, and at full scale
would refuse a serving pod for the sake of a placeholder.
"""

# Below everything, for pods without a class have 0. Not below -10, where cluster-autoscaler would no longer start nodes
# for a pod (its `--expendable-pods-priority-cutoff`).
PRIORITY_VALUE = -1

USER_ID = 65535
"""The user of the image (`USER` in the Dockerfile of kubernetes/kubernetes, build/pause)."""


@dataclass(frozen=True, kw_only=True)
class HeadroomArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    image: str
    """One that only waits, by digest."""
    pods: int
    """Serving pods that find room at once. A new serving pod is bound to the zones that have fewest, and a placeholder
    in another does not help it: as many as there are zones leave none without."""
    size: ContainerSize
    """Of a serving pod."""
    model_cache_mib: int
    """Of a serving pod: room on the node's disk."""
    zones: int
    """Availability zones that the nodes may lie in."""


class Headroom(Component, area="workload"):
    """Room for serving pods that are yet to come.

    Children: the namespace `headroom` and its default-deny NetworkPolicy, the PriorityClass, the Deployment.
    """

    namespace: pulumi.Output[str]

    def __init__(self, name: str, args: HeadroomArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        if args.pods < 1:
            raise InvalidWorkload(f"headroom for {args.pods} pods is none: give 1 or more, or leave the component out")
        space = self._apply(namespaces.namespace(NAME, args.place.names.project, namespaces.RESTRICTED), "namespace")
        closed = self._apply(isolation.default_deny(NAME), "default-deny", after=[space])
        priority = self._apply(priority_class(), "priority")
        self._apply(
            deployment(args.image, args.pods, args.size, model_cache_mib=args.model_cache_mib, zones=args.zones),
            "pods",
            after=[closed, priority],
        )
        self.namespace = pulumi.Output.from_input(NAME)
        self.finish()

    def _apply(self, manifest: Manifest, *parts: str, after: Sequence[pulumi.Resource] = ()) -> pulumi.CustomResource:
        options = self.child(provider=self._args.provider, deleted_with=self._args.cluster, depends_on=after)
        return apply_manifest(self.child_name(*parts), manifest, options)


def priority_class() -> Manifest:
    """The one class that every other pod may push out, and that pushes out none."""
    return {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": NAME},
        "value": PRIORITY_VALUE,
        "globalDefault": False,
        "preemptionPolicy": "Never",
        "description": "Keeps room free and gives it up to any other pod.",
    }


def deployment(image: str, pods: int, size: ContainerSize, *, model_cache_mib: int, zones: int) -> Manifest:
    """Placeholders of what a serving pod asks for, which is all that a scheduler reserves."""
    selector = {labels.NAME_LABEL: NAME}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        # A placeholder that waits for a node is doing its work: a deployment of the platform need not wait with it.
        "metadata": {"name": NAME, "namespace": NAME, "labels": selector, "annotations": SKIP_AWAIT},
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": selector},
            # Old placeholders go first: a rolling update would ask for a node more, for nothing.
            "strategy": {"type": "Recreate"},
            "revisionHistoryLimit": 1,
            "template": {
                "metadata": {"labels": selector},
                "spec": {
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "priorityClassName": NAME,
                    "terminationGracePeriodSeconds": 0,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": USER_ID,
                        "runAsGroup": USER_ID,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    # No node selector, as serving pods have none.
                    "topologySpreadConstraints": _spread(selector) if zones > 1 else [],
                    "containers": [_container(check_image(image), size, model_cache_mib + TMP_MIB)],
                },
            },
        },
    }


def _container(image: str, size: ContainerSize, disk_mib: int) -> Manifest:
    room = {
        "cpu": cpu(size.cpu_request_millicores),
        "memory": memory(size.memory_request_mib),
        "ephemeral-storage": memory(disk_mib),
    }
    return {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "resources": {"requests": room, "limits": room},
        # There are no probes: the program neither listens nor can be waiting for anything.
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _spread(selector: dict[str, str]) -> list[Manifest]:
    return [
        {
            "topologyKey": "topology.kubernetes.io/zone",
            "maxSkew": 1,
            "whenUnsatisfiable": "DoNotSchedule",
            "nodeTaintsPolicy": "Honor",
            "labelSelector": {"matchLabels": selector},
        }
    ]
