"""Alerts on what watches: Prometheus, Alertmanager, their operator, log shipping, secrets and traces.

Metrics' names are those of Prometheus' and Alertmanager's own mixins (documentation/prometheus-mixin and
doc/alertmanager-mixin in their repositories), of prometheus-operator v0.93 (pkg/operator), External Secrets v2.9
(pkg/controllers) and of Fluent Bit's page /api/v2/metrics/prometheus.
"""

from __future__ import annotations

from components.observability import names
from components.observability.rules.limits import Limits
from components.observability.rules.promql import MINUTE, RATE, ratio, share
from components.observability.rules.rule import Alert, Group
from components.observability.token_scrapes import CADVISOR_JOB, KUBELET_JOB
from components.workload import labels

PROMETHEUS, ALERTMANAGER, OPERATOR = (
    f'namespace="{names.NAMESPACE}",job="{job}"' for job in (names.PROMETHEUS, names.ALERTMANAGER, names.OPERATOR)
)
NEEDED_JOBS = (names.STATE_METRICS, KUBELET_JOB, CADVISOR_JOB)
"""Without their metrics the alerts on pods and nodes are silent, which looks like health."""
FAILED_NOTIFICATIONS_PERCENT = 1.0


def monitoring_alerts(limits: Limits) -> list[Group]:
    return [
        Group(name="monitoring-alerts", rules=_watching()),
        Group(name="monitoring-prometheus-alerts", rules=_prometheus()),
        Group(name="monitoring-alertmanager-alerts", rules=_alertmanager()),
        Group(name="monitoring-delivery-alerts", rules=_delivery(limits)),
    ]


def _watching() -> list[Alert]:
    return [
        Alert(
            name="Watchdog",
            expression="vector(1)",
            severity="info",
            for_seconds=0,
            page="watchdog",
            labels={"namespace": names.NAMESPACE},
            summary="The way from Prometheus to Alertmanager works",
            description="This alert always fires. Where it is missing, no other alert arrives either.",
        ),
        Alert(
            name="TargetDown",
            expression=f'sum by (namespace, job) (up{{namespace!="{labels.SERVING_NAMESPACE}"}} == bool 0) > 0',
            severity="warning",
            for_seconds=10 * MINUTE,
            page="target-down",
            summary="Prometheus gets no metrics from a part of the platform",
            description="{{ $value }} targets of {{ $labels.job }} have not answered Prometheus for ten minutes.",
        ),
        Alert(
            name="NeededTargetsAbsent",
            expression="\nor\n".join(
                f'(absent(up{{job="{job}"}}) or sum by (job) (up{{job="{job}"}}) == 0)' for job in NEEDED_JOBS
            ),
            severity="critical",
            for_seconds=10 * MINUTE,
            page="target-down",
            labels={"namespace": names.NAMESPACE},
            summary="Alerts on pods and nodes are blind",
            description="Prometheus gets no metrics from any {{ $labels.job }}.",
        ),
        Alert(
            name="OperatorReconcileFailing",
            expression="sum by (namespace, controller) "
            f"(rate(prometheus_operator_reconcile_errors_total{{{OPERATOR}}}[{RATE}])) > 0",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="operator-reconcile-failing",
            summary="Changes of what Prometheus watches do not take effect",
            description="The operator's controller {{ $labels.controller }} has failed for ten minutes: changed rules, "
            "monitors or settings are not in force.",
        ),
    ]


def _prometheus() -> list[Alert]:
    def rising(metric: str, window: str) -> str:
        return f"sum by (namespace, pod) (increase({metric}{{{PROMETHEUS}}}[{window}])) > 0"

    broken = " or ".join(
        f"increase({metric}{{{PROMETHEUS}}}[1h]) > 0"
        for metric in (
            "prometheus_tsdb_compactions_failed_total",
            "prometheus_tsdb_reloads_failures_total",
            "prometheus_tsdb_wal_corruptions_total",
        )
    )
    return [
        Alert(
            name="PrometheusRulesFailing",
            expression=rising("prometheus_rule_evaluation_failures_total", RATE),
            severity="critical",
            for_seconds=10 * MINUTE,
            page="prometheus-rules-failing",
            summary="Prometheus cannot evaluate some of its rules",
            description="{{ $value | humanize }} evaluations failed in {{ $labels.pod }} in the last five minutes: the "
            "alerts among them do not fire.",
        ),
        Alert(
            name="PrometheusRulesLate",
            expression=rising("prometheus_rule_group_iterations_missed_total", RATE),
            severity="warning",
            for_seconds=15 * MINUTE,
            page="prometheus-rules-failing",
            summary="Prometheus is too slow for its rules",
            description="{{ $labels.pod }} left out {{ $value | humanize }} evaluations in the last five minutes.",
        ),
        Alert(
            name="PrometheusConfigurationRefused",
            expression="max by (namespace, pod) "
            f"(max_over_time(prometheus_config_last_reload_successful{{{PROMETHEUS}}}[5m])) == 0",
            severity="critical",
            for_seconds=10 * MINUTE,
            page="prometheus-configuration-refused",
            summary="Prometheus refused its newest configuration",
            description="{{ $labels.pod }} goes on with the configuration of before.",
        ),
        Alert(
            name="PrometheusNotIngesting",
            expression="sum by (namespace, pod) "
            f"(rate(prometheus_tsdb_head_samples_appended_total{{{PROMETHEUS}}}[{RATE}])) == 0",
            severity="critical",
            for_seconds=10 * MINUTE,
            page="prometheus-storage-failing",
            summary="Prometheus stores no samples",
            description="{{ $labels.pod }} has not stored a sample for ten minutes.",
        ),
        Alert(
            name="PrometheusStorageFailing",
            expression=f"sum by (namespace, pod) ({broken}) > 0",
            severity="warning",
            for_seconds=0,
            page="prometheus-storage-failing",
            summary="Prometheus has trouble with its files",
            description="Compactions, reloads of blocks or the write-ahead log failed in {{ $labels.pod }} "
            "{{ $value | humanize }} times in the last hour.",
        ),
        Alert(
            name="PrometheusWithoutAlertmanager",
            expression="max by (namespace, pod) "
            f"(max_over_time(prometheus_notifications_alertmanagers_discovered{{{PROMETHEUS}}}[5m])) < 1",
            severity="critical",
            for_seconds=10 * MINUTE,
            page="alerts-not-delivered",
            summary="Prometheus knows no Alertmanager",
            description="{{ $labels.pod }} finds no Alertmanager to send alerts to.",
        ),
        Alert(
            name="PrometheusAlertsDropped",
            expression=rising("prometheus_notifications_dropped_total", RATE),
            severity="critical",
            for_seconds=10 * MINUTE,
            page="alerts-not-delivered",
            summary="Alerts do not reach Alertmanager",
            description="{{ $labels.pod }} dropped {{ $value | humanize }} alerts in the last five minutes, because no "
            "Alertmanager took them.",
        ),
    ]


def _alertmanager() -> list[Alert]:
    failed = ratio(
        f"sum by (namespace, integration) (rate(alertmanager_notifications_failed_total{{{ALERTMANAGER}}}[15m]))",
        f"sum by (namespace, integration) (rate(alertmanager_notifications_total{{{ALERTMANAGER}}}[15m]))",
    )
    members = f"max_over_time(alertmanager_cluster_members{{{ALERTMANAGER}}}[5m])"
    return [
        Alert(
            name="AlertmanagerNotificationsFailing",
            expression=f"{failed} > {share(FAILED_NOTIFICATIONS_PERCENT)}",
            severity="critical",
            for_seconds=5 * MINUTE,
            page="alerts-not-delivered",
            summary="Alertmanager cannot deliver notifications",
            description="{{ $value | humanizePercentage }} of the notifications by {{ $labels.integration }} failed in "
            "the last 15 minutes.",
        ),
        Alert(
            name="AlertmanagerConfigurationRefused",
            expression="max by (namespace, pod) "
            f"(max_over_time(alertmanager_config_last_reload_successful{{{ALERTMANAGER}}}[5m])) == 0",
            severity="critical",
            for_seconds=10 * MINUTE,
            page="alertmanager-configuration-refused",
            summary="Alertmanager refused its newest configuration",
            description="{{ $labels.pod }} goes on with the configuration of before.",
        ),
        Alert(
            name="AlertmanagerMembersMissing",
            expression=f"max by (namespace, pod) ({members})\n"
            f"< on (namespace) group_left () count by (namespace) ({members})",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="alertmanager-members-missing",
            summary="The Alertmanagers do not find each other",
            description="{{ $labels.pod }} sees {{ $value }} members of its cluster, itself included: notifications "
            "come twice.",
        ),
    ]


def _delivery(limits: Limits) -> list[Alert]:
    logs = f'namespace="{labels.LOGGING_NAMESPACE}",job="{names.LOGS}"'
    lost = " or ".join(
        f"increase({metric}{{{logs}}}[15m]) > 0"
        for metric in ("fluentbit_output_dropped_records_total", "fluentbit_output_retries_failed_total")
    )
    # The collector writes its counters with the ending or without it, by its configuration; each is there from its
    # first count on.
    failed, sent = (
        f"sum by (namespace, exporter) (rate({metric}[{RATE}]) or rate({metric}_total[{RATE}]))"
        for metric in ("otelcol_exporter_send_failed_spans", "otelcol_exporter_sent_spans")
    )
    spans = ratio(failed, f"{failed} + ({sent} or {failed} * 0)")
    return [
        Alert(
            name="LogsLost",
            expression=f"sum by (namespace, pod, name) ({lost}) > 0",
            severity="warning",
            for_seconds=0,
            page="logs-lost",
            summary="Log lines are lost",
            description="{{ $labels.pod }} gave up {{ $value | humanize }} records or chunks for {{ $labels.name }} in "
            "the last 15 minutes.",
        ),
        Alert(
            name="LogsDelayed",
            expression=f"sum by (namespace, pod, name) (rate(fluentbit_output_errors_total{{{logs}}}[{RATE}])) > 0",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="logs-lost",
            summary="Log lines cannot be delivered",
            description="{{ $labels.pod }} has failed for 15 minutes to deliver to {{ $labels.name }}; lines are kept "
            "on the node until its buffer is full.",
        ),
        Alert(
            name="SecretNotSynchronised",
            expression="max by (namespace, name) (externalsecret_status_condition"
            '{condition="Ready",status="False"}) == 1',
            severity="warning",
            for_seconds=15 * MINUTE,
            page="secret-not-synchronised",
            summary="A Secret does not follow Secrets Manager",
            description="{{ $labels.namespace }}/{{ $labels.name }} could not be read from Secrets Manager for 15 "
            "minutes; pods have the value of before, or none.",
        ),
        Alert(
            name="SecretStoreNotReady",
            expression='max by (namespace, name) (secretstore_status_condition{condition="Ready",status="False"}) == 1',
            severity="warning",
            for_seconds=15 * MINUTE,
            page="secret-not-synchronised",
            summary="Secrets Manager cannot be used from a namespace",
            description="The SecretStore {{ $labels.namespace }}/{{ $labels.name }} has not been ready for 15 minutes.",
        ),
        Alert(
            name="TraceExportFailing",
            expression=f"{spans} > {share(limits.lost_spans_percent)}",
            severity="warning",
            for_seconds=15 * MINUTE,
            page="traces-lost",
            summary="The collector cannot deliver traces",
            description="{{ $value | humanizePercentage }} of the spans for {{ $labels.exporter }} failed in the last "
            "five minutes.",
        ),
    ]
