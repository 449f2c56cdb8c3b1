"""The pictures of the dashboards: every kind of panel is drawn from answers, in units that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from bench.dashboards.drawing import DPI, WIDTH_INCHES, draw
from bench.dashboards.questions import Window, asked, named, silent
from bench.dashboards.units import written
from components.observability.dashboards.catalogue import DASHBOARDS, EXAMPLE
from components.observability.dashboards.panel import Dashboard, Panel, Query, Unit
from ops.canary.prometheus import Series

WINDOW = Window(1_700_000_000_000, 1_700_000_600_000, 60)
MOST_BYTES = 400 * 1024
PICTURES = Path(__file__).parents[3] / "docs" / "images"


def answered(panel: Panel) -> list[list[Series]]:
    """Two series for each query, one of which has a gap; a histogram's bounds for a heatmap."""
    steps = range(WINDOW.begin_ms, WINDOW.end_ms, WINDOW.step_seconds * 1000)
    labels = [{"le": "0.1", "pod": "a"}, {"le": "+Inf", "pod": "b"}]
    whole = tuple((at, float(place)) for place, at in enumerate(steps))
    return [
        [Series(labels=labels[0], samples=whole), Series(labels=labels[1], samples=whole[:3] + whole[7:])]
        for _ in panel.queries
    ]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_drawn_whether_its_panels_have_an_answer_or_none(name: str, tmp_path: Path) -> None:
    board = DASHBOARDS[name](EXAMPLE)
    full = [answered(panel) for panel in board.panels]
    empty: list[list[list[Series]]] = [
        [[] for _ in panel.queries] if panel.kind != "heatmap" else answered(panel) for panel in board.panels
    ]
    sizes = [_drawn(board, answers, tmp_path / f"{len(answers[0])}.png") for answers in (full, empty)]
    assert sizes[0] == sizes[1]
    assert sizes[0][0] == round(WIDTH_INCHES * DPI)


def _drawn(board: Dashboard, answers: list[list[list[Series]]], path: Path) -> tuple[int, int]:
    draw(board, answers, answers, WINDOW, path)
    with Image.open(path) as picture:
        return picture.size


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_pictures_in_the_documentation_are_small_enough_and_named_in_it(name: str) -> None:
    path = PICTURES / f"dashboard-{name}.png"
    assert path.stat().st_size < MOST_BYTES
    assert f"(images/{path.name})" in (PICTURES.parent / "dashboards.md").read_text()


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (1.5, "s", "1.5 s"),
        (0.00004, "s", "40 µs"),
        (0.0, "s", "0 s"),
        (0.001, "percentunit", "0.1%"),
        (0.9995, "percentunit", "99.95%"),
        (1.0, "percentunit", "100%"),
        (-0.5, "percentunit", "-50%"),
        (123.4, "reqps", "123 req/s"),
        (250 * 1024.0**2, "bytes", "250 MiB"),
        (2048.0, "bytes", "2 KiB"),
        (1_500_000.0, "Bps", "1.5 MB/s"),
        (14.4, "suffix:x", "14.4 x"),
        (3.0, "none", "3"),
        (0.0234, "none", "0.0234"),
        (0.00000095, "none", "9.5e-07"),
    ],
)
def test_a_value_is_written_in_its_unit(value: float, unit: Unit, text: str) -> None:
    assert written(value, unit) == text


def test_choices_and_labels_come_in_the_place_of_their_names() -> None:
    board = DASHBOARDS["ml-metrics"](EXAMPLE)
    query = Query(expression='up{model=~"$model",model_version=~"$version"}')
    assert asked(query, board) == 'up{model=~".*",model_version=~".*"}'
    assert asked(query, board, {"version": "1.1.0"}) == 'up{model=~".*",model_version=~"1.1.0"}'
    assert named("{{pod}} of {{node}}", Series(labels={"pod": "a", "node": "n"}, samples=())) == "a of n"


def test_a_query_without_a_single_sample_is_silent() -> None:
    spoken = Series(labels={}, samples=((1, 1.0),))
    assert silent([[spoken], [], [Series(labels={}, samples=())]]) == [1, 2]
