"""`serveml canary`: a version is tried on a growing share of the traffic, and serves or is withdrawn."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live
from rich.text import Text

from contract.deployment import Gates
from contract.objects import Version
from ops.canary import byhand, plan, watch, wiring
from ops.canary.byhand import utc_now
from ops.canary.controller import Look
from ops.canary.ending import Ended
from ops.canary.measuring import CanaryFigures, Unmeasured
from ops.commands import canary_options as options
from ops.commands import canary_serve
from ops.commands import deployment_results as results
from ops.commands import deployment_tables as tables
from ops.commands.deployment_options import NameArgument, VersionArgument, failures, may_serve
from ops.commands.results import prints
from ops.commands.shown import (
    EnvironmentOption,
    Exit,
    JsonOption,
    Refused,
    YesOption,
    confirm,
    console,
    errors,
    fail,
    open_platform,
    operator,
    progress,
    show,
)
from ops.notices.slack import SlackWebhook
from ops.platform import Platform
from ops.rollout.transitions import on_trial

app = typer.Typer(no_args_is_help=True, help="Canaries: a version is tried on a growing share, and serves or goes.")
app.command("serve")(canary_serve.serve)
DEFAULT_SHADOW_SECONDS = 600
WATCH_SECONDS = 2.0

GivenReason = Annotated[str, typer.Option("--reason", help="Why; stands in the history.")]


@app.command()
@prints(results.CanaryOutcome)
def start(
    name: NameArgument,
    version: VersionArgument,
    steps: options.StepsOption = plan.DEFAULT_STEPS,
    step_seconds: options.StepSecondsOption = plan.DEFAULT_STEP_SECONDS,
    shadow_percent: options.ShadowPercentOption = 0,
    shadow_seconds: options.ShadowSecondsOption = DEFAULT_SHADOW_SECONDS,
    max_error_percent: options.ErrorsOption = options.DEFAULT_GATES.max_error_percent,
    max_p95_ms: options.LatencyOption = options.DEFAULT_GATES.max_p95_ms,
    min_requests: options.RequestsOption = options.DEFAULT_GATES.min_requests,
    min_shadowed: options.ShadowedOption = options.DEFAULT_GATES.min_shadowed,
    max_disagreement_percent: options.DisagreementOption = options.DEFAULT_GATES.max_disagreement_percent,
    false_alarm_percent: options.FalseAlarmOption = options.DEFAULT_GATES.false_alarm_percent,
    allow_older: Annotated[bool, typer.Option("--allow-older", help="The version may be an older one.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Stands in the history.")] = "",
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Drive it to its end here, or leave that to `canary run`.")
    ] = True,
    prometheus: options.PrometheusOption = None,
    prometheus_ca: options.PrometheusCaOption = None,
    prometheus_token: options.PrometheusTokenOption = None,
    slack_webhook: options.SlackOption = None,
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Try a version on a growing share of the traffic, and end with 4 if it had to be withdrawn."""
    with failures():
        tried = Version.parse(version)
        stages = plan.stages(
            steps, step_seconds=step_seconds, shadow_percent=shadow_percent, shadow_seconds=shadow_seconds
        )
        gates = plan.check_gates(
            Gates(
                max_error_percent=max_error_percent,
                max_p95_ms=max_p95_ms,
                min_requests=min_requests,
                min_shadowed=min_shadowed,
                max_disagreement_percent=max_disagreement_percent,
                false_alarm_percent=false_alarm_percent,
            )
        )
        platform = open_platform(env)
        records = wiring.records(platform)
        measure = None
        if follow:
            SlackWebhook.load(slack_webhook)
            measure = _figures(prometheus, prometheus_ca, prometheus_token)
            record = records.get(name)
            _probe(measure, record.model, record.stable)
        confirm(env, f"a canary of {name} {tried}", yes=yes)
        started = byhand.start(
            records,
            name,
            tried,
            stages=stages,
            gates=gates,
            may_serve=may_serve(platform),
            by=operator(),
            reason=reason,
            allow_older=allow_older,
        )
        if measure is None:
            result = results.begun(started, on_trial(started))
            show(result, as_json, lambda: tables.ended(result))
            return
        _drive(platform, measure, name, slack_webhook, as_json)


@app.command()
@prints(results.CanaryOutcome)
def run(
    name: NameArgument,
    prometheus: options.PrometheusOption = None,
    prometheus_ca: options.PrometheusCaOption = None,
    prometheus_token: options.PrometheusTokenOption = None,
    slack_webhook: options.SlackOption = None,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Drive a canary from wherever it stands to its end, as where the one who drove it has gone."""
    with failures():
        platform = open_platform(env)
        measure = _figures(prometheus, prometheus_ca, prometheus_token)
        _drive(platform, measure, name, slack_webhook, as_json)


@app.command()
@prints(results.DeploymentShown)
def status(
    name: NameArgument,
    watching: Annotated[bool, typer.Option("--watch", help="Go on showing it until it is over.")] = False,
    prometheus: options.PrometheusOption = None,
    prometheus_ca: options.PrometheusCaOption = None,
    prometheus_token: options.PrometheusTokenOption = None,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Show how far a canary has come, what its pods hold and, where Prometheus is named, what was measured."""
    with failures():
        records = wiring.records(open_platform(env))
        measure = _figures(prometheus, prometheus_ca, prometheus_token) if prometheus else None
        views = watch.views(records, name, measure, clock=utc_now, wait=time.sleep, every_seconds=WATCH_SECONDS)
        seen = next(views)
        last = seen.record
        if watching:
            live = Live(console=console, transient=True) if console.is_terminal and not as_json else None
            with live or nullcontext():
                for seen in views:
                    last = seen.record if seen.record.canary else last
                    if live is not None:
                        live.update(tables.deployment(results.shown(seen.record, seen.presence, seen.figures)))
        result = results.shown(seen.record, seen.presence, seen.figures)
        show(result, as_json, lambda: tables.deployment(result))
        if seen.unmeasured:
            errors.print(seen.unmeasured, style="yellow", markup=False, soft_wrap=True)
        over = watch.ending(records, name, last) if last.canary and seen.record.canary is None else None
        if over is not None and not as_json:
            console.print(f"{over.action} by {over.by}: {over.reason}", markup=False, soft_wrap=True)


@app.command()
@prints(results.DeploymentRow)
def promote(
    name: NameArgument,
    reason: GivenReason,
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """Give the version on trial everything at once, whatever its gates say."""
    with failures():
        platform = open_platform(env)
        confirm(env, f"everything for the version that {name} tries", yes=yes)
        result = results.row(byhand.promote(wiring.records(platform), name, by=operator(), reason=reason))
        show(result, as_json, lambda: Text(tables.sentence(result)))


@app.command()
@prints(results.DeploymentRow)
def abort(
    name: NameArgument,
    reason: GivenReason,
    yes: YesOption = False,
    env: EnvironmentOption = "local",
    as_json: JsonOption = False,
) -> None:
    """End a canary: the stable version answers everything again."""
    with failures():
        platform = open_platform(env)
        confirm(env, f"the end of {name}'s canary", yes=yes)
        result = results.row(byhand.abort(wiring.records(platform), name, by=operator(), reason=reason))
        show(result, as_json, lambda: Text(tables.sentence(result)))


def _figures(prometheus: str | None, ca_file: Path | None, token_file: Path | None) -> CanaryFigures:
    if not prometheus:
        raise Refused(
            f"a canary is judged by what Prometheus measured: say --prometheus URL, or set {wiring.ENV_PROMETHEUS}"
        )
    return wiring.figures(prometheus, ca_file=ca_file, token_file=token_file)


def _probe(measure: CanaryFigures, model: str, stable: Version) -> None:
    """Rather now than when a version already answers users."""
    try:
        measure.probe(model, stable, utc_now())
    except Unmeasured as error:
        fail(f"nothing was changed, since the canary could not be judged: {error}", Exit.AWAY)


def _drive(platform: Platform, measure: CanaryFigures, name: str, slack_webhook: Path | None, as_json: bool) -> None:
    """Until its end, which is shown."""
    with progress() as tell:

        def say(look: Look) -> None:
            canary = look.deployment.canary if look.deployment else None
            tell(f"{name}: {f'{canary.version} at {canary.now.percent}%: ' if canary else ''}{look.said}")

        def undelivered(said: str) -> None:
            errors.print(said, style="yellow", markup=False, soft_wrap=True)

        controller = wiring.controller(
            platform, measure, by=operator(), slack_file=slack_webhook, progress=say, undelivered=undelivered
        )
        try:
            outcome = controller.run(name)
        except KeyboardInterrupt:
            fail(f"the canary of {name} stays where it is: `serveml canary run {name}` goes on", Exit.INTERRUPTED)
    result = results.ended(outcome)
    if outcome.ended in (Ended.NOTHING, Ended.LEASE_LOST):
        fail(outcome.reason, Exit.REFUSED)
    show(result, as_json, lambda: tables.ended(result))
    if outcome.failed:
        raise typer.Exit(int(Exit.ROLLED_BACK))
