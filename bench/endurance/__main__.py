"""`python -m bench.endurance PART`: the container over time or in trouble, as a table and a chart."""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from bench.endurance import away, chart, kill, overload, soak, start, stops, terminal
from bench.endurance.load import LoadFailed
from bench.endurance.report import Findings, Report
from bench.endurance.stage import Stage, staged
from bench.endurance.terminal import Steps
from bench.serving import invocation
from bench.serving.environments import ROOT
from bench.serving.launch import Excluded
from localcloud.moto_server import ServerFailed

TARGET_MISSED = 1
CANNOT_MEASURE = 2
INTERRUPTED = 130
_OPEN_FILES = 16_384
"""This process and the containers it starts hold a file for each connection."""

Variables = Annotated[
    list[str] | None, typer.Option("--our-variable", help="NAME=VALUE for the container's process; repeatable.")
]
Headers = Annotated[list[str] | None, typer.Option("--our-header", help="NAME=VALUE sent with requests; repeatable.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
ResultsDir = Annotated[Path, typer.Option("--results", help="Where the JSON and the chart are written.")]
Trials = Annotated[int, typer.Option(min=1, max=1000)]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes of the container that serve.")]
Rate = Annotated[int, typer.Option("--rate", min=1, max=50_000, help="Requests/s that are due, whatever happens.")]

RESULTS = ROOT / "bench" / "results"
TP = TypeVar("TP")

app = typer.Typer(
    help="Measure the serving container over time and in trouble. Ends with 1 when a target was missed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command("soak")
def soak_(
    rate: Rate = 1000,
    seconds: Annotated[int, typer.Option(min=1, max=86_400)] = 600,
    connections: Annotated[int, typer.Option(min=1, max=1000, help="Opened beforehand.")] = 64,
    workers: Workers = 2,
    settle_seconds: Annotated[float, typer.Option(min=0, help="Memory counts from then on.")] = 60,
    our_variables: Variables = None,
    our_headers: Headers = None,
    as_json: AsJson = False,
    results: ResultsDir = RESULTS,
) -> None:
    """Single rows at a fixed rate: latency, errors, growth of memory."""
    plan = soak.Soak(
        per_second=rate, seconds=seconds, connections=connections, workers=workers, settle_seconds=settle_seconds
    )
    _measure("soak", soak.run, plan, our_variables, our_headers, as_json, results)


@app.command("overload")
def overload_(
    rows: Annotated[int, typer.Option(min=1, max=100_000, help="In a request.")] = 100,
    connections: Annotated[int, typer.Option(min=1, max=8000, help="Opened beforehand.")] = 1000,
    max_connections: Annotated[int, typer.Option(min=1, max=8000, help="Opened at the most.")] = 3000,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Of the overload.")] = 60,
    around_seconds: Annotated[float, typer.Option(min=4, max=3600, help="Before and after it.")] = 15,
    capacity_seconds: Annotated[float, typer.Option(min=0.5, max=600, help="Of each closed loop.")] = 4,
    our_variables: Variables = None,
    our_headers: Headers = None,
    as_json: AsJson = False,
    results: ResultsDir = RESULTS,
) -> None:
    """Twice the capacity of one worker, then half: who is refused, how long others wait, how soon it is over."""
    plan = overload.Overload(
        rows=rows,
        connections=connections,
        max_connections=max(connections, max_connections),
        capacity_seconds=capacity_seconds,
        around_seconds=around_seconds,
        seconds=seconds,
    )
    _measure("overload", overload.run, plan, our_variables, our_headers, as_json, results)


@app.command("stops")
def stops_(
    trials: Trials = 20,
    rate: Rate = 500,
    workers: Workers = 1,
    drain_seconds: Annotated[int, typer.Option(min=1, max=60)] = 2,
    our_variables: Variables = None,
    our_headers: Headers = None,
    as_json: AsJson = False,
    results: ResultsDir = RESULTS,
) -> None:
    """SIGTERM under load, behind a balancer that follows readiness: failed requests, time to exit."""
    plan = stops.Stops(trials=trials, per_second=rate, workers=workers, drain_seconds=drain_seconds)
    _measure("stops", stops.run, plan, our_variables, our_headers, as_json, results)


@app.command("kill")
def kill_(
    trials: Trials = 20,
    rate: Rate = 500,
    our_variables: Variables = None,
    our_headers: Headers = None,
    as_json: AsJson = False,
    results: ResultsDir = RESULTS,
) -> None:
    """kill -9 of a worker under load: which requests fail, and how soon another answers."""
    _measure("kill", kill.run, kill.Kill(trials=trials, per_second=rate), our_variables, our_headers, as_json, results)


@app.command("away")
def away_(
    trials: Trials = 5,
    workers: Workers = 2,
    our_variables: Variables = None,
    our_headers: Headers = None,
    as_json: AsJson = False,
    results: ResultsDir = RESULTS,
) -> None:
    """Starts from the cache while S3 refuses connections, or never answers."""
    _measure("away", away.run, away.Away(trials=trials, workers=workers), our_variables, our_headers, as_json, results)


@app.command("start")
def start_(
    trials: Trials = 10,
    workers: Workers = 2,
    our_variables: Variables = None,
    our_headers: Headers = None,
    as_json: AsJson = False,
    results: ResultsDir = RESULTS,
) -> None:
    """From the process's start to the first right answer, with an empty cache and a filled one."""
    plan = start.Starts(trials=trials, workers=workers)
    _measure("start", start.run, plan, our_variables, our_headers, as_json, results)


def _measure(
    part: str,
    run: Callable[[Stage, TP, Steps], Findings],
    plan: TP,
    our_variables: list[str] | None,
    our_headers: list[str] | None,
    as_json: bool,
    results: Path,
) -> None:
    variables = invocation.pairs(our_variables, "--our-variable")
    headers = invocation.pairs(our_headers, "--our-header")
    progress = Console(stderr=True)
    _allow_open_files()
    try:
        with terminal.steps(progress) as steps:
            steps.begin("training and publishing the model", 1)
            with staged(variables, headers) as stage:
                found = run(stage, plan, steps)
    except (Excluded, LoadFailed, ServerFailed, OSError) as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        progress.print("interrupted: every process that was started is ended, nothing is written")
        raise typer.Exit(INTERRUPTED) from None
    report = Report(
        part=part,
        machine=invocation.machine(),
        command=invocation.command("bench.endurance"),
        settings=_settings(plan),
        targets=found.targets,
        tables=found.tables,
        panels=found.panels,
    )
    results.mkdir(parents=True, exist_ok=True)
    (results / f"endurance-{part}.json").write_text(report.as_json() + "\n")
    (results / f"endurance-{part}.svg").write_text(chart.render(report))
    if as_json:
        print(report.as_json())
    else:
        terminal.show(report, Console(width=None if sys.stdout.isatty() else 170))
    if not report.all_met:
        raise typer.Exit(TARGET_MISSED)


def _settings(plan: Any) -> dict[str, float | int | str | None]:
    return asdict(plan)


def _allow_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(CANNOT_MEASURE)


def main() -> None:
    # So that SIGTERM, too, leaves through the context managers that end what was started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app()


if __name__ == "__main__":
    main()
