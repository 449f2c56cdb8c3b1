"""The requests a second of every server as an SVG: a group of bars for each scenario, on a logarithmic scale."""

from __future__ import annotations

import math
from html import escape

from bench.serving.results import Record, Results, Scenario
from bench.serving.servers import FLOOR, OURS

_WIDTH, _LABELS, _RIGHT = 860, 110, 250
_BAR, _GAP, _TITLE = 18, 4, 34
_COLOURS = {FLOOR: "#9aa0a6", OURS: "#1a73e8"}
_PEER = "#d9b38c"


def render(results: Results) -> str:
    """Bars from 10 requests/s to the next power of ten; the line on a bar goes from the least to the most round."""
    scenarios = [scenario for scenario in results.scenarios if _measured(results, scenario)]
    most = max(
        (rate.most for s in scenarios for record in results.records if (rate := record.rate(s)) is not None),
        default=100,
    )
    decades = max(math.ceil(math.log10(most)), 2)
    parts: list[str] = []
    top = 10
    for scenario in scenarios:
        parts.append(text(10, top + 20, f"{scenario.name}: requests/s", weight="bold"))
        top += _TITLE
        for record in _measured(results, scenario):
            parts += _bar(results, record, scenario, top, decades)
            top += _BAR + _GAP
        top += 8
    parts.append(text(10, top + 16, f"logarithmic scale from 10 to {10**decades:,}", colour="#5f6368"))
    height = top + 30
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _measured(results: Results, scenario: Scenario) -> list[Record]:
    return [record for record in results.records if record.rate(scenario) is not None]


def _bar(results: Results, record: Record, scenario: Scenario, top: int, decades: int) -> list[str]:
    rate = record.rate(scenario)
    assert rate is not None
    left, end = _x(rate.least, decades), _x(rate.most, decades)
    middle, base = top + _BAR / 2, top + _BAR - 5
    to_floor, to_peer = results.to_floor(record, scenario), results.to_best_peer(record, scenario)
    said = f"{rate.median:,.0f}"
    said += f" · {to_floor:.3g} of floor" if to_floor is not None and record.name != FLOOR else ""
    said += f" · {to_peer:.3g} of best peer" if to_peer is not None and record.name == OURS else ""
    width = max(_x(rate.median, decades) - _LABELS, 1)
    return [
        text(_LABELS - 8, base, record.name, anchor="end"),
        f'<rect x="{_LABELS}" y="{top}" width="{width:.1f}" height="{_BAR}" '
        f'fill="{_COLOURS.get(record.name, _PEER)}"/>',
        f'<path d="M{left:.1f} {middle}H{end:.1f}" stroke="#202124"/>',
        text(max(end, _LABELS) + 8, base, said),
    ]


def _x(rate: float, decades: int) -> float:
    share = (math.log10(max(rate, 10)) - 1) / (decades - 1)
    return _LABELS + share * (_WIDTH - _LABELS - _RIGHT)


def text(
    x: float, y: float, said: str, *, weight: str = "normal", anchor: str = "start", colour: str = "#202124"
) -> str:
    """An element of an SVG."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" text-anchor="{anchor}" fill="{colour}">'
        f"{escape(said)}</text>"
    )
