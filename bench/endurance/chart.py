"""A report's panels as an SVG, one below the other: lines over time, or a dot for each trial, beside the target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bench.endurance.report import Panel, Report
from bench.serving.chart import text

_WIDTH, _HEIGHT = 860, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 34, 40
_COLOURS = ("#1a73e8", "#d93025", "#188038", "#f9ab00", "#9334e6", "#5f6368")
_TICKS = 5
_GREY = "#5f6368"


def render(report: Report) -> str:
    parts = [part for index, panel in enumerate(report.panels) for part in _panel(panel, index * _HEIGHT)]
    height = max(len(report.panels), 1) * _HEIGHT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def step(most: float) -> float:
    """The distance of a scale's marks, 1, 2 or 5 times a power of ten, so that about _TICKS of them reach `most`."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most / _TICKS))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * _TICKS >= most * 0.999)


class _Scale:
    """From a quantity that starts at zero to a coordinate."""

    def __init__(self, most: float, start: float, end: float) -> None:
        self.step = step(most)
        self.most = math.ceil(most / self.step * 0.999) * self.step or self.step
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        return self._start + value / self.most * (self._end - self._start)

    def marks(self) -> Iterator[float]:
        return (self.step * number for number in range(round(self.most / self.step) + 1))


def _panel(panel: Panel, top: float) -> Iterator[str]:
    points = [point for series in panel.series.values() for point in series]
    x = _Scale(max((at for at, _ in points), default=1), _LEFT, _WIDTH - _RIGHT)
    y = _Scale(max([value for _, value in points] + [panel.limit or 0]), top + _HEIGHT - _BOTTOM, top + _TOP)
    yield text(_LEFT, top + 20, panel.title, weight="bold")
    for mark in y.marks():
        yield f'<path d="M{_LEFT} {y(mark):.1f}H{_WIDTH - _RIGHT}" stroke="#e8eaed"/>'
        yield text(_LEFT - 6, y(mark) + 4, f"{mark:,.6g}", anchor="end", colour=_GREY)
    for mark in x.marks():
        yield text(x(mark), top + _HEIGHT - _BOTTOM + 15, f"{mark:,.6g}", anchor="middle", colour=_GREY)
    yield text(_WIDTH - _RIGHT, top + _HEIGHT - 10, panel.x, anchor="end", colour=_GREY)
    yield text(_LEFT - 6, top + _TOP - 8, panel.y, anchor="end", colour=_GREY)
    if panel.limit is not None:
        yield (
            f'<path d="M{_LEFT} {y(panel.limit):.1f}H{_WIDTH - _RIGHT}" stroke="#202124" stroke-dasharray="5 4"/>'
            + text(_WIDTH - _RIGHT + 8, y(panel.limit) + 4, "target")
        )
    for index, (name, series) in enumerate(panel.series.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        yield from _series(series, x, y, colour, dots=panel.dots)
        at = top + _TOP + 14 * index
        yield text(_WIDTH - 10, at + 4, name, anchor="end", colour=colour)


def _series(series: Sequence[tuple[float, float]], x: _Scale, y: _Scale, colour: str, *, dots: bool) -> Iterator[str]:
    if dots:
        for at, value in series:
            yield f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3.5" fill="{colour}"/>'
    elif series:
        line = "L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in series)
        yield f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
