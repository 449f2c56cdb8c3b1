"""Alerts on what callers of the service see, and on the pods that answer them."""

from __future__ import annotations

from components.observability.rules.limits import Limits
from components.observability.rules.objectives import (
    AVAILABILITY,
    REQUESTS,
    enough_requests,
    share_of_bad,
)
from components.observability.rules.promql import (
    IN_SERVING,
    MINUTE,
    PREDICTING,
    RATE_SECONDS,
    SERVING,
    ratio,
    serving,
    share,
)
from components.observability.rules.rule import Alert, Group
from components.workload import labels

WAS_BUSY_PER_SECOND = 1
"""Requests a second in the hour before, from which on none at all is worth a look."""
WORKER_RESTARTS = 2
"""In 15 minutes: one may be a model that was too large, more are a fault that comes back."""


def serving_alerts(limits: Limits) -> list[Group]:
    return [
        Group(name="serveml-requests-alerts", rules=[*_answers(limits), *_refusals(limits)]),
        Group(name="serveml-pods-alerts", rules=_pods(limits)),
    ]


def _answers(limits: Limits) -> list[Alert]:
    enough = enough_requests(limits)
    return [
        Alert(
            name="InferenceErrorRateHigh",
            expression=f'{share_of_bad(RATE_SECONDS)}{{slo="{AVAILABILITY}"}} > {share(limits.error_percent)}\n'
            f"and {enough}",
            severity="critical",
            for_seconds=5 * MINUTE,
            page="inference-errors",
            labels=IN_SERVING,
            summary=f"More than {limits.error_percent:g}% of the requests fail",
            description="{{ $value | humanizePercentage }} of the requests for predictions were answered with 500, "
            "502, 503 or 504 in the last five minutes.",
        ),
        Alert(
            name="InferenceLatencyP95High",
            expression=f"service:http_request_duration_seconds:p95 > {limits.latency_p95_ms / 1000:g}\nand {enough}",
            severity="critical",
            for_seconds=5 * MINUTE,
            page="inference-latency",
            labels=IN_SERVING,
            summary=f"One request in twenty takes longer than {limits.latency_p95_ms} ms",
            description="The 95th percentile of the time to answer is {{ $value | humanizeDuration }}, "
            f"{limits.latency_p95_ms} ms is the limit.",
        ),
        Alert(
            name="InferenceLatencyP99High",
            expression=f"service:http_request_duration_seconds:p99 > {limits.latency_p99_ms / 1000:g}\nand {enough}",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="inference-latency",
            labels=IN_SERVING,
            summary=f"One request in a hundred takes longer than {limits.latency_p99_ms} ms",
            description="The 99th percentile of the time to answer is {{ $value | humanizeDuration }}, "
            f"{limits.latency_p99_ms} ms is the limit.",
        ),
        Alert(
            name="InferenceRequestsStopped",
            expression=f'{REQUESTS}{{slo="{AVAILABILITY}"}} == 0\n'
            f'and avg_over_time({REQUESTS}{{slo="{AVAILABILITY}"}}[1h] offset 10m) > {WAS_BUSY_PER_SECOND}',
            severity="warning",
            for_seconds=10 * MINUTE,
            page="inference-requests-stopped",
            labels=IN_SERVING,
            summary="Requests came until a while ago, and none comes now",
            description=f"No request for a prediction for ten minutes, after more than {WAS_BUSY_PER_SECOND} a second "
            "in the hour before. Expected where traffic was moved to the other region.",
        ),
    ]


def _refusals(limits: Limits) -> list[Alert]:
    def refused(status: str) -> str:
        return ratio(
            f'sum(route_status:http_requests:rate5m{{route=~"{PREDICTING}",status=~"{status}"}})',
            f'sum(route_status:http_requests:rate5m{{route=~"{PREDICTING}"}})',
        )

    return [
        Alert(
            name="InferenceRateLimited",
            expression=f"{refused('429')} > {share(limits.rate_limited_percent)}\nand {enough_requests(limits)}",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="inference-rate-limited",
            labels=IN_SERVING,
            summary=f"More than {limits.rate_limited_percent:g}% of the requests exceed a rate limit",
            description="{{ $value | humanizePercentage }} of the requests for predictions were answered with 429 in "
            "the last five minutes: a caller's limit is too low, or a caller runs wild.",
        ),
        Alert(
            name="InferenceCredentialsRefused",
            expression=f"{refused('401|403')} > {share(limits.refused_credentials_percent)}\n"
            f"and {enough_requests(limits)}",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="inference-credentials-refused",
            labels=IN_SERVING,
            summary=f"More than {limits.refused_credentials_percent:g}% of the requests have credentials that are "
            "refused",
            description="{{ $value | humanizePercentage }} of the requests for predictions were answered with 401 or "
            "403 in the last five minutes: keys have expired or cannot be read anew, or somebody guesses.",
        ),
    ]


def _pods(limits: Limits) -> list[Alert]:
    deployment = f'namespace="{labels.SERVING_NAMESPACE}",deployment="{labels.track_name("stable")}"'
    return [
        Alert(
            name="InferenceReplicasLow",
            expression=f"kube_deployment_status_replicas_available{{{deployment}}} < {limits.replicas_min}",
            severity="critical",
            for_seconds=5 * MINUTE,
            page="inference-replicas-low",
            summary=f"Fewer than {limits.replicas_min} serving pods are available",
            description=f"{{{{ $value }}}} of at least {limits.replicas_min} pods of {{{{ $labels.deployment }}}} are "
            "available.",
        ),
        Alert(
            name="InferenceTargetsAbsent",
            expression=f"absent(up{{{SERVING}}})\nor\nsum by (namespace, job) (up{{{SERVING}}}) == 0",
            severity="critical",
            for_seconds=5 * MINUTE,
            page="inference-targets-absent",
            summary="Prometheus gets no metrics from any serving pod",
            description="No serving pod answers Prometheus: either none runs, or the way to their port 8001 is shut. "
            "Every other alert on requests is blind meanwhile.",
        ),
        Alert(
            name="InferenceTargetDown",
            expression=f"max by (namespace, pod) (up{{{SERVING}}}) == 0",
            severity="warning",
            for_seconds=5 * MINUTE,
            page="inference-targets-absent",
            summary="Prometheus gets no metrics from a serving pod",
            description="{{ $labels.pod }} has not answered Prometheus for five minutes.",
        ),
        Alert(
            name="InferenceWorkersRestarting",
            expression=f"sum by (namespace, pod) (increase({serving('serveml_worker_restarts_total')}[15m])) > "
            f"{WORKER_RESTARTS}",
            severity="warning",
            for_seconds=0,
            page="inference-workers-restarting",
            summary="The worker processes of a serving pod end again and again",
            description="Workers of {{ $labels.pod }} were replaced {{ $value | humanize }} times in 15 minutes; the "
            "requests that they were answering are lost.",
        ),
        Alert(
            name="InferenceMetricsOverflow",
            expression=f"sum by (namespace, pod) (increase({serving('serveml_metric_overflows_total')}[15m])) > 0",
            severity="warning",
            for_seconds=0,
            page="inference-metrics-overflow",
            summary="A serving pod has no room for another label set",
            description="{{ $labels.pod }} counts some models or versions together as `other`: figures by version are "
            "too small.",
        ),
    ]
