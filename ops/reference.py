"""`python -m ops.reference`: writes the command line's reference and the schemas of what `--json` prints.

Both are read from the commands themselves; `--check` only compares.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec
import typer

from contract.objects import Version
from ops.cli import app
from ops.commands.results import result_of
from ops.commands.shown import Exit

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
PAGE = "serveml.md"
SCHEMAS = "serveml.schema.json"

_VERSION_PATTERN = r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$"


class Parameter(Protocol):
    """What typer keeps of an argument or option, as far as the reference shows it."""

    name: str
    opts: list[str]
    help: str | None
    param_type_name: str

    def get_help_record(self, ctx: Any) -> tuple[str, str] | None: ...


@dataclass(frozen=True, kw_only=True)
class Documented:
    """One command or group of commands."""

    words: tuple[str, ...]
    """As it is called: `serveml`, `key`, `list`."""
    help: str
    parameters: tuple[Parameter, ...]
    rows: tuple[tuple[str, str], ...]
    """Of each parameter that is shown: how it is written, and what it does."""
    result: type[msgspec.Struct] | None
    is_group: bool

    @property
    def name(self) -> str:
        return " ".join(self.words)

    @property
    def has_json(self) -> bool:
        return any("--json" in parameter.opts for parameter in self.parameters)


def commands(root: typer.Typer = app) -> Iterator[Documented]:
    """Every group and command, a group before what is in it."""
    command: Any = typer.main.get_command(root)
    yield from _walk(command, (command.name or "serveml",), None)


def page(root: typer.Typer = app) -> str:
    """The reference as Markdown."""
    lines = [
        "# serveml",
        "",
        "Generated from the commands by `make reference`; do not edit.",
        "",
        f"With `--json` a command prints one document on the standard output; [{SCHEMAS}]({SCHEMAS}) has its schema.",
        "Whatever else is to be said stands on the standard error.",
        "",
        "| exit code | means |",
        "|---|---|",
        *(f"| {code} | {_cell(meaning)} |" for code, meaning in exit_codes()),
    ]
    for command in commands(root):
        lines += ["", f"{'##' if command.is_group else '###'} `{command.name}`", "", command.help.strip()]
        if command.rows:
            lines += ["", "| | |", "|---|---|", *(f"| `{said}` | {_cell(meaning)} |" for said, meaning in command.rows)]
        if command.result is not None:
            lines += ["", f"With `--json`: `{command.result.__name__}`."]
    return "\n".join(lines) + "\n"


def schemas(root: typer.Typer = app) -> str:
    """One JSON Schema (draft 2020-12) with a definition for every document, and under `x-commands` whose it is."""
    results = {command.name: command.result for command in commands(root) if command.result is not None}
    kinds = list(dict.fromkeys(results.values()))
    shown, definitions = msgspec.json.schema_components(kinds, schema_hook=_schema, ref_template="#/$defs/{name}")
    of_kind = dict(zip(kinds, shown, strict=True))
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What serveml prints with --json",
        "x-commands": {name: of_kind[kind] for name, kind in results.items()},
        "$defs": dict(sorted(definitions.items())),
    }
    return json.dumps(document, indent=2) + "\n"


def exit_codes() -> list[tuple[int, str]]:
    """Each code of `Exit` and what its docstring says, or its name where that says it all."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(Exit))).body
    said: dict[str, str] = {}
    name = ""
    for statement in cast(ast.ClassDef, body).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                said[name] = f"{name.replace('_', ' ').capitalize()}."
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                said[name] = inspect.cleandoc(text)
            case _:
                pass
    arguments = (2, "Arguments that do not fit: an unknown option, or a value of another kind.")
    return sorted([*((int(Exit[name]), text) for name, text in said.items()), arguments])


def documents(root: typer.Typer = app) -> dict[str, str]:
    """File name to text, as they should be."""
    return {PAGE: page(root), SCHEMAS: schemas(root)}


def stale(folder: Path = FOLDER, root: typer.Typer = app) -> list[str]:
    """Names of the files that are not as they should be."""
    return [
        name
        for name, text in documents(root).items()
        if not (folder / name).is_file() or (folder / name).read_text() != text
    ]


def main(arguments: list[str]) -> str | None:
    if "--check" in arguments:
        names = stale()
        return f"not up to date: {', '.join(names)}; run make reference" if names else None
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text)
    return None


def _walk(command: Any, words: tuple[str, ...], parent: Any) -> Iterator[Documented]:
    context = command.make_context(words[-1], [], parent=parent, resilient_parsing=True)
    inner: dict[str, Any] = getattr(command, "commands", {})
    parameters: list[Any] = [parameter for parameter in command.get_params(context) if parameter.name != "help"]
    records = [parameter.get_help_record(context) for parameter in parameters]
    yield Documented(
        words=words,
        help=command.help or "",
        parameters=tuple(parameters),
        rows=tuple(record for record in records if record is not None),
        result=result_of(command.callback),
        is_group=bool(inner),
    )
    for name, child in inner.items():
        if not child.hidden:
            yield from _walk(child, (*words, name), context)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def _schema(kind: type) -> dict[str, Any]:
    if kind is Version:
        return {"type": "string", "pattern": _VERSION_PATTERN}
    raise NotImplementedError


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
