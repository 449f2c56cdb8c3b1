"""The whole platform: every region's data, what joins the regions, what serves in each, and the edge before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.alarms.dashboard import Dashboard
from components.base import Place
from components.cost.budget import Budget, BudgetArgs
from components.edge.behaviours import PriceClass, StaticTtl
from components.edge.edge import Edge, EdgeArgs
from components.failover.failover import Failover, FailoverArgs
from components.failover.targets import FailoverTarget
from components.failover.zone import Zone, ZoneArgs
from components.models.replication import Replication, ReplicationArgs
from components.operators.operators import Operators
from components.registry.api_keys import ApiKeys
from components.registry.deployments import Registry
from components.registry.table import Replica, TableArgs
from contract import service
from infra.settings import Settings
from stacks.account import account_id, region_facts
from stacks.alarms import Watched, build_alarms
from stacks.certificates import Certificates, Domains, build_certificates
from stacks.operators import build_operators
from stacks.places import place_of, shared_place
from stacks.region import DataLayer, ServingLayer, build_data, build_serving

Exports = Mapping[str, Any]


def build(settings: Settings) -> Exports:
    """Make everything the settings ask for; returns what the stack exports."""
    account = account_id()
    facts = {region: region_facts(region, settings.network.zones) for region in settings.regions}
    data = {region: build_data(settings, region, account) for region in settings.regions}
    shared = shared_place(settings)
    replication = _replicate_models(settings, account, data) if settings.secondary_region else None
    tables = _tables(settings, shared, data)
    zone = Zone(
        shared.names.of("zone"),
        ZoneArgs(place=shared, domain_name=settings.domain, existing_zone_id=settings.hosted_zone_id),
    )
    domains = Domains(settings.domain)
    certificates = build_certificates(settings, shared, domains, zone)
    serving = {
        region: build_serving(
            settings,
            facts[region],
            account,
            data[region],
            tables.api_keys,
            tables.registry,
            certificates.regional.get(region),
        )
        for region in settings.regions
    }
    failover = _failover(settings, shared, account, domains, zone, serving)
    operators = build_operators(settings, shared, account, data, tables.registry, tables.api_keys)
    edge = _edge(settings, shared, account, domains, zone, failover, data, certificates)
    budget = Budget(
        shared.names.of("budget"),
        BudgetArgs(
            place=shared,
            account_id=account,
            limit_usd=settings.budget.limit_usd,
            actual_percent=settings.budget.actual_percent,
            forecast_percent=settings.budget.forecast_percent,
            emails=settings.budget.emails,
            topic_key_arn=data[shared.region].keys.logs_key_arn,
        ),
    )
    dashboard = build_alarms(
        settings,
        shared,
        Watched(
            data=data,
            serving=serving,
            deployments_table=tables.registry.table_name,
            api_keys_table=tables.api_keys.table_name,
            replication_rule=replication.rule_id if replication else None,
            certificates=certificates.regional,
            edge=edge,
            edge_certificate=certificates.edge,
            global_topic_arn=failover.topic_arn,
        ),
    )
    return _exports(settings, domains, data, serving, tables, zone, failover, edge, budget, dashboard, operators)


def _replicate_models(settings: Settings, account: str, data: Mapping[str, DataLayer]) -> Replication:
    primary, secondary = settings.pair.primary, settings.pair.secondary
    place = place_of(settings, primary)
    return Replication(
        place.names.of("replication"),
        ReplicationArgs(
            place=place,
            account_id=account,
            source_bucket=data[primary].store.production_bucket,
            source_bucket_arn=data[primary].store.production_bucket_arn,
            source_key_arn=data[primary].keys.data_key_arn,
            destination_bucket_arn=data[secondary].store.production_bucket_arn,
            destination_key_arn=data[secondary].keys.data_key_arn,
            destination_region=secondary,
        ),
    )


@dataclass(frozen=True)
class Tables:
    """What pods follow and operators' commands write, the same in every region."""

    registry: Registry
    api_keys: ApiKeys


def _tables(settings: Settings, shared: Place, data: Mapping[str, DataLayer]) -> Tables:
    primary, secondary = settings.pair.primary, settings.pair.secondary

    def args(what: str) -> TableArgs:
        return TableArgs(
            place=shared,
            table_name=shared.names.of(what),
            key_arn=data[primary].keys.data_key_arn,
            replica=Replica(region=secondary, key_arn=data[secondary].keys.data_key_arn)
            if settings.secondary_region
            else None,
            deletion_protection=settings.protect,
        )

    return Tables(
        registry=Registry(shared.names.of("registry"), args("deployments")),
        api_keys=ApiKeys(shared.names.of("access"), args("api-keys")),
    )


def _failover(
    settings: Settings,
    shared: Place,
    account: str,
    domains: Domains,
    zone: Zone,
    serving: Mapping[str, ServingLayer],
) -> Failover:
    weights = {
        settings.pair.primary: settings.failover.primary_weight,
        settings.pair.secondary: settings.failover.secondary_weight,
    }
    return Failover(
        shared.names.of("failover"),
        FailoverArgs(
            place=shared,
            account_id=account,
            zone_id=zone.zone_id,
            origin_domain=domains.origin,
            targets=[
                FailoverTarget(
                    region=region,
                    load_balancer_dns_name=layer.ingress.dns_name,
                    load_balancer_zone_id=layer.ingress.zone_id,
                    weight=weights[region],
                    regional_domain=domains.regional(region),
                )
                for region, layer in serving.items()
            ],
            tls=settings.tls,
            health_path=service.HEALTH_PATH,
            check_interval_seconds=settings.failover.health_interval_seconds,
            failure_threshold=settings.failover.failure_threshold,
            key_deletion_window_days=settings.storage.key_deletion_window_days,
        ),
    )


def _edge(
    settings: Settings,
    shared: Place,
    account: str,
    domains: Domains,
    zone: Zone,
    failover: Failover,
    data: Mapping[str, DataLayer],
    certificates: Certificates,
) -> Edge | None:
    if not settings.edge.enabled:
        return None
    wanted = settings.edge
    return Edge(
        shared.names.of("edge"),
        EdgeArgs(
            place=shared,
            account_id=account,
            domain_name=domains.public,
            zone_id=zone.zone_id,
            origin_domain=failover.origin_domain,
            certificate_arn=certificates.edge,
            access_log_bucket=data[shared.region].store.access_log_bucket,
            waf_log_retention_days=wanted.waf_log_retention_days,
            max_body_bytes=settings.workload.max_body_bytes,
            force_destroy=settings.storage.force_destroy,
            rate_limit_per_5_minutes=wanted.rate_limit_per_5_minutes,
            static_ttl=StaticTtl(
                min_seconds=wanted.static_min_ttl_seconds,
                default_seconds=wanted.static_default_ttl_seconds,
                max_seconds=wanted.static_max_ttl_seconds,
            ),
            price_class=PriceClass(wanted.price_class),
            key_deletion_window_days=settings.storage.key_deletion_window_days,
        ),
    )


def _exports(
    settings: Settings,
    domains: Domains,
    data: Mapping[str, DataLayer],
    serving: Mapping[str, ServingLayer],
    tables: Tables,
    zone: Zone,
    failover: Failover,
    edge: Edge | None,
    budget: Budget,
    dashboard: Dashboard,
    operators: Operators,
) -> Exports:
    scheme = "https" if settings.tls else "http"
    return {
        "url": f"{scheme}://{domains.public if edge else domains.origin}",
        "regions": list(settings.regions),
        "models_buckets": {region: layer.store.production_bucket for region, layer in data.items()},
        "staging_buckets": {region: layer.store.staging_bucket for region, layer in data.items()},
        "datasets_buckets": {region: layer.store.datasets_bucket for region, layer in data.items()},
        "deployments_table": tables.registry.table_name,
        "api_keys_table": tables.api_keys.table_name,
        "image_repositories": {region: layer.images.repository_url for region, layer in data.items()},
        "controller_image_repository": next(
            (layer.controller_images.repository_url for layer in data.values() if layer.controller_images), None
        ),
        "clusters": {region: layer.cluster.cluster_name for region, layer in serving.items()},
        "load_balancers": {region: layer.ingress.dns_name for region, layer in serving.items()},
        "name_servers": zone.name_servers,
        "hosted_zone_id": zone.zone_id,
        "origin_domain": failover.origin_domain,
        "health_checks": failover.health_check_ids,
        # Commands write in the primary region alone, and so notify there; Route 53's alarms exist in us-east-1 alone.
        "alarm_topic": data[settings.pair.primary].alarm_topic.topic_arn,
        "health_topic": failover.topic_arn,
        "access_policies": operators.policy_arns,
        "alarm_topics": {region: layer.alarm_topic.topic_arn for region, layer in data.items()},
        "dashboard": dashboard.dashboard_name,
        "budget_topic": budget.topic_arn,
        "distribution_id": edge.distribution_id if edge else None,
        "static_bucket": edge.static_bucket if edge else None,
    }
