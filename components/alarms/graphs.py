"""Which graphs show a region and the edge: what callers get first, then what serves them, then what it stands on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from components.alarms import (
    control_plane,
    distribution,
    load_balancer,
    nat_gateway,
    replication,
    table,
    target_group,
    web_acl,
)
from components.alarms.control_plane import ClusterFacts
from components.alarms.distribution import DistributionFacts
from components.alarms.facts import Facts
from components.alarms.load_balancer import LoadBalancerFacts
from components.alarms.metrics import MINUTE_SECONDS, share_percent
from components.alarms.objectives import Objectives
from components.alarms.widgets import Graph, Line

PROMISED = "promised"


def graphs_of(facts: Facts) -> Iterator[Graph]:
    """A graph for each kind of resource that there is, with a line for each resource."""
    if facts.distribution is not None:
        yield from _distribution(facts.distribution, facts.objectives)
    if facts.load_balancer is not None:
        yield from _load_balancer(facts.load_balancer, facts.objectives)
    if facts.target_groups:
        yield _target_groups(facts)
    if facts.web_acls:
        yield _web_acls(facts)
    if facts.tables:
        yield from _tables(facts)
    if facts.copied_to_here:
        yield from _copies(facts)
    if facts.copied_from_here:
        lines = [Line(label=rule.role, figure=replication.failed(rule)) for rule in facts.copied_from_here]
        yield Graph(title="Bucket copies that failed", unit="operations", lines=lines, limits={})
    if facts.nat_gateways:
        yield from _nat_gateways(facts)
    if facts.cluster is not None:
        yield from _cluster(facts.cluster, facts.objectives)


def _distribution(facts: DistributionFacts, objectives: Objectives) -> Iterator[Graph]:
    requests = distribution.metric(facts, "Requests", "Sum")
    yield Graph(
        title="Requests at the edge",
        unit="requests a minute",
        lines=[Line(label="requests", figure=requests)],
        limits={},
    )
    yield Graph(
        title="Errors at the edge",
        unit="percent",
        lines=[
            Line(label="5xx", figure=distribution.error_percent(facts)),
            Line(label="4xx", figure=distribution.metric(facts, "4xxErrorRate", "Average")),
        ],
        limits={f"5xx, {PROMISED}": objectives.error_percent},
    )


def _load_balancer(facts: LoadBalancerFacts, objectives: Objectives) -> Iterator[Graph]:
    metric = partial(load_balancer.metric, facts)
    requests, target_errors = load_balancer.requests(facts), metric("HTTPCode_Target_5XX_Count", "Sum")
    yield Graph(title="Requests", unit="requests a minute", lines=[Line(label="requests", figure=requests)], limits={})
    yield Graph(
        title="Share of errors",
        unit="percent",
        lines=[Line(label="5xx of pods", figure=share_percent(target_errors, requests))],
        limits={PROMISED: objectives.error_percent},
    )
    yield Graph(
        title="Errors",
        unit="responses a minute",
        lines=[
            Line(label="5xx of the load balancer", figure=metric("HTTPCode_ELB_5XX_Count", "Sum")),
            Line(label="5xx of pods", figure=target_errors),
            Line(label="4xx of pods", figure=metric("HTTPCode_Target_4XX_Count", "Sum")),
        ],
        limits={},
    )
    yield Graph(
        title="Response time",
        unit="seconds",
        lines=[Line(label=each, figure=metric("TargetResponseTime", each)) for each in ("p50", "p95", "p99")],
        limits={f"p95, {PROMISED}": objectives.p95_seconds, f"p99, {PROMISED}": objectives.p99_seconds},
    )
    yield Graph(
        title="Connections",
        unit="connections",
        lines=[
            Line(label="active", figure=metric("ActiveConnectionCount", "Sum")),
            Line(label="rejected", figure=metric("RejectedConnectionCount", "Sum")),
        ],
        limits={},
    )


def _target_groups(facts: Facts) -> Graph:
    lines = [
        line
        for group in facts.target_groups
        for line in (
            Line(label=f"{group.role}, healthy", figure=target_group.healthy(group)),
            Line(label=f"{group.role}, unhealthy", figure=target_group.unhealthy(group)),
        )
    ]
    least = {f"{group.role}, least": float(group.healthy_min) for group in facts.target_groups if group.healthy_min}
    return Graph(title="Pods behind the load balancer", unit="pods", lines=lines, limits=least)


def _web_acls(facts: Facts) -> Graph:
    lines = [
        Line(label=f"{acl.role}, {what}", figure=web_acl.metric(acl, metric))
        for acl in facts.web_acls
        for what, metric in (("allowed", "AllowedRequests"), ("blocked", "BlockedRequests"))
    ]
    return Graph(
        title="Web ACL",
        unit=f"requests in {web_acl.WINDOW_MINUTES} minutes",
        lines=lines,
        limits={},
        period_seconds=web_acl.WINDOW_MINUTES * MINUTE_SECONDS,
    )


def _tables(facts: Facts) -> Iterator[Graph]:
    throttles = [
        Line(label=", ".join(filter(None, (one.role, index, access))), figure=table.throttles(one, access, index))
        for one in facts.tables
        for index in (None, *one.indexes)
        for access in table.ACCESSES
    ]
    yield Graph(title="Throttled by DynamoDB", unit="events a minute", lines=throttles, limits={})
    latencies = [
        Line(label=f"{one.role} to {region}", figure=table.replication_latency(one, region))
        for one in facts.tables
        for region in one.copied_to
    ]
    if latencies:
        worst = facts.objectives.recovery_point_seconds * table.MILLISECONDS
        yield Graph(
            title="Tables: way to the copy", unit="milliseconds", lines=latencies, limits={"recovery point": worst}
        )
    yield Graph(
        title="Mistaken requests to DynamoDB, of the whole account",
        unit="requests a minute",
        lines=[Line(label="requests", figure=table.user_errors())],
        limits={},
    )


def _copies(facts: Facts) -> Iterator[Graph]:
    yield Graph(
        title="Bucket copies: behind the other region",
        unit="seconds",
        lines=[Line(label=rule.role, figure=replication.latency(rule)) for rule in facts.copied_to_here],
        limits={"recovery point": facts.objectives.recovery_point_seconds},
    )
    yield Graph(
        title="Bucket copies: waiting",
        unit="bytes",
        lines=[Line(label=rule.role, figure=replication.pending(rule)) for rule in facts.copied_to_here],
        limits={},
    )


def _nat_gateways(facts: Facts) -> Iterator[Graph]:
    ports = [Line(label=nat.zone, figure=nat_gateway.port_errors(nat)) for nat in facts.nat_gateways]
    yield Graph(title="NAT gateways: no port left", unit="errors a minute", lines=ports, limits={})
    drops = [Line(label=nat.zone, figure=nat_gateway.dropped_percent(nat)) for nat in facts.nat_gateways]
    yield Graph(
        title="NAT gateways: packets dropped",
        unit="percent",
        lines=drops,
        limits={"alarm": nat_gateway.DROPPED_MAX_PERCENT},
    )


def _cluster(facts: ClusterFacts, objectives: Objectives) -> Iterator[Graph]:
    yield Graph(
        title="Kubernetes API: share of errors",
        unit="percent",
        lines=[Line(label="5xx", figure=control_plane.failed_percent(facts))],
        limits={"alarm": objectives.error_percent},
    )
    yield Graph(
        title="Pods without a node",
        unit="pods",
        lines=[Line(label="unschedulable", figure=control_plane.unschedulable(facts))],
        limits={},
    )
