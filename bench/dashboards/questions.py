"""Asks Prometheus what a panel asks, as Grafana would: with the reader's choices in the place of variables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from components.observability.dashboards.panel import Dashboard, Panel, Query
from ops.canary.prometheus import Prometheus, Series

ALL = ".*"
"""What a variable stands for when all of its values are chosen."""

_ANSWER_SECONDS = 10.0
_LABEL = re.compile(r"\{\{(\w+)\}\}")


class Window(NamedTuple):
    """A stretch of time, and how often it is looked at; milliseconds since 1970."""

    begin_ms: int
    end_ms: int
    step_seconds: int


def asked(query: Query, dashboard: Dashboard, choices: Mapping[str, str] | None = None) -> str:
    """The expression with the reader's choices, by a variable's name; where there is none, all values are chosen."""
    expression = query.expression
    for variable in dashboard.variables:
        expression = expression.replace(f"${variable.name}", (choices or {}).get(variable.name, ALL))
    return expression


class Asking:
    """One Prometheus, asked for panels."""

    def __init__(self, address: str) -> None:
        self._prometheus = Prometheus(address, timeout_seconds=_ANSWER_SECONDS)

    def now(
        self, panel: Panel, dashboard: Dashboard, at_ms: int, choices: Mapping[str, str] | None = None
    ) -> list[list[Series]]:
        """For each of the panel's queries the series at a moment; samples that are no numbers are left out."""
        return [self.query(asked(query, dashboard, choices), at_ms) for query in panel.queries]

    def over(self, panel: Panel, dashboard: Dashboard, window: Window) -> list[list[Series]]:
        """For each of the panel's queries the series over a stretch of time."""
        seconds = (window.end_ms - window.begin_ms) // 1000
        return [
            self._prometheus.query(f"({asked(query, dashboard)})[{seconds}s:{window.step_seconds}s]", window.end_ms)
            for query in panel.queries
        ]

    def query(self, expression: str, at_ms: int) -> list[Series]:
        return self._prometheus.query(expression, at_ms)


def named(legend: str, series: Series) -> str:
    """A series' name by its labels, as Grafana writes a legend."""
    return _LABEL.sub(lambda found: series.labels.get(found[1], ""), legend)


def silent(answers: Sequence[Sequence[Series]]) -> list[int]:
    """Which of a panel's queries were answered with nothing."""
    return [place for place, found in enumerate(answers) if not any(series.samples for series in found)]
