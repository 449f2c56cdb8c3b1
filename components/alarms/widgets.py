"""A graph on a CloudWatch dashboard, as the JSON that CloudWatch takes.

Format: CloudWatch API reference, "Dashboard Body Structure and Syntax".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.alarms.metrics import MINUTE_SECONDS, Metric, Term

Widget = dict[str, Any]

GRID_WIDTH = 24
"""The units that a dashboard is wide."""
GRAPH_HEIGHT = 6
HEADING_HEIGHT = 1
STATUS_HEIGHT = 4

STATUS_ALARMS_MAX = 100
"""ARNs in one alarm status widget."""


@dataclass(frozen=True, kw_only=True)
class Line:
    label: str
    figure: Metric | Term


@dataclass(frozen=True, kw_only=True)
class Graph:
    """`limits` are drawn as horizontal lines: what each means, and where it is in `unit`."""

    title: str
    unit: str
    lines: Sequence[Line]
    limits: Mapping[str, float]
    period_seconds: int = MINUTE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where a widget lies, in units of the grid."""

    x: int
    y: int
    width: int
    height: int

    @property
    def corners(self) -> dict[str, int]:
        return {"x": self.x, "y": self.y, "width": self.width, "height": self.height}


def graph(wanted: Graph, region: str, box: Box) -> Widget:
    """The graph of one region's metrics."""
    annotations = [{"label": label, "value": value} for label, value in wanted.limits.items()]
    return {
        "type": "metric",
        **box.corners,
        "properties": {
            "title": f"{wanted.title} ({region})",
            "view": "timeSeries",
            "stacked": False,
            "region": region,
            "period": wanted.period_seconds,
            "metrics": [row for index, line in enumerate(wanted.lines) for row in _rows(line, index)],
            "yAxis": {"left": {"min": 0, "label": wanted.unit, "showUnits": False}},
            **({"annotations": {"horizontal": annotations}} if annotations else {}),
        },
    }


def heading(text: str, box: Box) -> Widget:
    return {"type": "text", **box.corners, "properties": {"markdown": f"## {text}"}}


def status(title: str, alarm_arns: Sequence[pulumi.Input[str]], box: Box) -> Widget:
    """The states of alarms, those that changed last first."""
    shown = list(alarm_arns)[:STATUS_ALARMS_MAX]
    return {
        "type": "alarm",
        **box.corners,
        "properties": {"title": title, "alarms": shown, "sortBy": "stateUpdatedTimestamp"},
    }


def _rows(line: Line, index: int) -> Iterator[list[Any]]:
    figure = line.figure
    if isinstance(figure, Metric):
        yield _row(figure, {"label": line.label})
        return
    # Several expressions share the graph: each line's metrics get names of their own.
    names = {key: f"{key}{index}" for key in figure.metrics}
    for key, metric in figure.metrics.items():
        yield _row(metric, {"id": names[key], "visible": False})
    yield [{"expression": _renamed(figure.expression, names), "label": line.label, "id": f"line{index}"}]


def _row(metric: Metric, options: Mapping[str, Any]) -> list[Any]:
    dimensions = [part for dimension in metric.dimensions.items() for part in dimension]
    return [metric.namespace, metric.name, *dimensions, {**options, "stat": metric.statistic}]


def _renamed(expression: pulumi.Input[str], names: Mapping[str, str]) -> pulumi.Input[str]:
    if not isinstance(expression, str) or not names:
        return expression
    return re.sub(rf"\b({'|'.join(names)})\b", lambda found: names[found[0]], expression)
