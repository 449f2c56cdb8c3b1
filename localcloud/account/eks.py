"""Clusters. moto has their control plane's record only: entries, add-ons and associations are synthesised."""

from __future__ import annotations

from typing import Any

from localcloud.account.clients import Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration


@creates("aws:eks/cluster:Cluster")
def cluster(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    logged = r.inputs.get("enabledClusterLogTypes", [])
    values = {
        **inputs(r, "name", "vpcConfig", "enabledClusterLogTypes", "defaultAddonsToRemoves", "forceUpdateVersion"),
        "name": name,
        "resourcesVpcConfig": r.inputs["vpcConfig"],
        "logging": {"clusterLogging": [{"types": logged, "enabled": True}]} if logged else None,
    }
    made = send(clients.of("eks", r), "create_cluster", values)["cluster"]
    group = _cluster_security_group(clients, r, name)
    return Created(
        name,
        {
            "name": name,
            "arn": made["arn"],
            "endpoint": made["endpoint"],
            "status": made["status"],
            "platformVersion": made.get("platformVersion", ""),
            "version": made["version"],
            "certificateAuthority": {"data": made["certificateAuthority"]["data"]},
            "identities": [{"oidcs": [{"issuer": made["identity"]["oidc"]["issuer"]}]}],
            "vpcConfig": {**r.inputs["vpcConfig"], **group},
        },
    )


def _cluster_security_group(clients: Clients, r: Registration, cluster_name: str) -> dict[str, Any]:
    """EKS makes a group for the cluster in the VPC of its subnets; moto does not, and rules refer to it."""
    ec2 = clients.of("ec2", r)
    subnets = ec2.describe_subnets(SubnetIds=r.inputs["vpcConfig"]["subnetIds"])["Subnets"]
    vpc_id = subnets[0]["VpcId"]
    made = send(
        ec2,
        "create_security_group",
        {
            "groupName": f"eks-cluster-sg-{cluster_name}",
            "description": "EKS created security group applied to the control plane and the nodes",
            "vpcId": vpc_id,
        },
    )
    return {"vpcId": vpc_id, "clusterSecurityGroupId": made["GroupId"]}
