"""The models' part of the dashboard that is the same for all of them: queues, loading, features and caches."""

from __future__ import annotations

from components.observability.dashboards.panel import Panel, Query, bad_above
from components.observability.rules.limits import WHOLE_PERCENT, Limits
from components.observability.rules.model_alerts import LOOKUP_FAILURES
from components.observability.rules.promql import RATE, ratio, rose, serving

_QUANTILE = 0.95
_ERRORS_WINDOW = "1h"
_UNANSWERED = f'outcome=~"{LOOKUP_FAILURES}"'
_HIT, _BYPASS = 'outcome="hit"', 'outcome="bypass"'


def running(limits: Limits) -> list[Panel]:
    return [*_queues(), _errors(), _dependencies(limits), _hits()]


def quantile_or(buckets: str, otherwise: str) -> str:
    """The 95th percentile, or something else where nothing was counted: a quantile of nothing is no number, which no
    panel draws."""
    return f"histogram_quantile({_QUANTILE:g}, {buckets}) >= 0\nor\n{otherwise}"


def _queues() -> list[Panel]:
    waits = serving("model_queue_duration_seconds_bucket")
    together = ratio(_rates("model_batch_rows_sum"), _rates("model_batch_rows_count"))
    return [
        Panel(
            title="Rows run together",
            description="On average, of models that run in a queue; 0 where every model runs where its request is.",
            kind="timeseries",
            unit="none",
            queries=[Query(expression=f"{together}\nor\nvector(0)", legend="rows")],
        ),
        Panel(
            title="Waiting in the queue",
            description="19 of 20 requests wait less; 0 where every model runs where its request is.",
            kind="timeseries",
            unit="s",
            queries=[
                Query(
                    expression=quantile_or(f"sum by (le) (rate({waits}[{RATE}]))", "vector(0)"),
                    legend="95th percentile",
                )
            ],
            runbooks=["inference-latency"],
        ),
    ]


def _errors() -> Panel:
    errors = rose(serving("model_errors_total"), _ERRORS_WINDOW)
    return Panel(
        title="Versions that could not be loaded or run",
        description="In the last hour, by what was wrong.",
        kind="timeseries",
        unit="none",
        queries=[
            Query(expression=_or_zero(f"sum by (error_type) ({errors})", "error_type", "none"), legend="{{error_type}}")
        ],
        scale=bad_above(1),
        runbooks=["model-version-corrupt", "model-version-refused", "model-store-unreachable"],
    )


def _dependencies(limits: Limits) -> Panel:
    lookups, cached, shared = "feature_lookup_duration_seconds_count", "response_cache_total", 'level="redis"'
    failing = ratio(f"({_rates(lookups, _UNANSWERED)} or vector(0))", _rates(lookups))
    away = ratio(f"({_rates(cached, shared, _BYPASS)} or vector(0))", _rates(cached, shared))
    return Panel(
        title="Features and response cache that fail",
        description="Shares of the look-ups in the feature store, and of the calls to the shared response cache, that "
        "came to nothing; 0 where they are not used.",
        kind="timeseries",
        unit="percentunit",
        queries=[
            Query(expression=f"{failing}\nor\nvector(0)", legend="features"),
            Query(expression=f"{away}\nor\nvector(0)", legend="response cache"),
        ],
        scale=bad_above(limits.failed_lookups_percent / WHOLE_PERCENT),
        runbooks=["feature-lookups-failing", "response-cache-away"],
        width=12,
    )


def _hits() -> Panel:
    asked = _rates("response_cache_total", by="level")
    hits = ratio(f"({_rates('response_cache_total', _HIT, by='level')} or {asked} * 0)", asked)
    return Panel(
        title="Answers from the response cache",
        description="Share of the look-ups that found one, in a pod's own cache and in the one that pods share.",
        kind="timeseries",
        unit="percentunit",
        queries=[Query(expression=_or_zero(hits, "level", "not used"), legend="{{level}}")],
        whole=1,
        width=12,
    )


def _rates(metric: str, *matchers: str, by: str = "") -> str:
    return f"sum{f' by ({by}) ' if by else ''}(rate({serving(metric, *matchers)}[{RATE}]))"


def _or_zero(expression: str, label: str, value: str) -> str:
    """0, with a label that says why, where there is nothing at all."""
    return f'{expression}\nor on ()\nlabel_replace(vector(0), "{label}", "{value}", "", "")'
