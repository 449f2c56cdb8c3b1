"""What pods of the system pool and the other pods say to each other, as rules of their two security groups.

On the system pool pods share the cluster's security group, which EKS makes; the others have one of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place


@dataclass(frozen=True, kw_only=True)
class SystemPoolRulesArgs:
    place: Place
    pod_group_id: pulumi.Input[str]
    cluster_group_id: pulumi.Input[str]
    into_pods: Sequence[int]
    """TCP ports of pods elsewhere that pods of the system pool reach: metrics."""
    out_of_pods: Sequence[int]
    """TCP ports of pods of the system pool that pods elsewhere reach: traces, queries."""


class SystemPoolRules(Component, area="network"):
    """The ways between the two groups, besides that to the Kubernetes API.

    Children: a rule into the pods' group for each of their ports; for each port of the system pool a rule out of the
    pods' group, and one into the cluster's. Out of the cluster's group everything is allowed already
    (Amazon EKS User Guide, "View Amazon EKS security group requirements for clusters").
    """

    def __init__(self, name: str, args: SystemPoolRulesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        pods, cluster = args.pod_group_id, args.cluster_group_id
        for port in args.into_pods:
            self._rule(aws.vpc.SecurityGroupIngressRule, "pods-from-system", pods, cluster, port, "From system pool")
        for port in args.out_of_pods:
            self._rule(aws.vpc.SecurityGroupEgressRule, "pods-to-system", pods, cluster, port, "To system pool")
            self._rule(aws.vpc.SecurityGroupIngressRule, "system-from-pods", cluster, pods, port, "From pods")
        self.finish()

    def _rule(
        self,
        direction: type[aws.vpc.SecurityGroupIngressRule] | type[aws.vpc.SecurityGroupEgressRule],
        label: str,
        group_id: pulumi.Input[str],
        peer_id: pulumi.Input[str],
        port: int,
        description: str,
    ) -> None:
        label = f"{label}-{port}"
        direction(
            self.child_name(label),
            security_group_id=group_id,
            referenced_security_group_id=peer_id,
            description=description,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            region=self.region,
            tags=self.tagged(self.place.names.of(label)),
            opts=self.child(),
        )
