"""`python -m bench.autoscaling`: how many requests are refused while pods are added, as tables and a chart."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import rich.table
import typer
from rich.console import Console

from bench.autoscaling import findings, plan, shapes
from bench.autoscaling.shapes import SHAPES, BadShape
from bench.autoscaling.simulation import run
from bench.endurance import chart
from bench.endurance.report import Panel, Report, Table
from bench.endurance.terminal import written
from bench.serving import invocation
from components.workload.autoscaling import REQUESTS_METRIC

RESULTS = plan.ROOT / "bench" / "results"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    shape: Annotated[str, typer.Option(help=f"{', '.join(SHAPES)}, or a CSV file.")] = "surge",
    least: Annotated[float | None, typer.Option(min=1, help="Requests/s when it is quiet.")] = None,
    most: Annotated[float | None, typer.Option(min=1, help="Requests/s at the peak.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    results: Annotated[Path, typer.Option(help="Where the JSON and the chart are written.")] = RESULTS,
) -> None:
    """Simulate the autoscaler of production's settings, and others beside it, under one traffic."""
    wanted = plan.workload()
    usual_least, usual_most = plan.bounds(wanted)
    low, high = usual_least if least is None else least, usual_most if most is None else most
    if low > high:
        raise typer.BadParameter(f"--least is {low:g} and --most {high:g}: the least is not above the most")
    try:
        traffic = (
            SHAPES[shape](low, high) if shape in SHAPES else shapes.scaled(shapes.recorded(Path(shape)), low, high)
        )
        weights = plan.weights(wanted)
    except BadShape as error:
        raise typer.BadParameter(str(error), param_hint="--shape") from None
    except plan.NotMeasured as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    tables: list[Table] = []
    drawn: list[Panel] = []
    for weight in weights:
        courses = {
            variant.name: run(variant, weight.pods, traffic, plan.scraping(), requests_metric=REQUESTS_METRIC)
            for variant in plan.variants(wanted)
        }
        tables.append(
            Table(
                title=f"{weight.name}; a pod answers {weight.pods.capacity:,.0f} requests/s",
                rows=[findings.row(findings.outcome(name, course)) for name, course in courses.items()],
            )
        )
        if not drawn:
            drawn.append(findings.arriving(next(iter(courses.values()))))
        drawn += findings.panels(weight.name, courses)
    name = shape if shape in SHAPES else Path(shape).stem
    report = Report(
        part=f"autoscaling, {name} from {low:g} to {high:g} requests/s",
        machine=invocation.machine(),
        command=invocation.command("bench.autoscaling"),
        settings={"shape": name, "least": low, "most": high, **asdict(weights[0].pods.timings)},
        targets=(),
        tables=tables,
        panels=drawn,
    )
    results.mkdir(parents=True, exist_ok=True)
    # The one that is asked about first has the plain name.
    base = "autoscaling" if name == "surge" else f"autoscaling-{name}"
    (results / f"{base}.json").write_text(json.dumps(asdict(report)) + "\n")
    (results / f"{base}.svg").write_text(chart.render(report))
    if as_json:
        sys.stdout.write(json.dumps([asdict(table) for table in tables], indent=2) + "\n")
        return
    _show(tables, Console(width=None if sys.stdout.isatty() else 140))


def _show(tables: Sequence[Table], console: Console) -> None:
    for found in tables:
        shown = rich.table.Table(title=found.title, title_justify="left")
        for number, column in enumerate(found.rows[0]):
            shown.add_column(column, justify="right" if number else "left", no_wrap=not number)
        for row in found.rows:
            shown.add_row(*(written(figure) for figure in row.values()))
        console.print(shown)


if __name__ == "__main__":
    app()
