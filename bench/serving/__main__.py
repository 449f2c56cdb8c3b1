"""`python -m bench.serving`: measures the container beside the floor and its peers, and writes a table and a chart."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from bench.serving import chart, invocation, servers, table, wrk
from bench.serving.environments import ROOT, NotInstalled, prepare
from bench.serving.measure import Bench, Effort
from bench.serving.published import published
from bench.serving.results import Results, Scenario, plan
from bench.serving.servers import OURS, Server, UnknownServer
from bench.serving.workload import Oracle
from contract.objects import Version
from localcloud.moto_server import ServerFailed
from ops import demo_model

CANNOT_MEASURE = 2
INTERRUPTED = 130
ROWS_PER_REQUEST = (1, 32)


def bench(
    names: Annotated[str, typer.Option("--servers", help="Names separated by commas; all of them by default.")] = "",
    seconds: Annotated[int, typer.Option(min=1, max=600, help="Length of each load.")] = 5,
    rounds: Annotated[int, typer.Option(min=1, max=50, help="How often each server is started and loaded.")] = 5,
    connections: Annotated[int, typer.Option(min=2, max=256, help="How many, beside the scenario of one.")] = 64,
    rate: Annotated[int, typer.Option(min=0, max=50_000, help="Requests/s of the fixed rate; 0 leaves it out.")] = 1000,
    rate_seconds: Annotated[int, typer.Option(min=1, max=3600, help="Length of the fixed rate.")] = 10,
    only_rate: Annotated[bool, typer.Option("--only-rate", help="Leave all out but the fixed rate.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="One round of one second: to see that all works.")] = False,
    our_variables: Annotated[
        list[str] | None, typer.Option("--our-variable", help="NAME=VALUE for our container's process; repeatable.")
    ] = None,
    our_headers: Annotated[
        list[str] | None, typer.Option("--our-header", help="NAME=VALUE sent with requests to ours; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    results_dir: Annotated[Path, typer.Option("--results", help="Where the JSON and the chart are written.")] = (
        ROOT / "bench" / "results"
    ),
) -> None:
    """Measure model servers on the same model, machine and requests."""
    if only_rate and rate == 0:
        raise typer.BadParameter("--only-rate with --rate 0 leaves nothing to measure: give a rate")
    progress = Console(stderr=True)
    effort = Effort(1, 1, 2) if quick else Effort(rounds, seconds, rate_seconds)
    scenarios = plan((1, connections), ROWS_PER_REQUEST, rate or None, connections)
    if only_rate:
        scenarios = scenarios[-1:]
    variables, headers = (
        invocation.pairs(our_variables, "--our-variable"),
        invocation.pairs(our_headers, "--our-header"),
    )
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    try:
        wrk.require()
        chosen = servers.choose(wanted, [*servers.others(), servers.ours(variables, headers)])
        found = _measure(chosen, scenarios, effort, progress)
    except (UnknownServer, wrk.WrkFailed, ServerFailed, NotInstalled) as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        progress.print("interrupted: every server that was started is ended, nothing is written")
        raise typer.Exit(INTERRUPTED) from None
    results_dir.mkdir(parents=True, exist_ok=True)
    (results_dir / "serving.json").write_text(found.as_json() + "\n")
    (results_dir / "serving.svg").write_text(chart.render(found))
    if as_json:
        print(found.as_json())
    else:
        table.show(found, Console(width=None if sys.stdout.isatty() else 170))
    if all(record.excluded for record in found.records):
        _refuse("no server could be measured")


def _measure(chosen: list[Server], scenarios: list[Scenario], effort: Effort, progress: Console) -> Results:
    progress.print("training the model", highlight=False)
    model = demo_model.train(Version(1, 0, 0))
    with contextlib.ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="serveml-bench-"))) / "model.onnx"
        path.write_bytes(model.onnx)
        for server in chosen:
            if server.locked_as is not None:
                progress.print(f"environment of {server.name} {server.version}", highlight=False)
                prepare(server.locked_as)
        if any(server.name == OURS for server in chosen):
            place = stack.enter_context(published(model, path))
            chosen = [server.at(place.variables, place.headers) if server.name == OURS else server for server in chosen]
        measured = Bench(path, Oracle(model), model.holdout_rows, scenarios, effort)
        records = measured.run(chosen, lambda said: progress.print(said, highlight=False, markup=False))
    return Results(_machine(effort), invocation.command("bench.serving"), scenarios, records)


def _machine(effort: Effort) -> dict[str, object]:
    return {
        **invocation.machine(),
        "rounds": effort.rounds,
        "seconds": effort.seconds,
        "rate_seconds": effort.rate_seconds,
    }


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(CANNOT_MEASURE)


def main() -> None:
    # So that SIGTERM, too, leaves through the context managers that end the servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    typer.run(bench)


if __name__ == "__main__":
    main()
