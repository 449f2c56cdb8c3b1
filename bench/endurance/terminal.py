"""A report on a terminal, and how far a part has come while it runs."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.endurance.report import Figure, Report

_PER_SECOND = 2
"""Redraws: each takes processor time from what is measured."""


class Steps:
    """Counts a part's seconds or trials; on no terminal, one line for each thing said."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._task = progress.add_task("", total=None)

    def begin(self, said: str, total: float) -> None:
        self._progress.reset(self._task, description=said, total=total)
        if not self._console.is_terminal:
            self._console.print(said, highlight=False, markup=False)

    def at(self, completed: float, said: str | None = None) -> None:
        self._progress.update(self._task, completed=completed)
        if said is not None:
            self._progress.console.print(said, highlight=False, markup=False)


@contextmanager
def steps(console: Console) -> Generator[Steps]:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeElapsedColumn()
    progress = Progress(
        *columns, console=console, refresh_per_second=_PER_SECOND, transient=True, disable=not console.is_terminal
    )
    with progress:
        yield Steps(progress, console)


def show(report: Report, console: Console) -> None:
    for found in report.tables:
        table = Table(title=found.title, title_justify="left")
        names = list(found.rows[0]) if found.rows else []
        for name in names:
            table.add_column(name, justify="left" if _is_text(found.rows[0][name]) else "right")
        for row in found.rows:
            table.add_row(*(written(row[name]) for name in names))
        console.print(table)
    verdict = Table(title=f"{report.part}: targets", title_justify="left")
    for name in ("target", "measured", "limit", ""):
        verdict.add_column(name, justify="left" if name in ("target", "") else "right")
    for target in report.targets:
        unit = f" {target.unit}" if target.unit else ""
        limit = f"< {written(target.limit)}{unit}" if target.limit else "none"
        verdict.add_row(
            target.name,
            written(target.measured) + (unit if target.measured is not None else ""),
            limit,
            "[green]met[/]" if target.met else "[red]missed[/]",
        )
    console.print(verdict)


def written(figure: Figure) -> str:
    """A number with as many digits as tell something."""
    if figure is None:
        return "-"
    if isinstance(figure, float) and not figure.is_integer():
        return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:,.3g}" if abs(figure) < 100 else f"{figure:,.1f}"
    return figure if isinstance(figure, str) else f"{figure:,.0f}"


def _is_text(figure: Figure) -> bool:
    return isinstance(figure, str)
