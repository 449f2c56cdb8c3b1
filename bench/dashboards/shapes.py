"""One panel's answer as a picture: lines, a number, a table, bands or bars, as Grafana's kinds of panel show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from bench.dashboards.questions import Window, named
from bench.dashboards.units import written
from components.observability.dashboards.panel import Kind, Panel, Scale, Step, Unit
from ops.canary.prometheus import Series

Axes = Any
"""Matplotlib's; it has no types of its own that say more."""
Answer = Sequence[Sequence[Series]]

COLORS = {"green": "#3f8f4f", "yellow": "#d9a514", "orange": "#e07b28", "red": "#d2413a", "blue": "#3a6fb5"}
INK, FAINT, GRID = "#22252b", "#6b7280", "#e5e7eb"
SMALL, USUAL = 6.5, 8.0

_LINES = ("#3a6fb5", "#e07b28", "#3f8f4f", "#8b5fbf", "#d2413a", "#2a9d9d", "#c2477f", "#8a6d3b", "#6b7280", "#94b33d")
_HEADROOM = 1.15
_FAR = 4
_GAP_STEPS = 2.5
_FEWEST_BARS = 3
_BETWEEN_COLUMNS = 4
_MOST_ROW = 0.2


def timeseries(axes: Axes, panel: Panel, answer: Answer, window: Window) -> None:
    found = by_legend(panel, answer)
    minutes = [_minutes(series, window) for _, series in found]
    values = [np.array([value for _, value in series.samples]) for _, series in found]
    most = max((float(value.max()) for value in values), default=0.0)
    least = min((float(value.min()) for value in values), default=0.0)
    if panel.stacked and found:
        most = _stack(axes, minutes, values, window)
    else:
        for place, (at, value) in enumerate(zip(minutes, values, strict=True)):
            axes.plot(*_with_gaps(at, value, window), color=line_color(place), linewidth=1.2)
    # A limit far above the lines would flatten them.
    steps = [step for step in panel.scale.steps if step.value <= most * _FAR] if panel.scale else list[Step]()
    for step in steps:
        axes.axhline(step.value, color=COLORS[step.color], linewidth=0.9, linestyle=(0, (4, 3)))
    top = max([most, *(step.value for step in steps)]) * _HEADROOM
    axes.set_ylim(min(least * _HEADROOM, 0), panel.whole or top or 1.0)
    _time_axis(axes, window)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=panel.unit == "none" and most > 1))
    axes.yaxis.set_major_formatter(_formatter(panel.unit))
    axes.grid(axis="y", color=GRID, linewidth=0.6)


def stat(axes: Axes, panel: Panel, answer: Answer, window: Window) -> None:
    samples = [sample for found in answer for series in found for sample in series.samples]
    axes.axis("off")
    if not samples:
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color=FAINT, fontsize=USUAL)
        return
    value = samples[-1][1]
    color = _color(value, panel.scale)
    at = np.array([at for at, _ in samples])
    values = np.array([value for _, value in samples])
    spread = float(values.max() - values.min()) or 1.0
    axes.fill_between(at, (values - values.min()) / spread * 0.32 + 0.02, 0, color=color, alpha=0.18, linewidth=0)
    axes.set_xlim(window.begin_ms, window.end_ms)
    axes.set_ylim(0, 1)
    axes.text(0.5, 0.6, written(value, panel.unit), transform=axes.transAxes, ha="center", va="center",
              color=color, fontsize=17, fontweight="bold")  # fmt: skip


def heatmap(axes: Axes, panel: Panel, answer: Answer, window: Window) -> None:
    bounds = sorted(answer[0], key=lambda series: float(series.labels["le"]))
    steps = np.arange(window.begin_ms, window.end_ms + 1, window.step_seconds * 1000)
    below = np.array([np.interp(steps, *_columns(series), left=0) for series in bounds])
    cells = np.maximum(np.diff(below, axis=0, prepend=0), 0)
    minutes = (steps - window.begin_ms) / 60_000
    axes.pcolormesh(minutes, np.arange(len(bounds)), np.sqrt(cells), cmap="Blues", shading="nearest")
    labels = [series.labels["le"] for series in bounds]
    axes.set_yticks(
        range(len(bounds)), [_bound(text, panel) for text in labels], fontsize=SMALL if len(bounds) < 10 else 5.5
    )
    _time_axis(axes, window)


def bargauge(axes: Axes, panel: Panel, answer: Answer, window: Window) -> None:
    found = [(name, series.samples[-1][1]) for name, series in by_legend(panel, answer) if series.samples]
    lines = max(len(found), _FEWEST_BARS)
    places = lines - 1 - np.arange(len(found))
    values = [value for _, value in found]
    whole = panel.whole or max(values, default=1.0)
    axes.barh(places, [whole] * len(found), color=GRID, height=0.5)
    axes.barh(places, values, color=[_color(value, panel.scale) for value in values], height=0.5)
    for place, (name, value) in zip(places, found, strict=True):
        axes.text(0, place + 0.36, name, fontsize=SMALL, color=INK, va="bottom")
        axes.text(whole, place + 0.36, written(value, panel.unit), fontsize=SMALL, color=INK, va="bottom", ha="right")
    axes.set_xlim(0, whole)
    axes.set_ylim(-0.8, lines - 0.1)
    axes.axis("off")


def table(axes: Axes, panel: Panel, answer: Answer, window: Window) -> None:
    """A row for each set of labels, a column for each label and each query."""
    labels = sorted({label for found in answer for series in found for label in series.labels})
    rows: dict[tuple[str, ...], dict[int, float]] = {}
    for place, found in enumerate(answer):
        for series in found:
            row = rows.setdefault(tuple(series.labels.get(label, "") for label in labels), {})
            # What is no number, such as a percentile of nothing, is left empty.
            if series.samples:
                row[place] = series.samples[-1][1]
    units: list[Unit] = [query.unit or panel.unit for query in panel.queries]
    texts = [
        [*key, *(written(row[place], unit) if place in row else "" for place, unit in enumerate(units))]
        for key, row in sorted(rows.items())
    ]
    headings = [*labels, *(query.legend for query in panel.queries)]
    lines = [[heading.replace("_", " ") for heading in headings], *texts]
    lengths = [max(len(line[column]) for line in lines) + _BETWEEN_COLUMNS for column in range(len(headings))]
    lefts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) / sum(lengths)
    axes.axis("off")
    step = min(1 / len(lines), _MOST_ROW)
    for place, line in enumerate(lines):
        height = 1 - step * (place + 0.5)
        style = {"color": INK} if place else {"color": FAINT, "fontweight": "bold"}
        for left, text in zip(lefts, line, strict=True):
            axes.text(left + 0.005, height, text, transform=axes.transAxes, va="center", fontsize=SMALL + 0.5, **style)
        axes.axhline(height - step / 2, color=GRID, linewidth=0.6)
    axes.set_ylim(0, 1)


SHAPES: dict[Kind, Callable[[Axes, Panel, Answer, Window], None]] = {
    "timeseries": timeseries,
    "stat": stat,
    "heatmap": heatmap,
    "bargauge": bargauge,
    "table": table,
}


def by_legend(panel: Panel, answer: Answer) -> list[tuple[str, Series]]:
    """What has samples, in the order in which it is drawn, with its name."""
    return [
        (named(query.legend, series) or "value", series)
        for query, found in zip(panel.queries, answer, strict=True)
        for series in sorted(found, key=lambda series: sorted(series.labels.items()))
        if series.samples
    ]


def _minutes(series: Series, window: Window) -> Any:
    return np.array([(at - window.begin_ms) / 60_000 for at, _ in series.samples])


def _with_gaps(minutes: Any, values: Any, window: Window) -> tuple[Any, Any]:
    """A line is not drawn over a time from which there is nothing."""
    missing = np.flatnonzero(np.diff(minutes) > window.step_seconds * _GAP_STEPS / 60) + 1
    return np.insert(minutes, missing, np.nan), np.insert(values, missing, np.nan)


def _columns(series: Series) -> tuple[list[int], list[float]]:
    return [at for at, _ in series.samples], [value for _, value in series.samples]


def _stack(axes: Axes, minutes: list[Any], values: list[Any], window: Window) -> float:
    """Returns the height of the whole stack."""
    steps = np.arange(0, (window.end_ms - window.begin_ms) / 60_000, window.step_seconds / 60)
    given = zip(minutes, values, strict=True)
    layers: list[Any] = [np.interp(steps, at, value, left=0, right=0) for at, value in given]
    colors = [line_color(place) for place in range(len(layers))]
    axes.stackplot(steps, layers, colors=colors, alpha=0.55, linewidth=0)
    return float(np.sum(layers, axis=0).max())


def line_color(place: int) -> str:
    return _LINES[place % len(_LINES)]


def _color(value: float, scale: Scale | None) -> str:
    if scale is None:
        return INK
    reached = [step.color for step in scale.steps if value >= step.value]
    return COLORS[reached[-1] if reached else scale.base]


def _bound(text: str, panel: Panel) -> str:
    return "more" if text == "+Inf" else written(float(text), panel.unit)


def _time_axis(axes: Axes, window: Window) -> None:
    axes.set_xlim(0, (window.end_ms - window.begin_ms) / 60_000)
    axes.xaxis.set_major_formatter(_minute)
    axes.tick_params(labelsize=SMALL, colors=FAINT, length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _formatter(unit: Unit) -> Callable[[float, int], str]:
    def formatted(value: float, _: int) -> str:
        return written(value, unit)

    return formatted


def _minute(value: float, _: int) -> str:
    return f"{value:g} min"
