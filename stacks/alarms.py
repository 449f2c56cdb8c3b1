"""What AWS measures of the platform: which resources there are to watch, who is told, and the dashboard of it all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pulumi

from components.alarms.alarms import Alarms, AlarmsArgs
from components.alarms.certificate import CertificateFacts
from components.alarms.control_plane import ClusterFacts
from components.alarms.dashboard import Column, Dashboard, DashboardArgs
from components.alarms.distribution import DistributionFacts
from components.alarms.facts import Facts
from components.alarms.load_balancer import LoadBalancerFacts
from components.alarms.nat_gateway import NatGatewayFacts
from components.alarms.replication import ReplicationFacts
from components.alarms.table import TableFacts
from components.alarms.target_group import TargetGroupFacts
from components.alarms.web_acl import WebAclFacts
from components.base import Place
from components.edge.edge import Edge
from contract import access, registry
from infra.regions import GLOBAL_REGION
from infra.settings import Settings
from stacks.places import place_of
from stacks.region import DataLayer, ServingLayer

EDGE = "edge"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """All that has been made, by region where it is regional."""

    data: Mapping[str, DataLayer]
    serving: Mapping[str, ServingLayer]
    deployments_table: pulumi.Output[str]
    api_keys_table: pulumi.Output[str]
    replication_rule: pulumi.Output[str] | None
    """Of the models, from the primary region to the secondary; None with one region."""
    certificates: Mapping[str, pulumi.Output[str]]
    edge: Edge | None
    edge_certificate: pulumi.Output[str] | None
    global_topic_arn: pulumi.Output[str]
    """A topic in us-east-1."""


def build_alarms(settings: Settings, shared: Place, watched: Watched) -> Dashboard:
    """Make every region's alarms, the edge's, and the dashboard."""
    columns = [_region(settings, watched, region) for region in settings.regions]
    edge = _edge(settings, replace(shared, region=GLOBAL_REGION), watched)
    args = DashboardArgs(place=shared, columns=columns, edge=edge if watched.edge else None)
    return Dashboard(shared.names.of("dashboard"), args)


def _region(settings: Settings, watched: Watched, region: str) -> Column:
    facts = _regional_facts(settings, watched, region)
    return _alarms(settings, place_of(settings, region), watched.data[region].alarm_topic.topic_arn, region, facts)


def _edge(settings: Settings, place: Place, watched: Watched) -> Column:
    """What lies before the regions. Without an edge it measures nothing, and still tells of the health checks."""
    facts = Facts()
    if watched.edge is not None:
        certificate = watched.edge_certificate
        facts = Facts(
            distribution=DistributionFacts(distribution_id=watched.edge.distribution_id),
            certificates=[CertificateFacts(role=EDGE, arn=certificate)] if certificate is not None else [],
            web_acls=[
                WebAclFacts(
                    role=EDGE,
                    metric_name=watched.edge.web_acl_metric_name,
                    region=None,
                    rate_limit_per_5_minutes=settings.edge.rate_limit_per_5_minutes,
                )
            ],
        )
    return _alarms(settings, place, watched.global_topic_arn, EDGE, facts)


def _alarms(settings: Settings, place: Place, topic_arn: pulumi.Input[str], title: str, facts: Facts) -> Column:
    alarms = Alarms(
        place.names.of("alarms"),
        AlarmsArgs(place=place, topic_arn=topic_arn, facts=facts, emails=settings.observability.alarm_emails),
    )
    return Column(title=title, region=place.region, facts=facts, alarm_arns=list(alarms.alarm_arns.values()))


def _regional_facts(settings: Settings, watched: Watched, region: str) -> Facts:
    layer = watched.serving[region]
    ingress = layer.ingress
    certificate = watched.certificates.get(region)
    copies = list(_copies(settings, watched))
    is_primary = region == settings.pair.primary
    return Facts(
        load_balancer=LoadBalancerFacts(arn_suffix=ingress.load_balancer_arn_suffix),
        target_groups=list(_target_groups(settings, layer)),
        tables=list(_tables(settings, watched, region)),
        copied_from_here=copies if is_primary else [],
        copied_to_here=[] if is_primary else copies,
        nat_gateways=[
            NatGatewayFacts(zone=zone, gateway_id=nat) for zone, nat in layer.network.nat_gateway_ids.items()
        ],
        certificates=[CertificateFacts(role="ingress", arn=certificate)] if certificate is not None else [],
        cluster=ClusterFacts(name=layer.cluster.cluster_name),
        web_acls=[
            WebAclFacts(
                role="ingress",
                metric_name=ingress.web_acl_metric_name,
                region=region,
                rate_limit_per_5_minutes=settings.ingress.rate_limit_per_5_minutes,
            )
        ],
    )


def _target_groups(settings: Settings, layer: ServingLayer) -> Iterator[TargetGroupFacts]:
    """Without an image no pod is expected."""
    least = settings.workload.autoscaling.replicas_min if settings.image is not None else 0
    ingress = layer.ingress
    for role, arn_suffix, healthy_min in (
        ("stable", ingress.stable_target_group_arn_suffix, least),
        ("canary", ingress.canary_target_group_arn_suffix, 0),
    ):
        yield TargetGroupFacts(
            role=role,
            arn_suffix=arn_suffix,
            load_balancer_arn_suffix=ingress.load_balancer_arn_suffix,
            healthy_min=healthy_min,
        )


def _tables(settings: Settings, watched: Watched, region: str) -> Iterator[TableFacts]:
    others = [other for other in settings.regions if other != region]
    for role, name, index in (
        ("deployments", watched.deployments_table, registry.STATUS_INDEX),
        ("api-keys", watched.api_keys_table, access.USER_INDEX),
    ):
        yield TableFacts(role=role, name=name, indexes=[index], copied_to=others)


def _copies(settings: Settings, watched: Watched) -> Iterator[ReplicationFacts]:
    if watched.replication_rule is not None:
        yield ReplicationFacts(
            role="models",
            source_bucket=watched.data[settings.pair.primary].store.production_bucket,
            destination_bucket=watched.data[settings.pair.secondary].store.production_bucket,
            rule_id=watched.replication_rule,
        )
