"""`serveml data`: a user's right to have their data, and to have them deleted. The work is done by `ops.access`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from ops.access.deletion import INTERRUPTED, Deletion
from ops.access.export import export
from ops.access.holdings import NoUser
from ops.access.report import FolderInUse, Outcome, UserDataReport, begin, write
from ops.commands.results import prints
from ops.commands.shown import (
    EnvironmentOption,
    Exit,
    JsonOption,
    Refused,
    fail,
    failures_shown,
    open_platform,
    operator,
    show,
)
from ops.commands.signing_options import KmsKeyOption, SignKeyIdOption, SignKeyOption, signer_of
from ops.platform import LOCAL
from ops.signing import CannotSign, Signer

app = typer.Typer(no_args_is_help=True, help="What is held about a user: handed over, or deleted, with a report.")

UserOption = Annotated[str, typer.Option("--user", help="The user's id, as it stands with the API keys.")]

_REFUSALS = (NoUser, FolderInUse, CannotSign)
_COLOURS = {Outcome.FOUND: "yellow", Outcome.EXPORTED: "green", Outcome.DELETED: "green", Outcome.KEPT: "yellow"}


@app.command("export")
@prints(UserDataReport)
def export_data(
    user: UserOption,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to, which is to be made or is empty.")],
    sign_key: SignKeyOption = None,
    sign_key_id: SignKeyIdOption = None,
    kms_key: KmsKeyOption = None,
    environment: EnvironmentOption = LOCAL,
    as_json: JsonOption = False,
) -> None:
    """Write everything that is held about a user to a folder, with a report of what it is."""
    with failures_shown(*_REFUSALS):
        platform = open_platform(environment)
        signer = signer_of(platform, sign_key, sign_key_id, kms_key)
        try:
            report = export(platform, user, to, by=operator(), signer=signer)
        except OSError as error:
            raise Refused(f"{error.filename} cannot be written: {error.strerror}") from None
        show(report, as_json, lambda: _rendered(report))


@app.command()
@prints(UserDataReport)
def delete(
    user: UserOption,
    yes: Annotated[
        bool, typer.Option("--yes/--dry-run", help="Delete; otherwise only show what would be deleted.")
    ] = False,
    report_folder: Annotated[
        Path | None,
        typer.Option("--report", help="Folder for the signed report, to be made or empty; --yes needs it, and a key."),
    ] = None,
    sign_key: SignKeyOption = None,
    sign_key_id: SignKeyIdOption = None,
    kms_key: KmsKeyOption = None,
    environment: EnvironmentOption = LOCAL,
    as_json: JsonOption = False,
) -> None:
    """Delete everything that is held about a user, for good, and write a signed report of it."""
    with failures_shown(*_REFUSALS):
        platform = open_platform(environment)
        signer = signer_of(platform, sign_key, sign_key_id, kms_key)
        if yes and (report_folder is None or signer is None):
            raise Refused(
                "a deletion leaves a signed report: name a folder by --report, and a key by --sign-key and "
                "--sign-key-id or by --kms-key"
            )
        deletion = Deletion(platform, user, by=operator())
        report = deletion.preview()
        if report_folder is not None:
            try:
                # Before anything is deleted: a folder or a key that cannot be used is met here.
                begin(report_folder, report, signer)
            except OSError as error:
                raise Refused(f"{error.filename} cannot be written: {error.strerror}") from None
        if not yes or report_folder is None:
            show(report, as_json, lambda: _rendered(report))
            return
        done = deletion.carry_out()
        unsigned = _written(report_folder, done, signer)
        show(done, as_json, lambda: _rendered(done))
    _end(done, unsigned)


def _written(folder: Path, report: UserDataReport, signer: Signer | None) -> str | None:
    """Write the report; returns what was in the way: the deletion is done by then, and is to be told all the same."""
    try:
        write(folder, report, signer)
    except (OSError, CannotSign, ClientError, BotoCoreError) as error:
        return f"the report in {folder} is not whole or not signed: {error}"
    return None


def _end(report: UserDataReport, unsigned: str | None) -> None:
    """End as the deletion did."""
    done = f"{report.count(Outcome.DELETED)} of {len(report.items)} items were deleted"
    again = "run the command again, with a new folder for --report"
    if report.failure == INTERRUPTED:
        fail(f"{INTERRUPTED}: {done}; {again}", Exit.INTERRUPTED)
    if not report.complete:
        fail(f"{report.failure or 'not everything was deleted, see the report'}: {done}; {again}", Exit.AWAY)
    if unsigned is not None:
        fail(f"{done}, but {unsigned}", Exit.AWAY)


def _rendered(report: UserDataReport) -> RenderableType:
    items = _table("what", "where", "name", "outcome", "why, and until when")
    for item in report.items:
        until = "" if item.until is None else f" (until {item.until:%Y-%m-%d %H:%M} UTC)"
        items.add_row(
            item.kind.value,
            Text(item.place),
            Text(item.name),
            Text(item.outcome.value, style=_COLOURS[item.outcome]),
            Text(f"{item.reason or ''}{until}"),
        )
    remains = _table("not reached", "holds", "until")
    for copy in report.elsewhere:
        remains.add_row(Text(copy.what), Text(copy.holds), Text(copy.until))
    return Group(items, Text(), remains, Text(), Text(_summary(report)))


def _table(*names: str) -> Table:
    """Whose cells are folded, never cut off: names of objects are long, and are there to be read."""
    return Table(*(Column(name, overflow="fold") for name in names), box=None)


def _summary(report: UserDataReport) -> str:
    if report.dry_run:
        going = report.count(Outcome.FOUND)
        return f"{going} items would be deleted, {report.count(Outcome.KEPT)} kept; nothing was changed: say --yes"
    counts = Counter(item.outcome.value for item in report.items)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "nothing is held"
