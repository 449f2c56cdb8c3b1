"""The serving workload as a component: its pods, how many there are, who reaches them and what they reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.workload import access, autoscaling, binding, configuration, isolation, labels
from components.workload.autoscaling import Scaling
from components.workload.configuration import ServerSettings
from components.workload.deployment import deployment, rollout_seconds
from components.workload.errors import InvalidWorkload
from components.workload.isolation import Neighbours
from components.workload.labels import Manifest, Track
from components.workload.pods import ServingPod
from infra.capacity import ContainerSize


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespaces, for a start. Without the listener that uses the target groups, readiness
    gates stay shut; without the Pod Identity association, pods start without credentials."""
    image: str
    """The stable image, by digest."""
    canary_image: str | None
    """A second image, by digest, while it is tried."""
    canary_replicas: int
    """Pods of the canary image, while there is one."""
    settings: ServerSettings
    size: ContainerSize
    scaling: Scaling
    neighbours: Neighbours
    zones: int
    """Availability zones that the nodes may lie in."""
    stable_target_group_arn: pulumi.Input[str]
    canary_target_group_arn: pulumi.Input[str]
    startup_seconds: int = 180
    """How long the first model may take to be fetched, verified and loaded before the pod is started anew."""
    model_cache_mib: int = 1024
    """Room for model files on the node: the live versions, and one more while it is fetched."""
    await_rollout: bool = True
    """Whether an update waits until the pods are ready, and fails if they never are. False for an environment whose
    bucket holds no model yet: its pods turn ready with the first one that is published."""


class Workload(Component, area="workload"):
    """The inference server in `ml-system`.

    Children: ServiceAccount, ConfigMap, a NetworkPolicy for each flow; for each track, stable and canary, a Service and
    a TargetGroupBinding; the stable Deployment with HorizontalPodAutoscaler and PodDisruptionBudget; the canary
    Deployment while there is a canary image.
    """

    namespace: pulumi.Output[str]
    service_account: pulumi.Output[str]
    stable_deployment: pulumi.Output[str]
    autoscaler: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        if args.canary_image is not None and args.canary_replicas < 1:
            raise InvalidWorkload(f"a canary of {args.canary_replicas} pods serves nothing: give 1 or more")
        pod = self._pod(args)
        variables = configuration.environment(args.settings, self.region)
        config_map = self._apply(configuration.config_map(variables), "configuration")
        prepared = [config_map, self._apply(access.service_account(), "service-account"), *self._policies()]
        # The readiness gate is added to a pod when it is made, and only if a binding selects it by then.
        prepared += [
            self._bound("stable", args.stable_target_group_arn),
            self._bound("canary", args.canary_target_group_arn),
        ]
        checksum = pulumi.Output.all(**variables).apply(configuration.checksum)

        self._deployment("stable", pod, None, args.scaling.replicas_max, checksum, prepared)
        if args.canary_image is not None:
            canary = replace(pod, image=args.canary_image)
            self._deployment("canary", canary, args.canary_replicas, args.canary_replicas, checksum, prepared)
        self._apply(autoscaling.autoscaler(args.scaling), "autoscaler")
        self._apply(autoscaling.disruption_budget(args.scaling), "disruption-budget")

        self.namespace = pulumi.Output.from_input(labels.SERVING_NAMESPACE)
        self.service_account = pulumi.Output.from_input(labels.SERVICE_ACCOUNT)
        self.stable_deployment = pulumi.Output.from_input(labels.track_name("stable"))
        self.autoscaler = pulumi.Output.from_input(labels.track_name("stable"))
        self.finish()

    @staticmethod
    def _pod(args: WorkloadArgs) -> ServingPod:
        return ServingPod(
            image=args.image,
            size=args.size,
            zones=args.zones,
            drain_seconds=args.settings.drain_seconds,
            startup_seconds=args.startup_seconds,
            model_cache_mib=args.model_cache_mib,
            grpc=args.settings.grpc,
        )

    def _policies(self) -> list[pulumi.CustomResource]:
        manifests = isolation.serving_policies(self._args.neighbours, grpc=self._args.settings.grpc)
        return [self._apply(manifest, manifest["metadata"]["name"]) for manifest in manifests]

    def _bound(self, track: Track, target_group_arn: pulumi.Input[str]) -> pulumi.CustomResource:
        service = self._apply(binding.track_service(track, grpc=self._args.settings.grpc), track, "service")
        return self._apply(binding.target_group_binding(track, target_group_arn), track, "binding", after=[service])

    def _deployment(
        self,
        track: Track,
        pod: ServingPod,
        replicas: int | None,
        replicas_max: int,
        checksum: pulumi.Output[str],
        after: Sequence[pulumi.Resource],
    ) -> None:
        manifest = deployment(
            track,
            pod,
            replicas=replicas,
            configuration_sha256=checksum,
            await_rollout=self._args.await_rollout,
        )
        limit = f"{rollout_seconds(pod, replicas_max)}s"
        timeouts = pulumi.CustomTimeouts(create=limit, update=limit)
        self._apply(manifest, track, after=after, timeouts=timeouts)

    def _apply(
        self,
        manifest: Manifest,
        *parts: str,
        after: Sequence[pulumi.Resource] = (),
        timeouts: pulumi.CustomTimeouts | None = None,
    ) -> pulumi.CustomResource:
        options = self.child(
            provider=self._args.provider,
            deleted_with=self._args.cluster,
            depends_on=[*self._args.after, *after],
            custom_timeouts=timeouts,
        )
        return apply_manifest(self.child_name(*parts), manifest, options)
