"""`serveml model verify, smoke, approve, promote, withdraw`: how a version gets from publishing to traffic."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.text import Text

from contract.objects import Version, check_model_name
from ops.commands import model_answers as answers
from ops.commands import model_results as results
from ops.commands import model_tables as tables
from ops.commands.model_options import NameArgument, TrustedOption, VersionArgument, failures, trusted_by
from ops.commands.results import prints
from ops.commands.shown import (
    EnvironmentOption,
    Exit,
    JsonOption,
    YesOption,
    confirm,
    fail,
    open_platform,
    operator,
    progress,
    show,
)
from ops.models import promote as promoting
from ops.models import smoke as trying
from ops.models import verify as verifying
from ops.models.verify import Outcome


@prints(results.VerificationResult)
def verify(
    name: NameArgument,
    version: VersionArgument,
    trusted_keys: TrustedOption = None,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Read a version's files in every bucket, check signature and checksums, and record what was found.

    Ends with 1 where a copy is not what was published or a region has none yet, and with 3 where a bucket is away.
    """
    with failures():
        platform = open_platform(env)
        with progress() as say:
            done = verifying.verify(
                platform,
                check_model_name(name),
                Version.parse(version),
                by=operator(),
                trusted=trusted_by(trusted_keys),
                on_bytes=_counted(say),
            )
        result = answers.verification(done)
        show(result, as_json, lambda: tables.verification(result))
        for outcome, code in ((Outcome.AWAY, Exit.AWAY), (Outcome.CORRUPT, Exit.REFUSED)):
            for finding in done.of(outcome):
                fail(finding.reason, code)
        if result.lacking_regions:
            fail(f"production in {', '.join(result.lacking_regions)} does not hold {name} {version} yet", Exit.REFUSED)


@prints(results.RecordResult)
def smoke(
    name: NameArgument,
    version: VersionArgument,
    url: Annotated[
        str | None, typer.Option(help="A server that has loaded the version; it is loaded in this process otherwise.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option("--api-key", help="Key to call the server with.", envvar="SERVEML_API_KEY")
    ] = None,
    trusted_keys: TrustedOption = None,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Have a version answer its own sample, and record whether it answers as it promises."""
    with failures():
        platform = open_platform(env)
        with progress() as say:
            say(f"trying {name} {version}")
            record = trying.smoke(
                platform,
                check_model_name(name),
                Version.parse(version),
                by=operator(),
                trusted=trusted_by(trusted_keys),
                server=None if url is None else trying.Server(url=url, key=api_key),
            )
        result = answers.changed(record)
        show(
            result, as_json, lambda: Text(f"{name} {version} answered {result.smoke.rows if result.smoke else 0} rows")
        )
        if result.smoke is not None and not result.smoke.passed:
            fail(f"{name} {version} failed its smoke test: {result.smoke.reason}", Exit.REFUSED)


@prints(results.RecordResult)
def approve(
    name: NameArgument,
    version: VersionArgument,
    note: Annotated[str, typer.Option(help="What was looked at, for the record.")],
    allow_self: Annotated[
        bool, typer.Option("--allow-self", help="Approve what you published yourself; not in prod.")
    ] = False,
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Approve a version that was verified and answered its sample; somebody else than its publisher does that."""
    with failures():
        platform, number = open_platform(env), Version.parse(version)
        confirm(env, f"approve {name} {number}", yes=yes)
        result = answers.changed(
            promoting.approve(platform, check_model_name(name), number, by=operator(), note=note, allow_self=allow_self)
        )
        show(result, as_json, lambda: tables.record(result))


@prints(results.PromotionResult)
def promote(
    name: NameArgument,
    version: VersionArgument,
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="Promote a version below one that is promoted already.")
    ] = False,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy to the other regions in place of waiting for S3's replication.")
    ] = False,
    wait_seconds: Annotated[
        float, typer.Option(min=0, help="How long the other regions may take to get it.")
    ] = promoting.WAIT_SECONDS,
    trusted_keys: TrustedOption = None,
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Bring a version from staging to every region's production bucket, and verify it there."""
    with failures():
        platform, number = open_platform(env), Version.parse(version)
        trusted = trusted_by(trusted_keys)
        confirm(env, f"promote {name} {number}", yes=yes)
        with progress() as say:
            done = promoting.promote(
                platform,
                check_model_name(name),
                number,
                by=operator(),
                trusted=trusted,
                allow_older=allow_older,
                # An account on this machine replicates nothing.
                copy_regions=copy or platform.outputs.endpoint is not None,
                waiting=promoting.Waiting(seconds=wait_seconds),
                progress=say,
            )
        result = results.PromotionResult(record=answers.changed(done.record), copied_regions=done.copied)
        show(result, as_json, lambda: tables.record(result.record))


@prints(results.RecordResult)
def withdraw(
    name: NameArgument,
    version: VersionArgument,
    reason: Annotated[str, typer.Option(help="What is wrong with it, for the record.")],
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Keep a version from ever being given traffic again; what it serves now is changed by its deployment."""
    with failures():
        platform, number = open_platform(env), Version.parse(version)
        confirm(env, f"withdraw {name} {number}", yes=yes)
        result = answers.changed(
            promoting.withdraw(platform, check_model_name(name), number, by=operator(), reason=reason)
        )
        show(result, as_json, lambda: tables.record(result))


def _counted(say: Callable[[str], None]) -> Callable[[int], None]:
    lock, read = threading.Lock(), 0

    def count(more: int) -> None:
        nonlocal read
        with lock:
            read += more
            say(f"verifying: {decimal(read)} read")

    return count
