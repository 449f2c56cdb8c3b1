"""What dashboards and alerts read of the serving pods: rates, shares and times by route, pod and model version.

Rates are per second over five minutes, times in seconds, shares from 0 to 1. A share of failures is 0, not absent,
where requests come and none fails; where no request comes it is absent.
"""

from __future__ import annotations

from components.observability.rules.promql import FAILED, PREDICTING, RATE, ratio, serving
from components.observability.rules.rule import Group, Record

_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_PREDICTIONS = ("model", "model_version")


def serving_records() -> list[Group]:
    return [
        Group(name="serveml-requests", rules=_requests()),
        Group(name="serveml-predictions", rules=_predictions()),
    ]


def _requests() -> list[Record]:
    predicting = f'route=~"{PREDICTING}"'
    return [
        Record(
            name="route_status:http_requests:rate5m",
            expression=f"sum by (route, status) (rate({serving('http_requests_total')}[{RATE}]))",
        ),
        Record(
            name="pod:http_requests:rate5m",
            expression=f"sum by (pod) (rate({serving('http_requests_total', predicting)}[{RATE}]))",
        ),
        Record(
            name="pod:http_requests_failed:rate5m",
            expression=_or_zero(
                "sum by (pod) (rate("
                + serving("http_requests_total", predicting, f'status=~"{FAILED}"')
                + f"[{RATE}]))",
                "pod:http_requests:rate5m",
            ),
        ),
        Record(
            name="pod:http_requests_failed:ratio5m",
            expression=ratio("pod:http_requests_failed:rate5m", "pod:http_requests:rate5m"),
        ),
        *(
            Record(
                name=f"{level}:http_request_duration_seconds:{name}",
                expression=f"histogram_quantile({quantile}, sum by ({by}) (rate("
                + serving("http_request_duration_seconds_bucket", predicting)
                + f"[{RATE}])))",
            )
            for level, by in (("service", "le"), ("pod", "le, pod"))
            for name, quantile in _QUANTILES.items()
        ),
    ]


def _predictions() -> list[Record]:
    by = ", ".join(_PREDICTIONS)
    counted = serving("model_predictions_total")
    answered = serving("model_predictions_total", 'outcome=~"ok|failed"')
    failed = serving("model_predictions_total", 'outcome="failed"')
    copies = serving("model_shadow_total", 'outcome=~"agrees|differs|failed"')
    differing = serving("model_shadow_total", 'outcome=~"differs|failed"')
    return [
        Record(
            name="model_version_outcome:model_predictions:rate5m",
            expression=f"sum by ({by}, outcome) (rate({counted}[{RATE}]))",
        ),
        # What was refused for what the client sent says nothing about a version.
        Record(
            name="model_version:model_predictions:rate5m",
            expression=f"sum by ({by}) (rate({answered}[{RATE}]))",
        ),
        Record(
            name="model_version:model_predictions_failed:rate5m",
            expression=_or_zero(f"sum by ({by}) (rate({failed}[{RATE}]))", "model_version:model_predictions:rate5m"),
        ),
        Record(
            name="model_version:model_predictions_failed:ratio5m",
            expression=ratio("model_version:model_predictions_failed:rate5m", "model_version:model_predictions:rate5m"),
        ),
        Record(
            name="model_version:model_predictions:share5m",
            expression="model_version:model_predictions:rate5m\n/ on (model) group_left ()\n"
            "(sum by (model) (model_version:model_predictions:rate5m) > 0)",
        ),
        Record(
            name="model_version_pod:model_predictions:rate5m",
            expression=f"sum by ({by}, pod) (rate({answered}[{RATE}]))",
        ),
        *(
            Record(
                name=f"model_version:model_prediction_duration_seconds:{name}",
                expression=f"histogram_quantile({quantile}, sum by ({by}, le) (rate("
                + serving("model_prediction_duration_seconds_bucket")
                + f"[{RATE}])))",
            )
            for name, quantile in _QUANTILES.items()
        ),
        Record(name="model_version:model_shadow:increase30m", expression=f"sum by ({by}) (increase({copies}[30m]))"),
        Record(
            name="model_version:model_shadow_differing:increase30m",
            expression=_or_zero(
                f"sum by ({by}) (increase({differing}[30m]))", "model_version:model_shadow:increase30m"
            ),
        ),
        Record(
            name="model_version:model_shadow_differing:ratio30m",
            expression=ratio(
                "model_version:model_shadow_differing:increase30m", "model_version:model_shadow:increase30m"
            ),
        ),
    ]


def _or_zero(part: str, whole: str) -> str:
    """The part, or 0 for whatever has a whole: a counter of failures is not there before the first one."""
    return f"{part}\nor\n{whole} * 0"
