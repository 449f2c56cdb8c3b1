"""`serveml canary serve`: drives every canary there is, for as long as it runs.

Apart from the other commands, so that the controller's image can do without what those need.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from contract import service as contract
from ops import platform as platforms
from ops.canary import log, standing, wiring
from ops.canary.probes import PortTaken
from ops.canary.prometheus import PrometheusRefused
from ops.commands import canary_options as options
from ops.commands.shown import EnvironmentOption, Exit, Refused, fail, failures_shown, open_platform, operator
from ops.image.probe import PORT
from ops.notices.slack import BadWebhook
from ops.platform import Platform

DEFAULT_PORT = PORT


def serve(
    prometheus: options.PrometheusOption = None,
    prometheus_ca: options.PrometheusCaOption = None,
    prometheus_token: options.PrometheusTokenOption = None,
    slack_webhook: Annotated[
        Path | None,
        typer.Option(
            "--slack-webhook",
            metavar="FILE",
            help="Holds a Slack webhook, and is read for each notice; without it canaries go on all the same.",
        ),
    ] = None,
    outputs: Annotated[
        Path | None, typer.Option("--outputs", metavar="FILE", help="The stack's outputs; .serveml/ENV.json otherwise.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address that answers probes and Prometheus.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Its port; 0 takes a free one.")] = DEFAULT_PORT,
    log_level: Annotated[str, typer.Option("--log-level", help=f"Least severe: {', '.join(log.LEVELS)}.")] = "info",
    env: EnvironmentOption = "local",
) -> None:
    """Drive every canary there is until SIGTERM, beside any number of others that do so; logs in JSON."""
    with failures_shown(BadWebhook, PortTaken, PrometheusRefused):
        if log_level not in log.LEVELS:
            raise Refused(f"--log-level {log_level!r} is none of {', '.join(log.LEVELS)}")
        if not prometheus:
            raise Refused(
                f"a canary is judged by what Prometheus measured: say --prometheus URL, or set {wiring.ENV_PROMETHEUS}"
            )
        platform = _platform(env, outputs)
        measure = standing.measurements_of(prometheus, ca_file=prometheus_ca, token_file=prometheus_token)
        log.configure(log_level, os.environ.get(contract.ENV_POD_NAME, ""))
        ended = standing.serve(platform, measure, by=operator(), slack_file=slack_webhook, host=host, port=port)
    if not ended:
        fail("some canaries were left to whoever drives them next: their leases run out by themselves", Exit.AWAY)


def _platform(environment: str, outputs: Path | None) -> Platform:
    """Raise NoPlatform."""
    return open_platform(environment) if outputs is None else platforms.load(environment, outputs)
