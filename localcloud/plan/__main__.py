"""`python -m localcloud.plan`: write the golden plans, or with --check say how the program differs from them."""

from __future__ import annotations

import importlib
import json
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import pulumi
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from localcloud.plan import difference, document
from localcloud.plan.difference import Change, Kind
from localcloud.program import ROOT, STACKS, example_overrides, run
from localcloud.synthetic import Synthetic

GOLDEN = ROOT / "tests" / "golden"
_STYLE = {Kind.ADDED: "green", Kind.CHANGED: "yellow", Kind.REPLACED: "magenta", Kind.REMOVED: "red"}
_SIGN = {Kind.ADDED: "+", Kind.CHANGED: "~", Kind.REPLACED: "±", Kind.REMOVED: "-"}


def _plan_files(stack: str, config: Mapping[str, str]) -> tuple[str, dict[str, str] | str]:
    """The stack's files, or the message of the error that its settings caused.

    An example image is put in where the configuration has none, so that the serving pods are in the plan.
    """
    try:
        return stack, document.files(run(stack, Synthetic(), overrides={**example_overrides(stack), **config}))
    except pulumi.RunError as error:
        return stack, str(error)


def main(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a stack differs from its files.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
    stack: Annotated[list[str] | None, typer.Option(help="Only this stack; may be repeated. Default: all.")] = None,
    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config", "-c", metavar="KEY=VALUE", help="Over the stack's file, as in pulumi up; needs --check."
        ),
    ] = None,
    golden: Annotated[Path, typer.Option(help="Folder of the golden files.")] = GOLDEN,
) -> None:
    """Plan every stack offline: resources, inputs and manifests, without an account or an engine."""
    console, errors = Console(), Console(stderr=True)
    if config and not check:
        raise typer.BadParameter(
            "--config is for trying values out and would write them to the golden files: add --check"
        )
    planned = _plan_all(stack or list(STACKS), _parsed(config or []), errors)
    failures = {name: text for name, text in planned.items() if isinstance(text, str)}
    for text in failures.values():
        errors.print(text, style="red", markup=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)
    texts = {name: made for name, made in planned.items() if not isinstance(made, str)}
    changes = {name: _differences(golden / name, made) for name, made in texts.items()}
    if not check:
        for name, made in texts.items():
            _write(golden / name, made)
    if as_json:
        print(json.dumps({name: [_as_json(c) for c in found] for name, found in changes.items()}, indent=2))
    else:
        for name, found in changes.items():
            _show(console, name, texts[name], found)
    if check and any(changes.values()):
        errors.print("the program differs from tests/golden: run `make plan`, read the difference, and commit it")
        raise typer.Exit(1)


def _parsed(pairs: list[str]) -> dict[str, str]:
    parsed: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} is not KEY=VALUE, such as serveml:residency=eu")
        parsed[key if ":" in key else f"serveml:{key}"] = value
    return parsed


def _plan_all(names: list[str], config: Mapping[str, str], console: Console) -> dict[str, dict[str, str] | str]:
    # The providers' SDKs take seconds to import: load them once, then fork a worker for each stack.
    importlib.import_module("stacks.platform")

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with (
        ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task(f"planning {', '.join(names)}", total=len(names))
        done: dict[str, dict[str, str] | str] = {}
        for name, made in pool.map(_plan_files, names, [config] * len(names)):
            done[name] = made
            progress.advance(task)
        return done


def _differences(folder: Path, made: dict[str, str]) -> list[Change]:
    def read(name: str) -> str:
        path = folder / name
        return path.read_text() if path.exists() else ""

    resources = read(document.RESOURCES_FILE)
    before = {
        **(document.read_resources(resources) if resources else {}),
        **document.read_manifests(read(document.MANIFESTS_FILE)),
    }
    after = {
        **document.read_resources(made[document.RESOURCES_FILE]),
        **document.read_manifests(made[document.MANIFESTS_FILE]),
    }
    return difference.compare(before, after)


def _write(folder: Path, made: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        # Written aside and moved, so that an interrupted run leaves the old file whole.
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as aside:
            aside.write(text)
        Path(aside.name).chmod(0o644)
        Path(aside.name).replace(folder / name)


def _as_json(change: Change) -> dict[str, Any]:
    fields = [{"path": field.path, "before": field.before, "after": field.after} for field in change.fields]
    return {"kind": change.kind, "resource": change.key, "fields": fields}


def _show(console: Console, stack: str, made: dict[str, str], changes: list[Change]) -> None:
    total = made[document.COUNTS_FILE].splitlines()[0]
    counts = difference.tally(changes)
    summary = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "no difference"
    console.print(f"[bold]{stack}[/bold]: {total}; {summary}", highlight=False)
    for change in changes:
        console.print(
            f"  {_SIGN[change.kind]} {change.kind}: {change.key}",
            style=_STYLE[change.kind],
            markup=False,
            soft_wrap=True,
        )
        for field in change.fields:
            console.print(
                f"      {field.path}: {_short(field.before)} -> {_short(field.after)}", markup=False, soft_wrap=True
            )


def _short(value: Any, limit: int = 160) -> str:
    text = "(none)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(main)

if __name__ == "__main__":
    app(prog_name="python -m localcloud.plan")
