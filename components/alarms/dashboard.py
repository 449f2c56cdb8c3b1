"""The CloudWatch dashboard of an environment: the edge, and below it the regions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.alarms import widgets
from components.alarms.facts import Facts
from components.alarms.graphs import graphs_of
from components.alarms.metrics import InvalidAlarm
from components.alarms.widgets import GRAPH_HEIGHT, GRID_WIDTH, HEADING_HEIGHT, STATUS_HEIGHT, Box, Widget
from components.base import Component, Place

COLUMNS_MAX = 4
"""Narrower graphs cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """What is shown of one region, or of the edge, whose region is us-east-1."""

    title: str
    region: str
    facts: Facts
    alarm_arns: Sequence[pulumi.Input[str]]


def dashboard_body(columns: Sequence[Column], edge: Column | None) -> dict[str, Any]:
    """The dashboard's document; its values may be outputs.

    A graph stands at the same height in every column, so that regions can be compared; where a region has none, its
    place stays empty.
    """
    if not 1 <= len(columns) <= COLUMNS_MAX:
        raise InvalidAlarm(f"a dashboard of {len(columns)} regions is not readable: give 1 to {COLUMNS_MAX}")
    found: list[Widget] = []
    height = 0
    if edge is not None:
        height = _section([edge], height, found)
    _section(columns, height, found)
    return {"widgets": found}


def _section(columns: Sequence[Column], top: int, found: list[Widget]) -> int:
    """Add the columns' widgets below `top`; returns where they end."""
    width = GRID_WIDTH // len(columns)
    for place, column in enumerate(columns):
        box = Box(x=place * width, y=top, width=width, height=HEADING_HEIGHT)
        found.append(widgets.heading(column.title, box))
        if column.alarm_arns:
            box = Box(x=place * width, y=top + HEADING_HEIGHT, width=width, height=STATUS_HEIGHT)
            found.append(widgets.status(f"Alarms ({column.title})", column.alarm_arns, box))
    top += HEADING_HEIGHT + STATUS_HEIGHT
    graphs = [{graph.title: graph for graph in graphs_of(column.facts)} for column in columns]
    # The longest column has them in order; what only another one has comes last.
    titles = dict.fromkeys(title for column in sorted(graphs, key=len, reverse=True) for title in column)
    for row, title in enumerate(titles):
        for place, (column, of_column) in enumerate(zip(columns, graphs, strict=True)):
            if title in of_column:
                box = Box(x=place * width, y=top + row * GRAPH_HEIGHT, width=width, height=GRAPH_HEIGHT)
                found.append(widgets.graph(of_column[title], column.region, box))
    return top + len(titles) * GRAPH_HEIGHT


@dataclass(frozen=True, kw_only=True)
class DashboardArgs:
    place: Place
    columns: Sequence[Column]
    edge: Column | None


class Dashboard(Component, area="alarms"):
    """The environment's dashboard.

    Children: Dashboard.

    A dashboard is the account's, not a region's (CloudFormation reference, AWS::CloudWatch::Dashboard). The provider
    reaches it through a region all the same: the place's.
    """

    dashboard_name: pulumi.Output[str]

    def __init__(self, name: str, args: DashboardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        body = dashboard_body(args.columns, args.edge)
        super().__init__(name, args.place, opts)
        dashboard = aws.cloudwatch.Dashboard(
            self.child_name("dashboard"),
            dashboard_name=self.place.names.prefix,
            dashboard_body=pulumi.Output.json_dumps(body),
            region=self.region,
            opts=self.child(),
        )
        self.dashboard_name = dashboard.dashboard_name
        self.finish()
