"""The IAM roles of a cluster: what EKS may do in the account, and what nodes may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.cluster import policies


@dataclass(frozen=True, kw_only=True)
class ClusterRolesArgs:
    place: Place
    account_id: str
    cluster_name: str
    disk_key_arn: pulumi.Input[str]


class ClusterRoles(Component, area="cluster"):
    """Roles of the cluster, of its own nodes, and of the nodes of Auto Mode's built-in pools.

    Children: the three roles, the attachments of AWS's managed policies, and one inline policy of the cluster role.

    Nodes of the built-in system pool have a role of their own: EKS makes the access entry of that role itself and
    refuses a second one, while the role that a NodeClass of ours names needs an entry made by us
    (terraform-aws-modules/terraform-aws-eks issue 3241).
    """

    cluster_role_arn: pulumi.Output[str]
    node_role_arn: pulumi.Output[str]
    node_role_name: pulumi.Output[str]
    system_node_role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ClusterRolesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        cluster = self._role(
            "cluster",
            "EKS Auto Mode of the cluster",
            policies.cluster_trust(args.account_id),
            policies.CLUSTER_POLICIES,
        )
        permissions = policies.cluster_permissions(
            region=self.region,
            account_id=args.account_id,
            cluster_name=args.cluster_name,
            key_arn=args.disk_key_arn,
        )
        aws.iam.RolePolicy(
            self.child_name("cluster", "tags-and-disks"),
            name="tags-and-disks",
            role=cluster.name,
            policy=pulumi.Output.json_dumps(permissions),
            opts=self.child(),
        )
        node = self._node_role("node", "Nodes of the program's own pools")
        system = self._node_role("system-node", "Nodes of EKS Auto Mode's built-in system pool")

        self.cluster_role_arn = cluster.arn
        self.node_role_arn = node.arn
        self.node_role_name = node.name
        self.system_node_role_arn = system.arn
        self.finish()

    def _node_role(self, part: str, description: str) -> aws.iam.Role:
        return self._role(part, description, policies.node_trust(), policies.NODE_POLICIES)

    def _role(
        self, part: str, description: str, trust: Mapping[str, Any], managed_policies: Sequence[str]
    ) -> aws.iam.Role:
        name = self.place.names.role(part)
        role = aws.iam.Role(
            self.child_name(part),
            name=name,
            description=description,
            assume_role_policy=pulumi.Output.json_dumps(trust),
            tags=self.tagged(name),
            opts=self.child(),
        )
        for policy in managed_policies:
            aws.iam.RolePolicyAttachment(
                self.child_name(part, policy),
                role=role.name,
                policy_arn=policies.managed_policy_arn(policy),
                opts=self.child(),
            )
        return role
