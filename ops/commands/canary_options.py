"""The options of `serveml canary`: gates, Prometheus, and notices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contract.deployment import Gates
from ops.canary.plan import DEFAULT_STEP_SECONDS, DEFAULT_STEPS
from ops.canary.wiring import ENV_PROMETHEUS
from ops.notices.slack import ENV_WEBHOOK

DEFAULT_GATES = Gates()

StepsOption = Annotated[
    str, typer.Option("--steps", help=f"Shares that rise to 100, by commas, such as {DEFAULT_STEPS}.")
]
StepSecondsOption = Annotated[
    int, typer.Option("--step-seconds", min=1, help=f"How long each lasts at least; {DEFAULT_STEP_SECONDS} as a rule.")
]
ShadowPercentOption = Annotated[
    int,
    typer.Option(
        "--shadow-percent",
        help="A first stage gives the version copies of this share and compares its answers; 0 leaves it out.",
    ),
]
ShadowSecondsOption = Annotated[
    int, typer.Option("--shadow-seconds", min=1, help="How long that stage lasts at least.")
]
ErrorsOption = Annotated[
    float, typer.Option("--max-error-percent", help="Gate: less than this share of its requests may fail.")
]
LatencyOption = Annotated[float, typer.Option("--max-p95-ms", help="Gate: its P95 stays below.")]
RequestsOption = Annotated[
    int, typer.Option("--min-requests", help="Gate: it answers as many in a stage before it may pass.")
]
ShadowedOption = Annotated[
    int, typer.Option("--min-shadowed", help="Gate: as many copies are compared in a stage that copies.")
]
DisagreementOption = Annotated[
    float,
    typer.Option(
        "--max-disagreement-percent",
        help="Gate: less than this share of the copies may differ; 100 where it is meant to.",
    ),
]
FalseAlarmOption = Annotated[
    float,
    typer.Option(
        "--false-alarm-percent", help="Chance that a version as good as the stable one is found worse by comparison."
    ),
]
PrometheusOption = Annotated[
    str | None,
    typer.Option("--prometheus", metavar="URL", envvar=ENV_PROMETHEUS, help="Where the pods' metrics are gathered."),
]
PrometheusCaOption = Annotated[
    Path | None, typer.Option("--prometheus-ca", metavar="FILE", help="Certificates that its own is proved by.")
]
PrometheusTokenOption = Annotated[
    Path | None, typer.Option("--prometheus-token", metavar="FILE", help="Holds a bearer token for it.")
]
SlackOption = Annotated[
    Path | None,
    typer.Option("--slack-webhook", metavar="FILE", help=f"Holds a Slack webhook; {ENV_WEBHOOK} holds it otherwise."),
]
