"""The metrics of a cluster as a component: what gathers them, keeps them, and notifies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.observability import (
    alertmanager,
    crds,
    monitors,
    names,
    operator,
    prometheus,
    routing,
    state_metrics,
    storage,
)
from components.workload.labels import Manifest

Level = Literal["basic", "full"]

_REPLICAS: dict[Level, int] = {"basic": 1, "full": 2}


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespaces `monitoring`, `logging` and `ml-system`, and Alertmanager's Pod Identity
    association, without which its pods start without credentials."""
    level: Level
    """One Prometheus and one Alertmanager, or two of each."""
    environment: str
    """A label of every alert."""
    zones: int
    """Availability zones that the nodes may lie in."""
    retention_days: int
    storage_gib: int
    """Of the volume of each Prometheus."""
    storage_key_arn: pulumi.Input[str]
    """Encrypts the volumes."""
    topic_arn: pulumi.Input[str]
    """Where alerts are published: a topic in the component's region."""


class Monitoring(Component, area="observability"):
    """Prometheus, Alertmanager and kube-state-metrics in `monitoring`, and the operator that runs the first two.

    Children: the StorageClass; a CustomResourceDefinition for each kind of the operator; the objects of the operator,
    of Prometheus, of Alertmanager and of kube-state-metrics; a ServiceMonitor for each scraped application.
    """

    prometheus_url: pulumi.Output[str]
    """Inside the cluster."""
    alertmanager_url: pulumi.Output[str]
    """Inside the cluster."""
    storage_class: pulumi.Output[str]

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        self._definitions = [
            self._apply(definition, "crd", crds.plural(definition))
            for definition in crds.definitions(crds.PROMETHEUS_OPERATOR)
        ]
        volumes = self._apply(storage.storage_class(args.storage_key_arn), "storage-class")
        running = self._group(operator.manifests(), after=self._definitions)[-1]

        # The operator stands first, so that what it is to make is made when it is asked for; and last it goes.
        ready = [running, volumes]
        self._group(prometheus.manifests(self._prometheus()), after=ready)
        self._group(self._alertmanager(), after=ready)
        self._group(state_metrics.manifests())
        self._group(monitors.service_monitors(self.place.names.project), after=self._definitions)

        self.prometheus_url = _url(names.PROMETHEUS, names.PROMETHEUS_PORT)
        self.alertmanager_url = _url(names.ALERTMANAGER, names.ALERTMANAGER_PORT)
        self.storage_class = pulumi.Output.from_input(storage.STORAGE_CLASS)
        self.finish()

    @property
    def definitions(self) -> Sequence[pulumi.Resource]:
        """What has to stand before a PrometheusRule or a ServiceMonitor can be made."""
        return tuple(self._definitions)

    def _prometheus(self) -> prometheus.Prometheus:
        args = self._args
        return prometheus.Prometheus(
            replicas=_REPLICAS[args.level],
            retention_days=args.retention_days,
            storage_gib=args.storage_gib,
            zones=args.zones,
            region=self.region,
            environment=args.environment,
            part_of=self.place.names.project,
        )

    def _alertmanager(self) -> list[Manifest]:
        args = self._args
        wanted = alertmanager.Alertmanager(replicas=_REPLICAS[args.level], zones=args.zones)
        configuration = pulumi.Output.from_input(args.topic_arn).apply(
            lambda topic_arn: routing.written(topic_arn, self.region)
        )
        return alertmanager.manifests(wanted, configuration)

    def _group(
        self, manifests: Sequence[Manifest], after: Sequence[pulumi.Resource] = ()
    ) -> list[pulumi.CustomResource]:
        """The objects of one application, each after those before it."""
        made: list[pulumi.CustomResource] = []
        for manifest in manifests:
            made.append(self._apply(manifest, *_parts(manifest), after=[*after, *made]))
        return made

    def _apply(self, manifest: Manifest, *parts: str, after: Sequence[pulumi.Resource] = ()) -> pulumi.CustomResource:
        options = self.child(
            provider=self._args.provider,
            deleted_with=self._args.cluster,
            depends_on=[*self._args.after, *after],
        )
        return apply_manifest(self.child_name(*parts), manifest, options)


def _parts(manifest: Manifest) -> list[str]:
    """`prometheus-role-ml-system`: told apart by kind, and by namespace where it is not the usual one."""
    metadata = manifest["metadata"]
    namespace = metadata.get("namespace", names.NAMESPACE)
    elsewhere = [] if namespace == names.NAMESPACE else [namespace]
    return [metadata["name"], str(manifest["kind"]).lower(), *elsewhere]


def _url(name: str, port: int) -> pulumi.Output[str]:
    return pulumi.Output.from_input(f"http://{names.service_host(name)}:{port}")
