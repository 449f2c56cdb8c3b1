"""`serveml rollback`: one command, one write, and how long pods took to follow it."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ops.canary import wiring
from ops.canary.weights import Patience, roll_back, until_followed
from ops.commands import deployment_results as results
from ops.commands import deployment_tables as tables
from ops.commands.deployment_options import NameArgument, ReasonOption, failures
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

FOLLOW_SECONDS = 60.0


@prints(results.RolledBack)
def rollback(
    name: NameArgument,
    reason: ReasonOption = "rolled back by hand",
    follow_seconds: Annotated[
        float, typer.Option(min=0, help="How long to wait for pods to follow; the rollback itself is made before.")
    ] = FOLLOW_SECONDS,
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Go back to what served before: the stable version of a canary, or the one that the last change replaced."""
    with failures():
        platform = open_platform(env)
        confirm(env, f"rolling {name} back", yes=yes)
        records = wiring.records(platform)
        before = records.get(name)
        after = roll_back(records, name, by=operator(), reason=reason)
        with progress() as tell:
            followed = until_followed(records, after, Patience(seconds=follow_seconds, wait=time.sleep, progress=tell))
        result = results.rolled_back(before, after, followed)
        show(result, as_json, lambda: tables.rolled_back(result))
    if followed.behind:
        said = ", ".join(followed.behind)
        fail(
            f"the rollback of {name} is written, but was not followed in {followed.seconds:.0f} s by {said}", Exit.AWAY
        )
