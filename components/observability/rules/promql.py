"""The selectors and the turns of PromQL that several rules share."""

from __future__ import annotations

from components.observability import names
from components.observability.rules.limits import WHOLE_PERCENT
from components.workload import labels

MINUTE, HOUR, DAY = 60, 3600, 86_400

RATE = "5m"
"""Window of rates: with a scrape every 15 s it survives several that fail."""
RATE_SECONDS = 5 * MINUTE

NAMESPACES = "|".join((labels.SERVING_NAMESPACE, names.NAMESPACE, labels.LOGGING_NAMESPACE, labels.DATA_NAMESPACE))
"""Ours, as a pattern. What AWS runs in kube-system is AWS's."""

SERVING = f'namespace="{labels.SERVING_NAMESPACE}",job="{labels.APPLICATION}"'
"""Labels of the serving pods' own metrics."""
IN_SERVING = {"namespace": labels.SERVING_NAMESPACE}
"""For alerts whose expression sums the namespace away: Alertmanager groups and inhibits by it."""

PREDICTING = "/predict|/v2/models/.+/infer|/inference[.]GRPCInferenceService/Model(Stream)?Infer"
"""Routes that answer with a prediction, as `http_requests_total` names them."""
NO_ROUTE = "other"
"""What the server refused before it knew the route, such as a connection too many."""
FAILED = "50[0234]"
"""Statuses that are the service's fault. 505 is given to clients that speak another HTTP, 501 to other methods."""


def serving(metric: str, *matchers: str) -> str:
    """A metric of the serving pods."""
    return f"{metric}{{{','.join((SERVING, *matchers))}}}"


def ratio(part: str, whole: str) -> str:
    """A share that is absent where there is nothing to have a share of: a division by zero would be no number, which
    neither fires nor adds up."""
    return f"{part}\n/\n({whole} > 0)"


def share(percent: float) -> str:
    """A percentage as PromQL compares with it."""
    return f"{percent / WHOLE_PERCENT:.10g}"


def rose(selector: str, window: str) -> str:
    """Counters that rose in a window, with by how much. A counter with labels appears with its first count, which
    `increase` does not see: one that was not there before the window began counts from nothing."""
    return f"(increase({selector}[{window}]) > 0 or ({selector} unless {selector} offset {window}) > 0)"
