"""The metrics adapter as a component: without it the autoscaler knows CPU and memory alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.autoscaling import access, adapter
from components.autoscaling.names import GROUP
from components.autoscaling.rule import InvalidRule
from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.workload.labels import Manifest


@dataclass(frozen=True, kw_only=True)
class MetricsAdapterArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespaces and their policies. Prometheus need not: until it answers there is no
    metric."""
    image: str
    """prometheus-adapter v0.12.0, by digest."""
    replicas: int
    prometheus_url: str
    """Where Prometheus answers inside the cluster, such as `http://prometheus.monitoring.svc:9090`."""
    scrape_interval_seconds: int
    """How often Prometheus reads the serving pods' metrics."""


class MetricsAdapter(Component, area="autoscaling"):
    """prometheus-adapter, which tells the autoscaler the requests per second of each serving pod.

    Children: ServiceAccount; Role and RoleBinding to list serving pods; bindings that let it ask the API server who
    calls; ConfigMap, Deployment, Service, APIService; a PodDisruptionBudget where there are two pods or more.
    """

    api_group: pulumi.Output[str]

    def __init__(self, name: str, args: MetricsAdapterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        if args.replicas < 1:
            raise InvalidRule(f"{args.replicas} pods of the metrics adapter answer nothing: give 1 or more")
        configuration = adapter.config_map(args.scrape_interval_seconds)
        prepared = [
            self._apply(access.service_account(), "service-account"),
            self._apply(configuration, "configuration"),
            *(self._apply(manifest, part) for part, manifest in access.rights().items()),
        ]
        pods = self._apply(
            adapter.deployment(args.image, args.replicas, args.prometheus_url, configuration), "pods", after=prepared
        )
        if args.replicas > 1:
            self._apply(adapter.disruption_budget(), "disruption-budget")
        service = self._apply(adapter.service(), "service")
        # An API whose server does not answer slows down whatever asks which APIs there are: registered last.
        self._apply(adapter.api_service(), "api", after=[pods, service])
        self.api_group = pulumi.Output.from_input(GROUP)
        self.finish()

    def _apply(self, manifest: Manifest, *parts: str, after: Sequence[pulumi.Resource] = ()) -> pulumi.CustomResource:
        options = self.child(
            provider=self._args.provider,
            deleted_with=self._args.cluster,
            depends_on=[*self._args.after, *after],
        )
        return apply_manifest(self.child_name(*parts), manifest, options)
