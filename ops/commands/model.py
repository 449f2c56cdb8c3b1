"""`serveml model`: the versions of models, looked at, fetched and cleared away; what brings them on is in its parts."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from contract.objects import Version, check_model_name
from ops.commands import model_answers as made
from ops.commands import model_evidence as evidence
from ops.commands import model_results as results
from ops.commands import model_tables as tables
from ops.commands.model_options import NameArgument, TrustedOption, VersionArgument, failures, trusted_by
from ops.commands.results import prints
from ops.commands.shown import EnvironmentOption, JsonOption, Refused, open_platform, operator, progress, show
from ops.models import collect as collecting
from ops.models import diff as comparing
from ops.models import overview
from ops.models import pull as pulling

app = typer.Typer(
    no_args_is_help=True, help="Model versions: looked at, verified, tried, approved, promoted, cleared away."
)
_SPAN = re.compile(r"(\d{1,6})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@app.command("list")
@prints(results.VersionList)
def list_versions(
    name: Annotated[str | None, typer.Argument(help="The model; all of them unless given.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also versions whose files are gone.")] = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """List versions: how far each has come, where it was verified, and what it answers."""
    with failures():
        platform = open_platform(env)
        names = overview.models(platform) if name is None else [check_model_name(name)]
        rows = [
            made.row(known, platform)
            for model in names
            for known in overview.versions(platform, model)
            if everything or known.copies
        ]
        result = results.VersionList(versions=tuple(rows))
        show(result, as_json, lambda: tables.versions(result, datetime.now(UTC)))


@app.command("show")
@prints(results.VersionShown)
def show_version(
    name: NameArgument, version: VersionArgument, env: EnvironmentOption = "local", as_json: JsonOption = False
) -> None:
    """Show one version: its record, its files in every region, and what it lacks before it may be given traffic."""
    with failures():
        platform = open_platform(env)
        known = overview.version(platform, check_model_name(name), Version.parse(version))
        result = made.shown(known, platform)
        show(result, as_json, lambda: tables.version(result, datetime.now(UTC)))


@app.command()
@prints(results.DiffResult)
def diff(
    name: NameArgument,
    before: Annotated[str, typer.Argument(help="The version to compare with.")],
    after: Annotated[str, typer.Argument(help="The version that is compared.")],
    answers: Annotated[
        bool,
        typer.Option(
            "--answers/--no-answers", help="Load both here, and compare their answers to the later one's sample."
        ),
    ] = True,
    trusted_keys: TrustedOption = None,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Compare two versions: tensors, metrics, data set, commit, sizes and answers."""
    with failures():
        platform = open_platform(env)
        one, other = Version.parse(before), Version.parse(after)
        with progress() as say:
            say(f"comparing {name} {one} and {other}")
            found = comparing.diff(
                platform, check_model_name(name), one, other, trusted=trusted_by(trusted_keys), answers=answers
            )
        result = made.difference(found, name, one, other)
        show(result, as_json, lambda: tables.difference(result))


for command in (evidence.verify, evidence.smoke, evidence.approve, evidence.promote, evidence.withdraw):
    app.command()(command)


@app.command()
@prints(results.PulledResult)
def pull(
    name: NameArgument,
    version: VersionArgument,
    directory: Annotated[Path, typer.Argument(help="Where its files go.")],
    trusted_keys: TrustedOption = None,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Download a version, checked as the server checks it; files with other bytes are never replaced."""
    with failures():
        platform = open_platform(env)
        with progress() as say:
            say(f"downloading {name} {version}")
            done = pulling.pull(
                platform,
                check_model_name(name),
                Version.parse(version),
                directory,
                trusted=trusted_by(trusted_keys),
            )
        result = made.pulled(done)
        show(result, as_json, lambda: Text(f"{result.source} is in {result.directory}"))


@app.command()
@prints(results.CollectionResult)
def gc(
    name: NameArgument,
    keep: Annotated[int, typer.Option(help="Keep so many of the highest versions.")] = collecting.KEEP,
    older_than: Annotated[
        str, typer.Option(help="Delete only what is older: 30d, 12h or 90m.")
    ] = f"{collecting.OLDER_THAN.days}d",
    spare: Annotated[
        list[str] | None, typer.Option(metavar="VERSION", help="Keep this one too, such as one that a setting pins.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes/--dry-run", help="Delete, or only say what would go.")] = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Delete old versions that no deployment names, and what broken uploads left; without --yes, only say what."""
    with failures():
        platform = open_platform(env)
        rules = collecting.Rules(
            keep=keep, older_than=_span(older_than), spare=frozenset(Version.parse(text) for text in spare or [])
        )
        planned = collecting.plan(platform, check_model_name(name), rules)
        done = None
        if yes:
            with progress() as say:
                done = collecting.collect(platform, planned, by=operator(), progress=say)
        result = made.collection(planned, done)
        show(result, as_json, lambda: tables.collection(result))


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise Refused(f"--older-than {text!r:.40} is no time: write days, hours or minutes, such as 30d, 12h or 90m")
    return int(match[1]) * _UNITS[match[2]]
