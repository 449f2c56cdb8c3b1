"""A dashboard as one picture, its panels in the places that Grafana gives them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, cast

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from PIL import Image

from bench.dashboards.legend import Legend, legend
from bench.dashboards.questions import Window
from bench.dashboards.shapes import FAINT, GRID, INK, SHAPES, SMALL, USUAL
from bench.dashboards.story import Answers
from components.observability.dashboards.document import document
from components.observability.dashboards.panel import COLUMNS, Dashboard, Panel

WIDTH_INCHES, DPI = 15.0, 110
_CELL_INCHES = 0.36
_HEAD_INCHES = 0.55
_GAP = 0.06
_COLORS = 256

# Inches of a panel that its title and what stands beside its axes take.
_TITLE, _LEFT, _RIGHT, _TIMES = 0.3, 0.62, 0.14, 0.2
_BARE = ("stat", "table", "bargauge")

Box = tuple[float, float, float, float]
"""Left, top or bottom, width and height."""


def draw(board: Dashboard, over: Answers, at_the_end: Answers, window: Window, path: Path) -> None:
    """Write a PNG of what the panels were answered; tables and bars show the end of the time."""
    placed = cast(list[dict[str, Any]], document(board, "")["panels"])
    cells = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in placed)
    height = cells * _CELL_INCHES + _HEAD_INCHES
    figure = cast(Any, Figure(figsize=(WIDTH_INCHES, height), dpi=DPI, facecolor="white"))
    figure.text(0.01, 1 - 0.22 / height, board.title, fontsize=14, fontweight="bold", color=INK, va="center")
    figure.text(0.99, 1 - 0.22 / height, board.description, fontsize=USUAL, color=FAINT, va="center", ha="right")
    of_panel = iter(zip(board.panels, over, at_the_end, strict=True))
    for place in placed:
        at = place["gridPos"]
        left, top = at["x"] / COLUMNS * WIDTH_INCHES, _HEAD_INCHES + at["y"] * _CELL_INCHES
        box = (left, top, at["w"] / COLUMNS * WIDTH_INCHES, at["h"] * _CELL_INCHES)
        if place["type"] == "row":
            middle = 1 - (top + box[3] / 2) / height
            figure.text(0.01, middle, place["title"], fontsize=9.5, fontweight="bold", color=INK, va="center")
            continue
        panel, series, last = next(of_panel)
        names = legend(panel, series, box[2] - _LEFT - _RIGHT) if panel.kind == "timeseries" else None
        axes = _frame(figure, panel, box, height, names)
        SHAPES[panel.kind](axes, panel, last if panel.kind in ("table", "bargauge") else series, window)
        if names is not None:
            names.draw(axes)
    FigureCanvasAgg(figure).print_png(path)
    # Few colours are enough, and take a third of the space.
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(_COLORS).save(path, optimize=True)


def _frame(figure: Any, panel: Panel, box: Box, height: float, names: Legend | None) -> Any:
    """The panel's border and title, and the axes within it; `box` is in inches from the top left."""
    left, top, width, tall = box

    def part(x: float, y: float, w: float, h: float) -> Box:
        """In shares of the figure, from its lower left corner."""
        return x / WIDTH_INCHES, 1 - (y + h) / height, w / WIDTH_INCHES, h / height

    x, y, w, h = part(left + _GAP, top + _GAP, width - 2 * _GAP, tall - 2 * _GAP)
    border = FancyBboxPatch((x, y), w, h, boxstyle="square,pad=0", facecolor="white", edgecolor=GRID, linewidth=1)
    border.set_zorder(-1)
    figure.add_artist(border)
    title = textwrap.shorten(panel.title, width=max(int(width * 12), 12), placeholder=" …")
    figure.text(
        (left + 2.4 * _GAP) / WIDTH_INCHES, 1 - (top + _GAP + 0.16) / height, title, fontsize=USUAL, color=INK,
        fontweight="bold", va="center",
    )  # fmt: skip
    if panel.kind in _BARE:
        margin = 2.4 * _GAP
        inner = part(left + margin, top + _TITLE + _GAP, width - 2 * margin, tall - _TITLE - 3 * _GAP)
        return figure.add_axes(inner)
    below = names.inches if names else _TIMES
    axes = figure.add_axes(
        part(left + _LEFT, top + _TITLE + _GAP, width - _LEFT - _RIGHT, tall - _TITLE - 3 * _GAP - below)
    )
    axes.tick_params(labelsize=SMALL)
    return axes
