"""The canary controller as a component: canaries go on in the cluster, whoever began them and has gone home."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.controller import manifests, names
from components.controller.errors import InvalidController
from components.controller.manifests import ControllerPod
from components.kubernetes import apply_manifest
from components.workload.labels import Manifest


@dataclass(frozen=True, kw_only=True)
class CanaryControllerArgs:
    place: Place
    """Of the region that writes deployments: one controller there is enough for all regions."""
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespaces with their policies, Prometheus with its kinds of objects, and the
    Pod Identity association, without which pods start without credentials."""
    image: str
    """By digest."""
    environment: str
    outputs: Mapping[str, Any]
    """Of the stack's outputs those that `ops.platform.Outputs` reads, by its names; values may be Inputs. `alarm_topic`
    lies in the place's region, where its notices are published."""
    prometheus_url: pulumi.Input[str]
    """Where the pods' metrics are gathered, inside the cluster."""
    log_level: str
    replicas: int
    zones: int
    """Availability zones that the nodes may lie in."""
    slack_secret: str | None = None
    """A Secret in `monitoring` whose entry `url` holds a Slack webhook; it need not be there yet."""

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise InvalidController(f"{self.replicas} replicas drive no canary: give 1 or more")


class CanaryController(Component, area="controller"):
    """`canary-controller` in `monitoring`, whose network policies come from the list of flows.

    Children: ServiceAccount, ConfigMap, Service, Deployment, ServiceMonitor; a PodDisruptionBudget where
    there are several replicas.
    """

    service_account: pulumi.Output[str]

    def __init__(self, name: str, args: CanaryControllerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        pod = ControllerPod(
            image=args.image,
            environment=args.environment,
            prometheus_url=args.prometheus_url,
            log_level=args.log_level,
            replicas=args.replicas,
            zones=args.zones,
            slack_secret=args.slack_secret,
        )
        super().__init__(name, args.place, opts)
        self._args = args
        outputs = pulumi.Output.json_dumps(args.outputs, sort_keys=True)
        prepared = [
            self._apply(manifests.account(), "service-account"),
            self._apply(manifests.config_map(outputs), "outputs"),
        ]
        self._apply(manifests.service(), "service")
        self._apply(manifests.deployment(pod, outputs), "deployment", after=prepared)
        if args.replicas > 1:
            self._apply(manifests.disruption_budget(), "disruption-budget")
        self._apply(manifests.service_monitor(self.place.names.project), "service-monitor")
        self.service_account = pulumi.Output.from_input(names.NAME)
        self.finish()

    def _apply(self, manifest: Manifest, part: str, after: Sequence[pulumi.Resource] = ()) -> pulumi.CustomResource:
        options = self.child(
            provider=self._args.provider,
            deleted_with=self._args.cluster,
            depends_on=[*self._args.after, *after],
        )
        return apply_manifest(self.child_name(part), manifest, options)
