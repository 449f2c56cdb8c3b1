"""What callers of the service see: how much they ask, how much fails, how long it takes, and which pods answer them."""

from __future__ import annotations

from components.observability.dashboards.panel import (
    COLUMNS,
    Dashboard,
    Panel,
    Query,
    Row,
    Scale,
    Unit,
    Wanted,
    bad_above,
    bad_below,
)
from components.observability.rules.limits import WHOLE_PERCENT, Limits
from components.observability.rules.objectives import AVAILABILITY, REQUESTS, share_of_bad
from components.observability.rules.promql import PREDICTING, RATE, RATE_SECONDS, SERVING, ratio, serving
from components.observability.rules.serving_alerts import WORKER_RESTARTS

_ASKED = f'{REQUESTS}{{slo="{AVAILABILITY}"}}'
_FAILED = f'{share_of_bad(RATE_SECONDS)}{{slo="{AVAILABILITY}"}}'
_PERCENTILES = ("p50", "p95", "p99")
_SECONDS = "service:http_request_duration_seconds"


def api_overview(wanted: Wanted) -> Dashboard:
    limits = wanted.limits
    return Dashboard(
        uid="serveml-api-overview",
        title="API Overview",
        description="What callers see: requests, failures, times, and the pods that answer. Rates, shares and times "
        f"are over {RATE}.",
        rows=[
            Row(title="Now", panels=_now(limits)),
            Row(title="Requests", panels=_requests(limits)),
            Row(title="Time to answer", panels=_times(limits)),
            Row(title="Pods", panels=_pods(limits)),
            Row(title="Alerts", panels=[_firing()]),
        ],
    )


def _now(limits: Limits) -> list[Panel]:
    p95, p99 = _latency_scales(limits)
    return [
        _stat(
            title="Requests",
            description="Requests for predictions a second, whatever they were answered.",
            unit="reqps",
            expression=f"sum({_ASKED})",
            runbook="inference-requests-stopped",
        ),
        _stat(
            title="Failed",
            description="Share of the requests for predictions that were answered with 500, 502, 503 or 504.",
            unit="percentunit",
            expression=f"sum({_FAILED})",
            scale=_errors(limits),
            runbook="inference-errors",
        ),
        _stat(
            title="95th percentile",
            description="19 of 20 requests for predictions are answered within this time.",
            unit="s",
            expression=f"{_SECONDS}:p95 >= 0",
            scale=p95,
            runbook="inference-latency",
        ),
        _stat(
            title="99th percentile",
            description="99 of 100 requests for predictions are answered within this time.",
            unit="s",
            expression=f"{_SECONDS}:p99 >= 0",
            scale=p99,
            runbook="inference-latency",
        ),
        _stat(
            title="Pods that answer Prometheus",
            description="Serving pods whose metrics were read at the last scrape; the others are missing here.",
            unit="none",
            expression=f"sum(up{{{SERVING}}}) or vector(0)",
            scale=bad_below(limits.replicas_min),
            runbook="inference-targets-absent",
        ),
        _stat(
            title="Alerts",
            description="Alerts that fire and are told to somebody, of all applications.",
            unit="none",
            expression='count(ALERTS{alertstate="firing",severity=~"critical|warning"}) or vector(0)',
            scale=bad_above(1),
            runbook="README",
        ),
    ]


def _requests(limits: Limits) -> list[Panel]:
    def share(status: str) -> str:
        asked = f'route_status:http_requests:rate5m{{route=~"{PREDICTING}"'
        return ratio(f'(sum({asked},status=~"{status}"}}) or vector(0))', f"sum({asked}}})")

    return [
        Panel(
            title="Requests by status",
            description="All answers of the serving pods, those to health checks included.",
            kind="timeseries",
            unit="reqps",
            queries=[Query(expression="sum by (status) (route_status:http_requests:rate5m)", legend="{{status}}")],
            stacked=True,
        ),
        Panel(
            title="Requests by route",
            description="Which of the two interfaces callers use; `other` is what was refused before its route was "
            "known.",
            kind="timeseries",
            unit="reqps",
            queries=[Query(expression="sum by (route) (route_status:http_requests:rate5m)", legend="{{route}}")],
            stacked=True,
        ),
        Panel(
            title="Failed and refused",
            description="Shares of the requests for predictions. Failures are the service's fault, and the line is "
            "their limit; what was invalid, unauthorised or above a rate limit is the caller's.",
            kind="timeseries",
            unit="percentunit",
            queries=[
                Query(expression=f"sum({_FAILED})", legend="failed"),
                Query(expression=share("401|403"), legend="credentials refused"),
                Query(expression=share("429"), legend="above a rate limit"),
                Query(expression=share("400|404|409|413|415|422"), legend="invalid"),
            ],
            scale=_errors(limits),
            runbooks=["inference-errors", "inference-credentials-refused", "inference-rate-limited"],
        ),
    ]


def _times(limits: Limits) -> list[Panel]:
    p95, _ = _latency_scales(limits)
    buckets = serving("http_request_duration_seconds_bucket", f'route=~"{PREDICTING}"')
    return [
        Panel(
            title="Percentiles",
            description="Of the time from the head of a request to the end of its answer; the line is the limit of the "
            "95th.",
            kind="timeseries",
            unit="s",
            queries=[Query(expression=f"{_SECONDS}:{name}", legend=name) for name in _PERCENTILES],
            scale=p95,
            runbooks=["inference-latency"],
        ),
        Panel(
            title="Distribution",
            description="Requests a second by how long they took: two bands are two kinds of request, or of pod.",
            kind="heatmap",
            unit="s",
            queries=[Query(expression=f"sum by (le) (rate({buckets}[{RATE}]))", legend="{{le}}")],
        ),
        Panel(
            title="95th percentile by pod",
            description="One pod above the others is a slow node, or a pod that has not warmed up.",
            kind="timeseries",
            unit="s",
            queries=[Query(expression="pod:http_request_duration_seconds:p95", legend="{{pod}}")],
            scale=p95,
            runbooks=["inference-latency"],
        ),
    ]


def _pods(limits: Limits) -> list[Panel]:
    restarts = serving("serveml_worker_restarts_total")
    return [
        Panel(
            title="Requests by pod",
            description="Requests for predictions. A balancer that follows readiness gives each pod as much.",
            kind="timeseries",
            unit="reqps",
            queries=[Query(expression="pod:http_requests:rate5m", legend="{{pod}}")],
            runbooks=["inference-targets-absent"],
        ),
        Panel(
            title="Failed by pod",
            description="Share of a pod's requests for predictions: all pods fail, or one does.",
            kind="timeseries",
            unit="percentunit",
            queries=[Query(expression="pod:http_requests_failed:ratio5m", legend="{{pod}}")],
            scale=_errors(limits),
            runbooks=["inference-errors"],
        ),
        Panel(
            title="Worker processes replaced",
            description="In the last 15 minutes. One may be a model that was too large; more are a fault that comes "
            "back.",
            kind="timeseries",
            unit="none",
            queries=[Query(expression=f"sum by (pod) (increase({restarts}[15m]))", legend="{{pod}}")],
            scale=bad_above(WORKER_RESTARTS),
            runbooks=["inference-workers-restarting"],
        ),
    ]


def _firing() -> Panel:
    return Panel(
        title="What fires",
        description="Of all applications. The Watchdog always does: where it is missing, no alert is evaluated.",
        kind="table",
        unit="none",
        queries=[
            Query(
                expression='count by (alertname, severity, namespace) (ALERTS{alertstate="firing"})', legend="instances"
            )
        ],
        runbooks=["README"],
        width=COLUMNS,
        height=6,
    )


def _stat(
    *, title: str, description: str, unit: Unit, expression: str, runbook: str, scale: Scale | None = None
) -> Panel:
    return Panel(
        title=title,
        description=description,
        kind="stat",
        unit=unit,
        queries=[Query(expression=expression)],
        scale=scale,
        runbooks=[runbook],
        width=4,
        height=4,
    )


def _errors(limits: Limits) -> Scale:
    return bad_above(limits.error_percent / WHOLE_PERCENT)


def _latency_scales(limits: Limits) -> tuple[Scale, Scale]:
    return bad_above(limits.latency_p95_ms / 1000), bad_above(limits.latency_p99_ms / 1000)
