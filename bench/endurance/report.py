"""What a part found: targets met or missed, tables of figures, and panels for the chart; as JSON, too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

Figure = float | int | str | None


@dataclass(frozen=True, kw_only=True)
class Target:
    """One line of the verdict."""

    name: str
    measured: float | None
    limit: float
    unit: str
    met: bool


def below(name: str, measured: float | None, limit: float, unit: str) -> Target:
    """Met by less than the limit; missed without a measurement."""
    return Target(name=name, measured=measured, limit=limit, unit=unit, met=measured is not None and measured < limit)


def none_of(name: str, count: int) -> Target:
    return Target(name=name, measured=count, limit=0, unit="", met=count == 0)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Each row has the same figures, by name."""

    title: str
    rows: Sequence[Mapping[str, Figure]]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One diagram: lines over time, or a dot for each trial."""

    title: str
    x: str
    y: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    limit: float | None = None
    """A target, drawn as a line across."""
    dots: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    part: str
    machine: Mapping[str, object]
    command: str
    settings: Mapping[str, Figure]
    targets: Sequence[Target]
    tables: Sequence[Table]
    panels: Sequence[Panel]

    @property
    def all_met(self) -> bool:
        return all(target.met for target in self.targets)

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A part's own share of a report."""

    targets: Sequence[Target]
    tables: Sequence[Table]
    panels: Sequence[Panel]


def trials(part: str, title: str, y: str, values: Mapping[str, Sequence[float]], limit: float | None) -> Panel:
    """A panel with a dot for each trial's figure."""
    series = {name: [(number + 1.0, value) for number, value in enumerate(found)] for name, found in values.items()}
    return Panel(title=f"{part}: {title}", x="trial", y=y, series=series, limit=limit, dots=True)
