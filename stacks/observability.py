"""What watches a region's cluster: its metrics and rules, and what the autoscaler is told."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.autoscaling.metrics_adapter import MetricsAdapter, MetricsAdapterArgs
from components.cluster.pod_identity import PodIdentity, PodIdentityArgs
from components.observability import alertmanager, monitors, names
from components.observability.rules.component import Rules, RulesArgs
from components.observability.rules.limits import Limits
from components.observability.stack import Level, Monitoring, MonitoringArgs
from stacks.site import Site


def build_observability(site: Site, prepared: Sequence[pulumi.Resource]) -> None:
    """Nothing, where the level is off."""
    level = site.settings.observability.level
    if level != "off":
        _watch(site, prepared, level)


def _watch(site: Site, prepared: Sequence[pulumi.Resource], level: Level) -> None:
    wanted, place = site.settings.observability, site.place
    identity = PodIdentity(
        place.names.of("alertmanager-identity"),
        PodIdentityArgs(
            place=place,
            account_id=site.account_id,
            cluster_name=site.cluster.cluster_name,
            namespace=names.NAMESPACE,
            service_account=names.ALERTMANAGER,
            statements=alertmanager.statements(site.alarm_topic_arn, site.keys.logs_key_arn),
        ),
    )
    monitoring = Monitoring(
        place.names.of("monitoring"),
        MonitoringArgs(
            place=place,
            provider=site.cluster.provider,
            cluster=site.cluster.cluster,
            after=[*prepared, identity],
            level=level,
            environment=site.settings.environment,
            zones=site.zones,
            retention_days=wanted.metrics_retention_days,
            storage_gib=wanted.metrics_storage_gib,
            storage_key_arn=site.keys.cluster_key_arn,
            topic_arn=site.alarm_topic_arn,
        ),
    )
    Rules(
        place.names.of("rules"),
        RulesArgs(
            place=place,
            provider=site.cluster.provider,
            cluster=site.cluster.cluster,
            after=[*prepared, *monitoring.definitions],
            limits=Limits(replicas_min=site.settings.workload.autoscaling.replicas_min),
        ),
    )
    if wanted.adapter_image is not None:
        MetricsAdapter(
            place.names.of("metrics-adapter"),
            MetricsAdapterArgs(
                place=place,
                provider=site.cluster.provider,
                cluster=site.cluster.cluster,
                after=prepared,
                image=wanted.adapter_image,
                replicas=2 if level == "full" else 1,
                prometheus_url=f"http://{names.service_host(names.PROMETHEUS)}:{names.PROMETHEUS_PORT}",
                scrape_interval_seconds=monitors.SCRAPE_INTERVAL_SECONDS,
            ),
        )
