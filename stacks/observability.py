"""What watches a region's cluster: metrics, rules and dashboards, logs and traces, the secrets they need, and what the
autoscaler is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.autoscaling.metrics_adapter import MetricsAdapter, MetricsAdapterArgs
from components.cluster.pod_identity import PodIdentity, PodIdentityArgs
from components.observability import alertmanager, logs, monitors, names, traces
from components.observability.dashboards import Wanted
from components.observability.grafana import Grafana, GrafanaArgs
from components.observability.log_shipping import LogShipping, LogShippingArgs
from components.observability.rules.component import Rules, RulesArgs
from components.observability.rules.limits import Limits
from components.observability.stack import Level, Monitoring, MonitoringArgs
from components.observability.synchronised_secrets import (
    SynchronisedSecrets,
    SynchronisedSecretsArgs,
    grafana_copy,
    serving_copy,
)
from components.observability.tracing import Tracing, TracingArgs
from components.secrets import access as secret_access
from components.workload import labels
from stacks.controller import build_controller
from stacks.site import Site


def build_observability(site: Site, prepared: Sequence[pulumi.Resource]) -> None:
    """Nothing, where the level is off. `prepared` are the namespaces and their policies."""
    level = site.settings.observability.level
    if level == "off":
        return
    watch = _Watch(site, tuple(prepared), level)
    monitoring = watch.metrics()
    watch.autoscaling()
    watch.secrets_and_dashboards()
    log_group = watch.logs()
    if level == "full":
        watch.traces(log_group)
    build_controller(site, [*prepared, monitoring, *monitoring.definitions], monitoring.prometheus_url, watch.replicas)


@dataclass(frozen=True)
class _Watch:
    site: Site
    prepared: tuple[pulumi.Resource, ...]
    level: Level

    @property
    def replicas(self) -> int:
        """Of what should outlive the loss of a node."""
        return 2 if self.level == "full" else 1

    @property
    def limits(self) -> Limits:
        """What alerts compare with, and dashboards show."""
        return Limits(replicas_min=self.site.settings.workload.autoscaling.replicas_min)

    def metrics(self) -> Monitoring:
        site, wanted, place = self.site, self.site.settings.observability, self.site.place
        rights = alertmanager.statements(site.alarm_topic_arn, site.keys.logs_key_arn)
        identity = self._identity(labels.MONITORING_NAMESPACE, alertmanager.SERVICE_ACCOUNT, rights)
        monitoring = Monitoring(
            place.names.of("monitoring"),
            MonitoringArgs(
                place=place,
                provider=site.cluster.provider,
                cluster=site.cluster.cluster,
                after=[*self.prepared, identity],
                level=self.level,
                environment=site.settings.environment,
                zones=site.zones,
                retention_days=wanted.metrics_retention_days,
                storage_gib=wanted.metrics_storage_gib,
                # The one that the cluster's own role may use for disks.
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
                after=[*self.prepared, *monitoring.definitions],
                limits=self.limits,
                runbooks=wanted.runbooks_url,
            ),
        )
        return monitoring

    def autoscaling(self) -> None:
        site, image = self.site, self.site.settings.observability.adapter_image
        if image is None:
            return
        MetricsAdapter(
            site.place.names.of("metrics-adapter"),
            MetricsAdapterArgs(
                place=site.place,
                provider=site.cluster.provider,
                cluster=site.cluster.cluster,
                after=self.prepared,
                image=image,
                replicas=self.replicas,
                prometheus_url=f"http://{names.service_host(names.PROMETHEUS)}:{names.PROMETHEUS_PORT}",
                scrape_interval_seconds=monitors.SCRAPE_INTERVAL_SECONDS,
            ),
        )

    def secrets_and_dashboards(self) -> None:
        """Grafana starts with its password, which comes from Secrets Manager."""
        site, place = self.site, self.site.place
        serving, grafana = serving_copy(place.names), grafana_copy(place.names)
        arns = {serving: site.secrets.ml_credentials_arn, grafana: site.secrets.grafana_admin_arn}
        identities = [
            self._identity(
                labels.MONITORING_NAMESPACE,
                copy.controller,
                secret_access.reader_statements(secret_arn=arn, key_arn=site.keys.data_key_arn, region=place.region),
            )
            for copy, arn in arns.items()
        ]
        synchronised = SynchronisedSecrets(
            place.names.of("synchronised-secrets"),
            SynchronisedSecretsArgs(
                place=place,
                provider=site.cluster.provider,
                cluster=site.cluster.cluster,
                after=[*self.prepared, site.secrets, *identities],
                copies=[serving, grafana],
            ),
        )
        Grafana(
            place.names.of("grafana"),
            GrafanaArgs(
                place=place,
                provider=site.cluster.provider,
                cluster=site.cluster.cluster,
                after=[*self.prepared, synchronised],
                dashboards=Wanted(limits=self.limits, runbooks=site.settings.observability.runbooks_url),
            ),
        )

    def logs(self) -> str:
        """Ship what containers write; returns the log group's name."""
        site, place = self.site, self.site.place
        group = logs.log_group_name(site.settings.project, site.settings.environment, place.names.of("cluster"))
        arn = logs.log_group_arn(group, region=place.region, account_id=site.account_id)
        identity = self._identity(labels.LOGGING_NAMESPACE, logs.SERVICE_ACCOUNT, logs.statements(arn))
        LogShipping(
            place.names.of("log-shipping"),
            LogShippingArgs(
                place=place,
                provider=site.cluster.provider,
                cluster=site.cluster.cluster,
                after=[*self.prepared, identity],
                log_group_name=group,
                retention_days=site.settings.observability.log_retention_days,
                key_arn=site.keys.logs_key_arn,
            ),
        )
        return group

    def traces(self, log_group: str) -> None:
        site, place = self.site, self.site.place
        identity = self._identity(labels.MONITORING_NAMESPACE, traces.SERVICE_ACCOUNT, traces.statements())
        Tracing(
            place.names.of("tracing"),
            TracingArgs(
                place=place,
                provider=site.cluster.provider,
                cluster=site.cluster.cluster,
                after=[*self.prepared, identity],
                replicas=self.replicas,
                zones=site.zones,
                log_group_name=log_group,
            ),
        )

    def _identity(self, namespace: str, service_account: str, statements: Sequence[Mapping[str, Any]]) -> PodIdentity:
        site = self.site
        return PodIdentity(
            site.place.names.of(f"{service_account}-identity"),
            PodIdentityArgs(
                place=site.place,
                account_id=site.account_id,
                cluster_name=site.cluster.cluster_name,
                namespace=namespace,
                service_account=service_account,
                statements=statements,
            ),
        )
