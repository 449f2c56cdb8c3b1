"""Every panel has something to show over real pods: their own metrics, our rules, and samples of a cluster's exporters.

The samples carry the exporters' names and labels, which a cluster would fill with figures of its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from bench.dashboards.callers import Mix
from bench.dashboards.cluster import DEPLOYMENT
from bench.dashboards.questions import Asking, silent
from bench.dashboards.world import FIRST, World, world
from components.observability.dashboards.catalogue import DASHBOARDS, EXAMPLE
from components.observability.dashboards.panel import Dashboard, Panel
from contract.objects import Version
from localcloud import prometheus
from ops.demo_model import NAME

pytestmark = [
    pytest.mark.skipif(not prometheus.is_there(), reason=prometheus.ABSENT),
    pytest.mark.xdist_group("dashboards-live"),
]

TRIED = Version(1, 1, 0)
PATIENCE_SECONDS = 45
BOARDS = {name: make(EXAMPLE) for name, make in DASHBOARDS.items()}
PANELS = [
    pytest.param(board, panel, id=f"{name}: {panel.title}") for name, board in BOARDS.items() for panel in board.panels
]

# Counts and shares of what went wrong: a reader must see 0, not an empty panel that may as well be broken.
WRONG = {
    "api-overview": ["Failed", "Failed and refused", "Failed by pod", "Worker processes replaced"],
    "infrastructure": ["Pods not ready", "Restarts", "Held back by the CPU limit"],
    "ml-metrics": [
        "Failed by version",
        "Copies that differ",
        "Versions that could not be loaded or run",
        "Features and response cache that fail",
    ],
    "slo": ["Burn rate of the availability budget"],
}
CHOICES = {
    "infrastructure": {"namespace": "ml-system", "deployment": DEPLOYMENT},
    "ml-metrics": {"model": NAME, "version": str(TRIED)},
}


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    """Two pods, one version on trial, and callers that make no mistakes."""
    with world(Mix(per_second=25), pods=2, every_seconds=1) as made:
        made.publish(TRIED)
        made.try_version(TRIED)
        yield made


@pytest.fixture(scope="module")
def asking(running: World) -> Asking:
    """Once nothing is silent any more, or patience has run out."""
    found, deadline = Asking(running.address), time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not any(silent(found.now(panel, board, now_ms())) for board in BOARDS.values() for panel in board.panels):
            break
        time.sleep(1)
    return found


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_every_query_of_a_panel_is_answered_with_figures(asking: Asking, board: Dashboard, panel: Panel) -> None:
    assert silent(asking.now(panel, board, now_ms())) == []


@pytest.mark.parametrize(("name", "title"), [(name, title) for name, titles in WRONG.items() for title in titles])
def test_what_did_not_go_wrong_is_shown_as_zero(asking: Asking, running: World, name: str, title: str) -> None:
    [panel] = [panel for panel in BOARDS[name].panels if panel.title == title]
    found = asking.now(panel, BOARDS[name], now_ms())
    if running.callers.failed:
        pytest.skip("this machine was too busy to answer every request")
    assert silent(found) == []
    assert {value for series in found for one in series for _, value in one.samples} == {0.0}


def test_a_budget_of_which_nothing_was_spent_is_whole(asking: Asking, running: World) -> None:
    found = asking.query('slo:error_budget_left:ratio{slo="availability"}', now_ms())
    if running.callers.failed:
        pytest.skip("this machine was too busy to answer every request")
    assert found[0].samples[0][1] == 1.0


def test_the_version_on_trial_stands_beside_the_stable_one(asking: Asking) -> None:
    board = BOARDS["ml-metrics"]
    [panel] = [panel for panel in board.panels if panel.title == "Versions"]
    columns = dict(zip([query.legend for query in panel.queries], asking.now(panel, board, now_ms()), strict=True))
    rows = {
        name: {series.labels["model_version"]: series.samples[0][1] for series in found}
        for name, found in columns.items()
    }
    assert all(set(row) == {str(FIRST), str(TRIED)} for row in rows.values())
    assert rows["current on"] == {str(FIRST): 2.0, str(TRIED): 0.0}
    # One request in ten, of few.
    assert 0 < rows["share"][str(TRIED)] < 0.5 < rows["share"][str(FIRST)] < 1


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_columns_of_a_table_come_together_by_labels_that_they_share(
    asking: Asking, board: Dashboard, panel: Panel
) -> None:
    if panel.kind != "table":
        return
    found = asking.now(panel, board, now_ms())
    names = [{frozenset(series.labels) for series in one} for one in found]
    assert all(labels == names[0] for labels in names)
    assert not any("__name__" in label for labels in names[0] for label in labels)


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_leaves_its_own_series_and_no_others(asking: Asking, name: str) -> None:
    board, seen = BOARDS[name], 0
    for panel in board.panels:
        for found in asking.now(panel, board, now_ms(), CHOICES[name]):
            for series in found:
                for label, chosen in (("model_version", TRIED), ("namespace", "ml-system"), ("deployment", DEPLOYMENT)):
                    if label in series.labels:
                        seen += 1
                        assert series.labels[label] == str(chosen), panel.title
    assert seen


@pytest.mark.parametrize(
    ("board", "number"),
    [(name, number) for name, board in BOARDS.items() for number in range(len(board.variables))],
)
def test_there_is_something_to_choose(asking: Asking, board: str, number: int) -> None:
    dashboard = BOARDS[board]
    variable = dashboard.variables[number]
    match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable.values)
    assert match is not None
    selector = match[1]
    for other in dashboard.variables:
        selector = selector.replace(f"${other.name}", ".*")
    found = asking.query(f"group by ({match[2]}) ({selector})", now_ms())
    assert [series.labels[match[2]] for series in found if series.labels]


def test_the_watchdog_shows_that_alerts_are_evaluated(asking: Asking) -> None:
    board = BOARDS["api-overview"]
    [panel] = [panel for panel in board.panels if panel.title == "What fires"]
    [found] = asking.now(panel, board, now_ms())
    assert "Watchdog" in {series.labels["alertname"] for series in found}
