"""A region in which everything exists, and an edge: what the tests derive alarms from."""

from __future__ import annotations

from components.alarms.certificate import CertificateFacts
from components.alarms.control_plane import ClusterFacts
from components.alarms.distribution import DistributionFacts
from components.alarms.facts import Facts
from components.alarms.load_balancer import LoadBalancerFacts
from components.alarms.nat_gateway import NatGatewayFacts
from components.alarms.replication import ReplicationFacts
from components.alarms.table import TableFacts
from components.alarms.target_group import TargetGroupFacts
from components.alarms.web_acl import WebAclFacts

ACCOUNT = "123456789012"
REGION = "eu-west-1"
OTHER_REGION = "eu-central-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"

LOAD_BALANCER = LoadBalancerFacts(arn_suffix="app/serveml/1")


def target_group(role: str, healthy_min: int) -> TargetGroupFacts:
    return TargetGroupFacts(
        role=role,
        arn_suffix=f"targetgroup/{role}/1",
        load_balancer_arn_suffix=LOAD_BALANCER.arn_suffix,
        healthy_min=healthy_min,
    )


def table(role: str) -> TableFacts:
    return TableFacts(role=role, name=f"serveml-test-{role}", indexes=["by-status"], copied_to=[OTHER_REGION])


def nat_gateway(zone: str) -> NatGatewayFacts:
    return NatGatewayFacts(zone=zone, gateway_id=f"nat-{zone}")


def replication(role: str) -> ReplicationFacts:
    return ReplicationFacts(role=role, source_bucket=f"{role}-1", destination_bucket=f"{role}-2", rule_id=role)


def web_acl(role: str, region: str | None) -> WebAclFacts:
    return WebAclFacts(role=role, metric_name=f"serveml-{role}", region=region, rate_limit_per_5_minutes=2000)


EVERYTHING = Facts(
    load_balancer=LOAD_BALANCER,
    target_groups=[target_group("stable", 3), target_group("canary", 0)],
    tables=[table("deployments"), table("api-keys")],
    copied_from_here=[replication("models")],
    copied_to_here=[replication("datasets")],
    nat_gateways=[nat_gateway("eu-west-1a"), nat_gateway("eu-west-1b")],
    certificates=[CertificateFacts(role="ingress", arn=f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1")],
    cluster=ClusterFacts(name="serveml-test-euw1-cluster"),
    web_acls=[web_acl("ingress", REGION)],
)

EDGE = Facts(
    distribution=DistributionFacts(distribution_id="E1"),
    certificates=[CertificateFacts(role="edge", arn=f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/2")],
    web_acls=[web_acl("edge", None)],
)
