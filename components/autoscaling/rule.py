"""The one rule of prometheus-adapter: which series become the autoscaler's metric, and by which query.

Fields: kubernetes-sigs/prometheus-adapter v0.12.0, `pkg/config/config.go` and `docs/config.md`. The adapter fills in
what stands between `<<` and `>>`: the labels that choose the pods it is asked for, and the one that tells them apart.
"""

from __future__ import annotations

from typing import Any

from components.workload import labels
from components.workload.autoscaling import REQUESTS_METRIC
from contract import service
from infra.errors import InvalidInput

SERIES = "http_requests_total"
"""The container's counter of answers, of any status: a refused request counts, or a full pod would look idle."""

# Asked for by load balancers and by clients that look around; the counter leaves out what comes to the probes' port.
_NO_WORK = "|".join(
    (
        f"({service.OPEN_INFERENCE_PREFIX})?{service.HEALTH_PATH}(/.*)?",
        service.METRICS_PATH,
        r"/inference\\.GRPCInferenceService/Server(Live|Ready)",
    )
)

WINDOW_SCRAPES = 3
"""Scrapes that the rate reaches over: two give a rate, so one may fail and the pod still has a figure."""


class InvalidRule(InvalidInput):
    """A rule that could give no figures; the message says which value and what is allowed."""


def window_seconds(scrape_interval_seconds: int) -> int:
    """What the rate reaches over."""
    if scrape_interval_seconds < 1:
        raise InvalidRule(f"a scrape interval of {scrape_interval_seconds} s is not possible: give 1 s or more")
    return WINDOW_SCRAPES * scrape_interval_seconds


def configuration(scrape_interval_seconds: int) -> dict[str, Any]:
    """The adapter's configuration file as data."""
    window = window_seconds(scrape_interval_seconds)
    return {
        "rules": [
            {
                "seriesQuery": f'{SERIES}{{namespace="{labels.SERVING_NAMESPACE}",pod!=""}}',
                "resources": {
                    "overrides": {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}},
                },
                "name": {"as": REQUESTS_METRIC},
                "metricsQuery": (
                    f'sum by (<<.GroupBy>>) (rate(<<.Series>>{{<<.LabelMatchers>>,route!~"{_NO_WORK}"}}[{window}s]))'
                ),
            }
        ]
    }
