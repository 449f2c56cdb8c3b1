"""What stands below a panel's lines: the colour, name and last value of each, in as many columns as fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.dashboards.shapes import INK, SMALL, USUAL, Answer, Axes, by_legend, line_color
from bench.dashboards.units import written
from components.observability.dashboards.panel import Panel

_TIME_POINTS, _ROW_POINTS = 14.0, 10.5
_POINTS_PER_INCH = 72
_CHARACTERS_PER_INCH = 15.5
_MOST = 8


@dataclass(frozen=True, kw_only=True)
class Legend:
    texts: Sequence[str]
    columns: int

    @property
    def inches(self) -> float:
        """Below the axes, with the times between."""
        return (_TIME_POINTS + self._rows * _ROW_POINTS) / _POINTS_PER_INCH

    @property
    def _rows(self) -> int:
        return -(-len(self.texts) // self.columns)

    def draw(self, axes: Axes) -> None:
        for place, text in enumerate(self.texts):
            column, row = divmod(place, self._rows)
            down = -_TIME_POINTS - _ROW_POINTS * (row + 0.5)
            at = {
                "xy": (column / self.columns, 0),
                "xycoords": "axes fraction",
                "textcoords": "offset points",
                "va": "center",
            }
            axes.annotate("\N{BLACK SQUARE}", xytext=(-18, down), color=line_color(place), fontsize=USUAL, **at)
            axes.annotate(text, xytext=(-8, down), color=INK, fontsize=SMALL, **at)


def legend(panel: Panel, answer: Answer, inches: float) -> Legend:
    """For axes of that width."""
    texts = [
        f"{name}  {written(series.samples[-1][1], panel.unit)}" for name, series in by_legend(panel, answer)[:_MOST]
    ]
    longest = max(map(len, texts), default=1)
    fit = max(int(inches * _CHARACTERS_PER_INCH / (longest + 4)), 1)
    return Legend(texts=texts, columns=min(fit, 3) if len(texts) > 2 else 1)
