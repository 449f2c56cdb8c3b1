"""The dashboard: the edge, then the regions side by side, each graph at the same height in every region."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from components.alarms.dashboard import Column, Dashboard, DashboardArgs, dashboard_body
from components.alarms.facts import Facts
from components.alarms.graphs import graphs_of
from components.alarms.metrics import InvalidAlarm, Metric
from components.alarms.widgets import GRID_WIDTH, STATUS_ALARMS_MAX
from tests.components.alarms.examples import EDGE, EVERYTHING, OTHER_REGION, REGION
from tests.support.components import graph_of, place

HERE = Column(title="here", region=REGION, facts=EVERYTHING, alarm_arns=["arn:aws:cloudwatch:1"])
THERE = Column(title="there", region=OTHER_REGION, facts=EVERYTHING, alarm_arns=["arn:aws:cloudwatch:2"])
AT_THE_EDGE = Column(title="edge", region="us-east-1", facts=EDGE, alarm_arns=[])


def widgets(*columns: Column, edge: Column | None = None) -> list[dict[str, Any]]:
    return dashboard_body(columns, edge)["widgets"]


def graphs(found: list[dict[str, Any]], region: str) -> dict[str, dict[str, Any]]:
    return {
        widget["properties"]["title"].removesuffix(f" ({region})"): widget
        for widget in found
        if widget["type"] == "metric" and widget["properties"]["region"] == region
    }


def test_regions_stand_side_by_side_with_the_same_graphs_at_the_same_height() -> None:
    found = widgets(HERE, THERE)
    left, right = graphs(found, REGION), graphs(found, OTHER_REGION)
    assert list(left) == list(right)
    assert [each["y"] for each in left.values()] == [each["y"] for each in right.values()]
    assert {each["x"] for each in left.values()} == {0}
    assert {each["x"] for each in right.values()} == {GRID_WIDTH // 2}


def test_a_graph_that_only_one_region_has_leaves_the_others_in_their_place() -> None:
    source = replace(HERE, facts=replace(EVERYTHING, copied_to_here=()))
    copy = replace(THERE, facts=replace(EVERYTHING, copied_from_here=()))
    found = widgets(source, copy)
    left, right = graphs(found, REGION), graphs(found, OTHER_REGION)
    assert "Bucket copies that failed" in left.keys() - right.keys()
    assert "Bucket copies: waiting" in right.keys() - left.keys()
    for title in left.keys() & right.keys():
        assert left[title]["y"] == right[title]["y"], title


def test_no_two_widgets_overlap_and_none_leaves_the_grid() -> None:
    taken = set[tuple[int, int]]()
    for widget in widgets(HERE, THERE, edge=AT_THE_EDGE):
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not taken & cells
        assert widget["x"] + widget["width"] <= GRID_WIDTH
        taken |= cells


def test_the_edge_comes_first_and_without_one_the_regions_do() -> None:
    with_edge = widgets(HERE, edge=AT_THE_EDGE)
    assert with_edge[0]["properties"]["markdown"] == "## edge"
    assert widgets(HERE)[0]["properties"]["markdown"] == "## here"
    lowest = max(each["y"] for each in graphs(with_edge, "us-east-1").values())
    assert all(each["y"] > lowest for each in graphs(with_edge, REGION).values())


def test_each_region_shows_the_states_of_its_own_alarms() -> None:
    states = [widget["properties"]["alarms"] for widget in widgets(HERE, THERE) if widget["type"] == "alarm"]
    assert states == [["arn:aws:cloudwatch:1"], ["arn:aws:cloudwatch:2"]]


def test_more_alarms_than_a_widget_takes_are_left_to_the_console() -> None:
    many = replace(HERE, alarm_arns=[f"arn:{n}" for n in range(STATUS_ALARMS_MAX + 1)])
    (shown,) = [widget for widget in widgets(many) if widget["type"] == "alarm"]
    assert len(shown["properties"]["alarms"]) == STATUS_ALARMS_MAX


def test_the_promised_figures_are_drawn_beside_the_measured_ones() -> None:
    latency = graphs(widgets(HERE), REGION)["Response time"]["properties"]
    assert [row[-1]["stat"] for row in latency["metrics"]] == ["p50", "p95", "p99"]
    assert latency["annotations"]["horizontal"] == [
        {"label": "p95, promised", "value": 0.5},
        {"label": "p99, promised", "value": 1.0},
    ]


def test_a_metric_is_written_as_namespace_name_and_dimensions() -> None:
    (row,) = graphs(widgets(HERE), REGION)["Requests"]["properties"]["metrics"]
    assert row == [
        "AWS/ApplicationELB",
        "RequestCount",
        "LoadBalancer",
        "app/serveml/1",
        {"label": "requests", "stat": "Sum"},
    ]


def test_expressions_that_share_a_graph_do_not_share_the_names_of_their_metrics() -> None:
    rows = graphs(widgets(HERE), REGION)["NAT gateways: packets dropped"]["properties"]["metrics"]
    ids = [row[-1]["id"] for row in rows]
    assert len(ids) == len(set(ids)) == 8
    expressions = [row[0]["expression"] for row in rows if isinstance(row[0], dict)]
    assert expressions == [f"100 * dropped{n} / (inside{n} + outside{n})" for n in range(2)]
    assert all(row[-1]["visible"] is False for row in rows if isinstance(row[0], str))


def test_what_does_not_exist_has_no_graph() -> None:
    assert list(graphs_of(Facts())) == []
    alone = replace(EVERYTHING, tables=[replace(one, copied_to=[]) for one in EVERYTHING.tables])
    assert "Tables: way to the copy" not in [graph.title for graph in graphs_of(alone)]


def test_every_resource_has_a_line_of_its_own() -> None:
    lines = {graph.title: [line.label for line in graph.lines] for graph in graphs_of(EVERYTHING)}
    assert lines["NAT gateways: no port left"] == ["eu-west-1a", "eu-west-1b"]
    assert len(lines["Throttled by DynamoDB"]) == len(EVERYTHING.tables) * 2 * 2
    assert lines["Pods behind the load balancer"] == [
        f"{role}, {state}" for role in ("stable", "canary") for state in ("healthy", "unhealthy")
    ]


def test_callers_mistakes_are_shown_for_the_account_since_no_table_is_told_apart() -> None:
    (graph,) = [each for each in graphs_of(EVERYTHING) if "account" in each.title]
    figure = graph.lines[0].figure
    assert isinstance(figure, Metric)
    assert (figure.name, dict(figure.dimensions)) == ("UserErrors", {})


@pytest.mark.parametrize("count", [0, 5])
def test_more_regions_than_can_be_read_and_none_are_refused(count: int) -> None:
    with pytest.raises(InvalidAlarm, match="give 1 to 4"):
        dashboard_body([HERE] * count, None)


@pytest.mark.parametrize("preview", [False, True])
def test_the_dashboard_is_registered_under_the_environments_name(preview: bool) -> None:
    args = DashboardArgs(place=place(REGION), columns=[HERE, THERE], edge=AT_THE_EDGE)
    node = graph_of(lambda: Dashboard("dashboard", args), preview=preview).one("aws:cloudwatch/dashboard:Dashboard")
    assert (node.inputs["dashboardName"], node.region) == ("serveml-test-euw1", REGION)
    assert json.loads(node.inputs["dashboardBody"]) == dashboard_body([HERE, THERE], AT_THE_EDGE)
