"""`serveml deployment`: which versions of a model answer, each for which share of the requests."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.text import Text

from contract.deployment import Status
from contract.objects import Version
from ops.canary import plan, weights, wiring
from ops.canary.byhand import utc_now
from ops.canary.weights import Patience
from ops.commands import deployment_results as results
from ops.commands import deployment_tables as tables
from ops.commands.deployment_options import NameArgument, ReasonOption, VersionArgument, failures, may_serve
from ops.commands.results import prints
from ops.commands.shown import (
    EnvironmentOption,
    JsonOption,
    YesOption,
    confirm,
    open_platform,
    operator,
    progress,
    show,
)
from ops.rollout.presence import presence_of

app = typer.Typer(no_args_is_help=True, help="Deployments: which versions answer, each for which share of requests.")
HOLD_SECONDS = 300.0


@app.command()
@prints(results.DeploymentRow)
def create(
    name: NameArgument,
    version: VersionArgument,
    model: Annotated[str | None, typer.Option(help="The model, where it is not named like the deployment.")] = None,
    reason: ReasonOption = "",
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Make a deployment whose one version answers everything; from then on pods follow it, not the newest release."""
    with failures():
        served = Version.parse(version)
        platform = open_platform(env)
        confirm(env, f"a deployment of {name} {served}", yes=yes)
        made = weights.create(
            wiring.records(platform),
            name,
            served,
            model=model,
            may_serve=may_serve(platform),
            by=operator(),
            reason=reason,
        )
        result = results.row(made)
        show(result, as_json, lambda: Text(tables.sentence(result)))


@app.command("list")
@prints(results.DeploymentList)
def list_deployments(
    on_trial: Annotated[bool, typer.Option("--on-trial", help="Only those that try a version.")] = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """List deployments with their weights."""
    with failures():
        found = wiring.records(open_platform(env)).all(Status.CANARY if on_trial else None)
        result = results.DeploymentList(deployments=tuple(results.row(record) for record in found))
        show(result, as_json, lambda: tables.deployments(result))


@app.command("show")
@prints(results.DeploymentShown)
def show_deployment(name: NameArgument, env: EnvironmentOption = "local", as_json: JsonOption = False) -> None:
    """Show one deployment: its weights, its canary, and what each worker of its pods holds."""
    with failures():
        records = wiring.records(open_platform(env))
        record = records.get(name)
        result = results.shown(record, presence_of(records.reports(name), utc_now()))
        show(result, as_json, lambda: tables.deployment(result))


@app.command("set")
@prints(results.DeploymentRow)
def set_weights(
    name: NameArgument,
    shares: Annotated[list[str], typer.Argument(metavar="VERSION=PERCENT...", help="All shares; they make 100.")],
    stable: Annotated[
        str | None,
        typer.Option(help="Which of them a canary is compared with and goes back to; the largest unless named."),
    ] = None,
    hold_seconds: Annotated[
        float,
        typer.Option(min=0, help="How long to wait until every worker holds the versions, before any share changes."),
    ] = HOLD_SECONDS,
    reason: ReasonOption = "",
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Share the traffic out by hand, without gates; a new version is loaded everywhere before it gets its share."""
    with failures():
        wanted = plan.weights(shares)
        named = Version.parse(stable) if stable is not None else None
        platform = open_platform(env)
        confirm(env, f"the weights {', '.join(shares)} for {name}", yes=yes)
        with progress() as tell:
            changed = weights.share_out(
                wiring.records(platform),
                name,
                wanted,
                stable=named,
                may_serve=may_serve(platform),
                by=operator(),
                reason=reason,
                patience=Patience(seconds=hold_seconds, wait=time.sleep, progress=tell),
            )
        result = results.row(changed)
        show(result, as_json, lambda: Text(tables.sentence(result)))


@app.command()
@prints(results.HistoryShown)
def history(
    name: NameArgument,
    most: Annotated[int, typer.Option(min=1, help="How many changes, from the newest.")] = 20,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """List what was changed, when, by whom and why, the newest first."""
    with failures():
        records = wiring.records(open_platform(env))
        records.get(name)
        result = results.history(name, list(records.history(name, most=most)))
        show(result, as_json, lambda: tables.history(result))
