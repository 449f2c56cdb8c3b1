"""A network and its security groups on mocks, and what tests look up in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from components.network.security_groups import SecurityGroups, SecurityGroupsArgs
from components.network.vpc import Network, NetworkArgs
from contract import service
from localcloud.graph import Graph
from tests.support.components import place

REGION = "eu-west-1"
ACCOUNT_ID = "123456789012"
CIDR = "10.0.0.0/16"
ZONES = [f"{REGION}{letter}" for letter in "abc"]
SERVICES = ["ecr.api", "ecr.dkr", "sts", "secretsmanager", "kms", "logs"]
BUCKET_ARN = "arn:aws:s3:::flow-logs"


def network(
    nat_gateways: Literal["single", "per_zone"] = "per_zone", zones: list[str] = ZONES
) -> Callable[[], Network]:
    return lambda: Network(
        "network",
        NetworkArgs(
            place=place(REGION),
            account_id=ACCOUNT_ID,
            cidr=CIDR,
            zones=zones,
            public_prefix_length=24,
            private_prefix_length=20,
            nat_gateways=nat_gateways,
            cluster_name="serveml-test-euw1",
            flow_log_bucket_arn=BUCKET_ARN,
            interface_endpoints=SERVICES,
        ),
    )


def groups(probe_port: int = service.PROBE_PORT, client_cidrs: Sequence[str] = (), tls: bool = True) -> SecurityGroups:
    return SecurityGroups(
        "groups",
        SecurityGroupsArgs(
            place=place(REGION),
            vpc_id="vpc-1",
            vpc_cidr=CIDR,
            cloudfront_prefix_list_id="pl-cloudfront",
            route53_prefix_list_id="pl-route53",
            pod_port=service.HTTP_PORT,
            probe_port=probe_port,
            client_cidrs=client_cidrs,
            tls=tls,
        ),
    )


def rules(graph: Graph, kind: str, group: str) -> list[dict[str, Any]]:
    """Rules of one group, without region, tags and description, by port."""
    group_id = graph.one("SecurityGroup", group).id
    dropped = {"region", "tags", "description", "securityGroupId"}
    return in_order(
        {key: value for key, value in node.inputs.items() if key not in dropped}
        for node in graph.of_type(f"SecurityGroup{kind}Rule")
        if node.inputs["securityGroupId"] == group_id
    )


def in_order(found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda rule: json.dumps(rule, sort_keys=True))
