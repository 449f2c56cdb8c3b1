"""The AWS rights of one Kubernetes service account, by EKS Pod Identity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.cluster.policies import cluster_arn, document, pod_trust


@dataclass(frozen=True, kw_only=True)
class PodIdentityArgs:
    place: Place
    account_id: str
    cluster_name: pulumi.Input[str]
    namespace: str
    service_account: str
    statements: Sequence[Mapping[str, Any]]
    """IAM statements of what the pods may do; their values may be Inputs."""


class PodIdentity(Component, area="cluster"):
    """A role for the pods of one service account. The service account itself carries no annotation.

    Children: the role with its inline policy, and the Pod Identity association.
    """

    role_arn: pulumi.Output[str]
    role_name: pulumi.Output[str]

    def __init__(self, name: str, args: PodIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        if not args.statements:
            raise ValueError(
                f"the pod identity of {args.namespace}/{args.service_account} has no statements: "
                "give what its pods may do, or leave the identity out"
            )
        role_name = args.place.names.role(args.namespace, args.service_account)
        trust = pod_trust(
            account_id=args.account_id,
            cluster_arn=pulumi.Output.from_input(args.cluster_name).apply(
                lambda cluster_name: cluster_arn(
                    region=self.region, account_id=args.account_id, cluster_name=cluster_name
                )
            ),
            namespace=args.namespace,
            service_account=args.service_account,
        )
        role = aws.iam.Role(
            self.child_name("role"),
            name=role_name,
            description=f"Pods of the service account {args.namespace}/{args.service_account}",
            assume_role_policy=pulumi.Output.json_dumps(trust),
            tags=self.tagged(role_name),
            opts=self.child(),
        )
        policy = aws.iam.RolePolicy(
            self.child_name("policy"),
            name="pod",
            role=role.name,
            policy=pulumi.Output.json_dumps(document(args.statements)),
            opts=self.child(),
        )
        aws.eks.PodIdentityAssociation(
            self.child_name("association"),
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=args.service_account,
            role_arn=role.arn,
            region=self.region,
            tags=self.tagged(role_name),
            # A pod that starts the moment the association exists finds its rights in place.
            opts=self.child(depends_on=[policy]),
        )
        self.role_arn = role.arn
        self.role_name = role.name
        self.finish()
