"""The rules as a component: registers the operator's objects and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.observability.rules.catalogue import manifests
from components.observability.rules.limits import Limits
from components.observability.rules.rule import RUNBOOKS


@dataclass(frozen=True, kw_only=True)
class RulesArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespace and the operator's definition of PrometheusRule."""
    limits: Limits
    runbooks: str = RUNBOOKS
    """Address of the folder with the runbooks, for links in notifications; by default their place in the repository."""


class Rules(Component, area="observability"):
    """Recording rules and alerts.

    Children: a PrometheusRule for each subject.
    """

    names: pulumi.Output[list[str]]

    def __init__(self, name: str, args: RulesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        options = self.child(provider=args.provider, deleted_with=args.cluster, depends_on=args.after)
        objects = manifests(args.limits, part_of=self.place.names.project, runbooks=args.runbooks)
        for manifest in objects:
            apply_manifest(self.child_name(manifest["metadata"]["name"]), manifest, options)
        self.names = pulumi.Output.from_input([manifest["metadata"]["name"] for manifest in objects])
        self.finish()
