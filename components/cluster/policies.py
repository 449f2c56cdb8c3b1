"""IAM documents of the cluster's roles, as plain values; those that hold a key's ARN hold it as `pulumi.Input`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from infra import documents

# What EKS Auto Mode needs of the cluster role (EKS User Guide, "Amazon EKS Auto Mode cluster IAM role").
CLUSTER_POLICIES = (
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)

# Join the cluster and pull images, no more: whatever a pod may do, it may do through its own Pod Identity role
# (EKS User Guide, "Amazon EKS Auto Mode node IAM role").
NODE_POLICIES = ("AmazonEKSWorkerNodeMinimalPolicy", "AmazonEC2ContainerRegistryPullOnly")

ADMIN_ACCESS_POLICY_ARN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
NODE_ACCESS_POLICY_ARN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAutoNodePolicy"


def managed_policy_arn(name: str) -> str:
    return f"arn:aws:iam::aws:policy/{name}"


def cluster_arn(*, region: str, account_id: str, cluster_name: str) -> str:
    return f"arn:aws:eks:{region}:{account_id}:cluster/{cluster_name}"


def cluster_trust(account_id: str) -> dict[str, Any]:
    """Trust of the cluster role. Auto Mode tags its session, and its managed policies check those tags."""
    return _trust(
        "eks.amazonaws.com",
        ["sts:AssumeRole", "sts:TagSession"],
        {"StringEquals": {"aws:SourceAccount": account_id}},
    )


def node_trust() -> dict[str, Any]:
    # EC2 takes a role only from an instance profile of the same account, and sends no source to compare with.
    return _trust("ec2.amazonaws.com", ["sts:AssumeRole"], None)


def pod_trust(
    *, account_id: str, cluster_arn: pulumi.Input[str], namespace: str, service_account: str
) -> dict[str, Any]:
    """Trust of a pod's role: one service account, in one namespace, of one cluster.

    The tags are those that Pod Identity puts on every session and a pod cannot change (EKS User Guide, "Grant Pods
    access to AWS resources based on tags"); the cluster's ARN among them stands where aws:SourceArn
    stands for other services.
    """
    return _trust(
        "pods.eks.amazonaws.com",
        ["sts:AssumeRole", "sts:TagSession"],
        {
            "StringEquals": {
                "aws:SourceAccount": account_id,
                "aws:RequestTag/eks-cluster-arn": cluster_arn,
                "aws:RequestTag/kubernetes-namespace": namespace,
                "aws:RequestTag/kubernetes-service-account": service_account,
            }
        },
    )


def cluster_permissions(
    *, region: str, account_id: str, cluster_name: str, key_arn: pulumi.Input[str]
) -> dict[str, Any]:
    """What the cluster role needs beyond AWS's policies: our tags on what Auto Mode makes, our key for its disks."""
    return document([*_tagging(region, account_id, cluster_name), *_disk_encryption(key_arn)])


def document(statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return documents.policy(statements)


def _tagging(region: str, account_id: str, cluster_name: str) -> list[dict[str, Any]]:
    """Auto Mode's managed policies refuse any tag but its own, so a NodeClass with tags starts no node without these.

    EKS User Guide, "Custom AWS tags for EKS Auto resources", narrowed from any resource to the types that get tags, in
    this region and account, and from any cluster to this one. Load balancers are left out: Auto Mode makes none here.
    """
    of_this_cluster = {"aws:RequestTag/eks:eks-cluster-name": cluster_name}
    # The ids of these are not known before they are made, so each type ends in a wildcard.
    resource = f"arn:aws:ec2:{region}:{account_id}"
    return [
        {
            "Sid": "TagNodes",
            "Effect": "Allow",
            "Action": ["ec2:CreateFleet", "ec2:RunInstances", "ec2:CreateLaunchTemplate"],
            "Resource": [
                f"{resource}:fleet/*",
                f"{resource}:instance/*",
                f"{resource}:launch-template/*",
                f"{resource}:network-interface/*",
                f"{resource}:spot-instances-request/*",
                f"{resource}:volume/*",
            ],
            "Condition": {
                "StringEquals": of_this_cluster,
                # Present, whatever the value: only Auto Mode's node controller sets these two.
                "StringLike": {
                    "aws:RequestTag/eks:kubernetes-node-class-name": "*",
                    "aws:RequestTag/eks:kubernetes-node-pool-name": "*",
                },
            },
        },
        {
            "Sid": "TagVolumes",
            "Effect": "Allow",
            "Action": ["ec2:CreateVolume"],
            "Resource": [f"{resource}:volume/*"],
            "Condition": {"StringEquals": of_this_cluster},
        },
        {
            "Sid": "TagNetworkInterfaces",
            "Effect": "Allow",
            "Action": ["ec2:CreateNetworkInterface"],
            "Resource": [f"{resource}:network-interface/*"],
            "Condition": {
                "StringEquals": of_this_cluster,
                "StringLike": {"aws:RequestTag/eks:kubernetes-cni-node-name": "*"},
            },
        },
    ]


def _disk_encryption(key_arn: pulumi.Input[str]) -> list[dict[str, Any]]:
    """EKS User Guide, "Enable EBS Volume Encryption with Customer Managed KMS Keys for EKS Auto Mode"."""
    return [
        {
            "Sid": "UseDiskKey",
            "Effect": "Allow",
            "Action": [
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
                "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
            ],
            "Resource": [key_arn],
        },
        {
            "Sid": "GrantDiskKeyToEc2",
            "Effect": "Allow",
            "Action": ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
            "Resource": [key_arn],
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        },
    ]


def _trust(service: str, actions: Sequence[str], condition: Mapping[str, Any] | None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
    if condition is not None:
        statement["Condition"] = dict(condition)
    return document([statement])
