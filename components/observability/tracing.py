"""The traces of a cluster's requests as a component: what takes the pods' spans and hands them to X-Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.observability import collector, names, traces
from components.workload.labels import Manifest


@dataclass(frozen=True, kw_only=True)
class TracingArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespace `monitoring`, and the Pod Identity association of `otel-collector`,
    without which its pods start without credentials."""
    replicas: int
    zones: int
    """Availability zones that the nodes may lie in."""
    log_group_name: str
    """Where X-Ray's console leads from a trace to its log lines."""


class Tracing(Component, area="observability"):
    """The OpenTelemetry collector.

    Children: ServiceAccount, ConfigMap, Service and Deployment; a PodDisruptionBudget where there are two pods or more.
    """

    endpoint: pulumi.Output[str]
    """Inside the cluster, for OTLP over HTTP."""

    def __init__(self, name: str, args: TracingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        wanted = traces.Collector(
            replicas=args.replicas, zones=args.zones, region=self.region, log_group=args.log_group_name
        )
        made: list[pulumi.Resource] = []
        for manifest in traces.manifests(wanted):
            made.append(self._apply(manifest, after=made))
        self.endpoint = pulumi.Output.from_input(f"http://{names.service_host(names.TRACES)}:{collector.HTTP_PORT}")
        self.finish()

    def _apply(self, manifest: Manifest, *, after: Sequence[pulumi.Resource]) -> pulumi.CustomResource:
        options = self.child(
            provider=self._args.provider,
            deleted_with=self._args.cluster,
            depends_on=[*self._args.after, *after],
        )
        return apply_manifest(self.child_name(str(manifest["kind"]).lower()), manifest, options)
