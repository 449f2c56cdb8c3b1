"""The cluster's namespaces as a component: each fenced in from the start, the serving one with quota and deployers."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.workload import access, isolation, labels, namespaces
from components.workload.labels import Manifest
from components.workload.namespaces import PodSecurity
from infra.capacity import Capacity

_SECURITY = {
    labels.SERVING_NAMESPACE: namespaces.RESTRICTED,
    labels.MONITORING_NAMESPACE: namespaces.RESTRICTED,
    labels.DATA_NAMESPACE: namespaces.BASELINE,
}
_LOGGING = {labels.LOGGING_NAMESPACE: namespaces.PRIVILEGED}


@dataclass(frozen=True, kw_only=True)
class NamespacesArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    quota: Capacity
    """The most that pods of the serving namespace may ask for and use together."""
    gpus: int
    """The most GPUs that pods of the serving namespace may ask for together."""
    logging: bool = True
    """Whether the nodes' log files are read: without a reader, a namespace that lets pods do so is not there."""


class Namespaces(Component, area="workload"):
    """`ml-system`, `monitoring`, `data` and `logging`, and what their pods may take and reach unless told otherwise.

    Children: for each namespace the Namespace with its Pod Security labels, the default-deny NetworkPolicy and the one
    for DNS; in `ml-system` the ResourceQuota, the LimitRange, and the Role and RoleBinding `model-deployer`;
    for the cluster the PriorityClasses `serving` and `gpu`.
    """

    serving_namespace: pulumi.Output[str]
    monitoring_namespace: pulumi.Output[str]
    data_namespace: pulumi.Output[str]

    def __init__(self, name: str, args: NamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        wanted = {**_SECURITY, **(_LOGGING if args.logging else {})}
        spaces = {space: self._namespace(space, security) for space, security in wanted.items()}
        self._serving_rules(spaces[labels.SERVING_NAMESPACE])
        self._priority(namespaces.SERVING_PRIORITY, namespaces.SERVING_PRIORITY_VALUE, "Answers live requests.")
        self._priority(namespaces.GPU_PRIORITY, namespaces.GPU_PRIORITY_VALUE, "Runs on GPU nodes, few and dear.")
        self.serving_namespace = pulumi.Output.from_input(labels.SERVING_NAMESPACE)
        self.monitoring_namespace = pulumi.Output.from_input(labels.MONITORING_NAMESPACE)
        self.data_namespace = pulumi.Output.from_input(labels.DATA_NAMESPACE)
        self.finish()

    def _namespace(self, name: str, security: PodSecurity) -> pulumi.CustomResource:
        manifest = namespaces.namespace(
            name,
            self.place.names.project,
            security,
            readiness_gates=name == labels.SERVING_NAMESPACE,
        )
        space = self._apply(manifest, name)
        self._apply(isolation.default_deny(name), name, "default-deny", within=space)
        self._apply(isolation.allow_dns(name), name, "allow-dns", within=space)
        return space

    def _serving_rules(self, space: pulumi.CustomResource) -> None:
        name = labels.SERVING_NAMESPACE
        rules = {
            "quota": namespaces.resource_quota(name, self._args.quota, self._args.gpus),
            "container-defaults": namespaces.limit_range(name, namespaces.DEFAULT_CONTAINER),
            "model-deployer-role": access.model_deployer_role(),
            "model-deployer-binding": access.model_deployer_binding(),
        }
        for part, manifest in rules.items():
            self._apply(manifest, name, part, within=space)

    def _priority(self, name: str, value: int, description: str) -> None:
        self._apply(namespaces.priority_class(name, value, description), "priority", name)

    def _apply(
        self, manifest: Manifest, *parts: str, within: pulumi.CustomResource | None = None
    ) -> pulumi.CustomResource:
        options = self.child(
            provider=self._args.provider,
            deleted_with=self._args.cluster,
            depends_on=[within] if within else None,
        )
        return apply_manifest(self.child_name(*parts), manifest, options)
