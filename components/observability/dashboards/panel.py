"""What a dashboard is made of: rows of panels with their queries. How Grafana writes it down is left to `document`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.observability.rules.limits import Limits

Kind = Literal["timeseries", "stat", "table", "heatmap", "bargauge"]

Unit = Literal["none", "reqps", "s", "percentunit", "bytes", "Bps", "suffix:CPU", "suffix:x"]
"""Grafana's names (@grafana/data 13.1.1, valueFormats/categories); what follows `suffix:` stands behind the value."""

Color = Literal["green", "yellow", "orange", "red", "blue"]

COLUMNS = 24
"""Of Grafana's grid."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """One expression of PromQL; `$model` and the like stand for the dashboard's variables."""

    expression: str
    legend: str = ""
    """Names a series by its labels, as `{{pod}}`; the heading of a table's column."""
    unit: Unit | None = None
    """Of a table's column, where it is not the panel's."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """From which value on a colour holds."""

    value: float
    color: Color


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Colours by value; panels over time draw a line at each step."""

    base: Color
    steps: Sequence[Step]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One question, and what answers it."""

    title: str
    description: str
    """What is seen, and what to make of it: a sentence or two."""
    kind: Kind
    unit: Unit
    queries: Sequence[Query]
    scale: Scale | None = None
    runbooks: Sequence[str] = ()
    """Pages of the alerts on the same figures, without folder and ending."""
    stacked: bool = False
    whole: float | None = None
    """The largest value that there can be; the smallest is 0 then."""
    decimals: int | None = None
    """Where Grafana would round off what matters."""
    width: int = 8
    height: int = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What the reader chooses; any number of values, and all of them at first."""

    name: str
    label: str
    values: str
    """A query for them in Grafana's form: `label_values(series, label)`."""


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = ()
    shown: str = "3h"
    """How far back it looks at first."""

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row.panels]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What dashboards take from the environment."""

    limits: Limits
    """Those that the alerts compare with: lines and colours say the same."""
    runbooks: str
    """Address of the folder with the runbooks."""


def bad_above(value: float, *, doubtful: float | None = None) -> Scale:
    """Green, red from a value on, and yellow before that from another on."""
    before = [] if doubtful is None else [Step(value=doubtful, color="yellow")]
    return Scale(base="green", steps=[*before, Step(value=value, color="red")])


def bad_below(value: float, *, doubtful: float | None = None) -> Scale:
    """Red below a value, green from it on, or from another on with yellow between."""
    if doubtful is None:
        return Scale(base="red", steps=[Step(value=value, color="green")])
    return Scale(base="red", steps=[Step(value=value, color="yellow"), Step(value=doubtful, color="green")])
