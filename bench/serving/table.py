"""The figures as tables for a terminal, one for each scenario and one for the servers themselves."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from bench.serving.results import Record, Results, Scenario
from bench.serving.statistics import Spread

_NONE = "-"


def show(results: Results, console: Console) -> None:
    for scenario in results.scenarios:
        console.print(_scenario(results, scenario))
    console.print(_servers(results))
    for record in results.records:
        if record.excluded is not None:
            console.print(f"{record.name} is left out: {record.excluded}", style="yellow", markup=False)


def _scenario(results: Results, scenario: Scenario) -> Table:
    table = Table(title=scenario.name, title_justify="left")
    table.add_column("server")
    for column in (
        "requests/s",
        "least-most",
        "of floor",
        "of FastAPI",
        "of best peer",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "max ms",
        "CPU µs each",
        "errors",
        "refused",
        "others' CPU %",
    ):
        table.add_column(column, justify="right", no_wrap=True)
    for record in results.records:
        rate = record.rate(scenario)
        if rate is None:
            continue
        table.add_row(
            record.name,
            f"{rate.median:,.0f}",
            f"{rate.least:,.0f}-{rate.most:,.0f}",
            _number(results.to_floor(record, scenario), 3),
            _number(results.to_plain(record, scenario), 2),
            _number(results.to_best_peer(record, scenario), 2),
            *(_median(record.spread(scenario, figure), 2) for figure in ("p50_ms", "p95_ms", "p99_ms", "most_ms")),
            _median(record.spread(scenario, "cpu_us_per_request"), 0),
            str(record.total(scenario, "errors")),
            str(record.total(scenario, "refused")),
            _median(record.spread(scenario, "others_cpu_percent"), 0),
        )
    return table


def _servers(results: Results) -> Table:
    table = Table(title="the servers", title_justify="left")
    table.add_column("server")
    for column in ("version", "first answer s", "steady s", "processes", "PSS MiB", "RSS MiB", "PSS growth MiB/min"):
        table.add_column(column, justify="right", no_wrap=True)
    for record in results.records:
        table.add_row(
            record.name,
            record.version or _NONE,
            _median(record.life("seconds_to_first_answer"), 2),
            _median(record.life("seconds_to_steady"), 2),
            _median(record.life("processes"), 0),
            _median(record.life("pss_mib"), 0),
            _median(record.life("rss_mib"), 0),
            _growth(record, results),
        )
    return table


def _growth(record: Record, results: Results) -> str:
    at_rate = [scenario for scenario in results.scenarios if scenario.rate_per_second is not None]
    return _median(record.spread(at_rate[0], "pss_mib_per_minute"), 2) if at_rate else _NONE


def _median(spread: Spread | None, digits: int) -> str:
    return _number(spread.median if spread is not None else None, digits)


def _number(value: float | None, digits: int) -> str:
    return _NONE if value is None else f"{value:,.{digits}f}"
