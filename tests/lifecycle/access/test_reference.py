"""The command line's reference is made from the commands, and every command says what it and its options do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import jsonschema
import msgspec
import pytest
import typer

from contract.objects import Version
from ops import reference
from ops.commands import data, key
from ops.commands.results import prints
from ops.commands.shown import Exit, JsonOption

# Prints a summary of the whole local world, which has no shape of its own.
WITHOUT_SCHEMA = {"serveml local demo"}
OWN = {"key": key.app, "data": data.app}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    version: Version


def small_app() -> typer.Typer:
    app = typer.Typer(name="serveml", help="Do things.", add_completion=False)
    group = typer.Typer(no_args_is_help=True, help="Things.")

    @group.command()
    @prints(Answer)
    def make(
        name: Annotated[str, typer.Argument(help="Its name | or none.")],
        count: Annotated[int, typer.Option("--count", min=1, max=9, envvar="COUNT", help="How many.")] = 3,
        as_json: JsonOption = False,
    ) -> None:
        """Make a thing."""

    @group.command()
    def end() -> None:
        """End a thing."""

    @app.callback()
    def root() -> None:
        """Do things."""

    app.add_typer(group, name="thing")
    return app


@pytest.fixture(params=["all", *OWN])
def root(request: pytest.FixtureRequest) -> typer.Typer:
    return reference.app if request.param == "all" else OWN[request.param]


def test_the_files_are_up_to_date() -> None:
    assert reference.stale() == [], "run make reference"


def test_every_command_and_every_option_has_help(root: typer.Typer) -> None:
    for command in reference.commands(root):
        assert command.help.strip().endswith("."), command.name
        for parameter in command.parameters:
            help_text = (parameter.help or "").strip()
            assert help_text.endswith((".", ")")), f"{command.name}: {parameter.opts} says {help_text!r}"


def test_every_command_that_prints_json_names_its_document(root: typer.Typer) -> None:
    unnamed = {command.name for command in reference.commands(root) if command.has_json and command.result is None}
    assert unnamed - WITHOUT_SCHEMA == set(), "put @prints(<the Struct>) between @app.command() and the function"


def test_a_command_that_names_a_document_prints_it_with_json(root: typer.Typer) -> None:
    assert all(command.has_json for command in reference.commands(root) if command.result is not None)


def test_the_page_shows_groups_commands_arguments_options_defaults_and_variables() -> None:
    page = reference.page(small_app())
    assert "## `serveml thing`\n\nThings." in page
    assert "### `serveml thing make`\n\nMake a thing." in page
    assert "Its name \\| or none." in page
    (count,) = [line for line in page.splitlines() if "--count" in line]
    for said in ("How many.", "COUNT", "3", "1<=x<=9"):
        assert said in count
    assert "With `--json`: `Answer`." in page
    assert "### `serveml thing end`\n\nEnd a thing." in page


def test_every_exit_code_is_explained() -> None:
    codes = dict(reference.exit_codes())
    assert set(codes) == {*map(int, Exit), 2}
    assert codes[int(Exit.REFUSED)].startswith("Bad input")
    assert all(f"| {code} | " in reference.page(small_app()) for code in codes)


def test_the_schema_knows_what_a_command_prints() -> None:
    document = json.loads(reference.schemas(small_app()))
    jsonschema.Draft202012Validator.check_schema(document)
    assert list(document["x-commands"]) == ["serveml thing make"]
    schema = document | document["x-commands"]["serveml thing make"]
    jsonschema.validate({"version": "1.2.3-rc.1"}, schema)
    for wrong in ({"version": "1.2"}, {}, {"version": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_a_file_that_is_missing_or_older_is_stale(tmp_path: Path) -> None:
    app = small_app()
    assert reference.stale(tmp_path, app) == ["serveml.md", "serveml.schema.json"]
    for name, text in reference.documents(app).items():
        (tmp_path / name).write_text(text)
    assert reference.stale(tmp_path, app) == []
    (tmp_path / "serveml.md").write_text("older")
    assert reference.stale(tmp_path, app) == ["serveml.md"]
