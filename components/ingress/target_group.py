"""A target group that pods of the cluster join, and the name it can have."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component
from infra import regions
from infra.naming import Names

TARGET_GROUP_MAX = 32
"""Longest name of a target group (ELB API reference, CreateTargetGroup, Name)."""

CLUSTER_TAG = "eks:eks-cluster-name"
"""EKS Auto Mode's own role may register pods only in target groups that carry this tag with the cluster's name
(aws/containers-roadmap, issue 2508)."""


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    port: int
    path: str
    interval_seconds: int
    timeout_seconds: int
    healthy_threshold: int
    unhealthy_threshold: int


def target_group_name(names: Names, role: str) -> str:
    """A logical name that leaves room for the suffix within AWS's 32 characters, unlike one with the whole prefix.

    A target group is replaced while the listener still uses the old one, so its physical name must not be fixed.
    """
    place = regions.code(names.region) if names.region is not None else "global"
    return f"{names.environment}-{place}-{role}"


def pod_target_group(
    component: Component,
    role: str,
    *,
    vpc_id: pulumi.Input[str],
    cluster_name: str,
    pod_port: int,
    deregistration_delay_seconds: int,
    empty_is_healthy: bool,
    health_check: HealthCheck,
) -> aws.lb.TargetGroup:
    """A target group of pod addresses, a child of `component`.

    `empty_is_healthy` keeps the group's health out of DNS: Route 53 otherwise takes a load balancer for unhealthy
    when one of its groups has no healthy target or no target at all (Route 53 API reference, EvaluateTargetHealth).
    """
    return aws.lb.TargetGroup(
        target_group_name(component.place.names, role),
        vpc_id=vpc_id,
        target_type="ip",
        port=pod_port,
        protocol="HTTP",
        protocol_version="HTTP1",
        deregistration_delay=deregistration_delay_seconds,
        # Predictions differ in cost, so a pod gets work by what it still has to do. It rules out a slow start, which
        # the startup probe makes needless: models are loaded before a pod is ready.
        load_balancing_algorithm_type="least_outstanding_requests",
        stickiness=aws.lb.TargetGroupStickinessArgs(type="lb_cookie", enabled=False),
        health_check=aws.lb.TargetGroupHealthCheckArgs(
            enabled=True,
            protocol="HTTP",
            port=str(health_check.port),
            path=health_check.path,
            matcher="200",
            interval=health_check.interval_seconds,
            timeout=health_check.timeout_seconds,
            healthy_threshold=health_check.healthy_threshold,
            unhealthy_threshold=health_check.unhealthy_threshold,
        ),
        target_group_health=aws.lb.TargetGroupTargetGroupHealthArgs(
            dns_failover=aws.lb.TargetGroupTargetGroupHealthDnsFailoverArgs(
                minimum_healthy_targets_count="off" if empty_is_healthy else "1",
                minimum_healthy_targets_percentage="off",
            ),
            unhealthy_state_routing=aws.lb.TargetGroupTargetGroupHealthUnhealthyStateRoutingArgs(
                minimum_healthy_targets_count=1, minimum_healthy_targets_percentage="off"
            ),
        ),
        region=component.region,
        tags=component.tagged(component.place.names.of(role), **{CLUSTER_TAG: cluster_name}),
        opts=component.child(),
    )
