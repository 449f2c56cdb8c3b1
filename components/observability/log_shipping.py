"""The logs of a cluster's containers as a component: the log group they are kept in, and what takes them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from components.base import Component, Place
from components.kubernetes import apply_manifest
from components.observability import logs
from components.workload.labels import Manifest


@dataclass(frozen=True, kw_only=True)
class LogShippingArgs:
    place: Place
    provider: kubernetes.Provider
    """Where the objects are applied."""
    cluster: pulumi.Resource
    """With it, the objects go: they are not deleted one by one from a cluster that is deleted itself."""
    after: Sequence[pulumi.Resource]
    """What has to stand first: the namespace `logging`, and the Pod Identity association of `fluent-bit`, without which
    its pods start without credentials."""
    log_group_name: str
    """As `logs.log_group_name` makes it: the rights of the pods name it before it stands."""
    retention_days: int
    key_arn: pulumi.Input[str]
    """Encrypts the log group; its policy lets CloudWatch Logs of the region use it."""


class LogShipping(Component, area="observability"):
    """What containers write, kept in CloudWatch Logs.

    Children: the log group; ServiceAccount, ClusterRole and binding to read pods' labels, ConfigMap, Service and
    DaemonSet of Fluent Bit.
    """

    log_group: pulumi.Output[str]

    def __init__(self, name: str, args: LogShippingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        group = aws.cloudwatch.LogGroup(
            self.child_name("group"),
            name=args.log_group_name,
            kms_key_id=args.key_arn,
            retention_in_days=args.retention_days,
            region=self.region,
            tags=self.tagged(args.log_group_name),
            opts=self.child(),
        )
        made: list[pulumi.Resource] = [group]
        for manifest in logs.manifests(region=self.region, log_group=args.log_group_name):
            made.append(self._apply(manifest, after=made))
        self.log_group = group.name
        self.finish()

    def _apply(self, manifest: Manifest, *, after: Sequence[pulumi.Resource]) -> pulumi.CustomResource:
        options = self.child(
            provider=self._args.provider,
            deleted_with=self._args.cluster,
            depends_on=[*self._args.after, *after],
        )
        return apply_manifest(self.child_name(str(manifest["kind"]).lower()), manifest, options)
