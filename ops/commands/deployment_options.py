"""What the commands for deployments and canaries share: arguments, and the failures they show."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from contract.deployment import InvalidDeployment
from contract.objects import InvalidName
from contract.versions import InvalidVersionRecord
from ops.canary.byhand import MayServe
from ops.canary.plan import InvalidPlan
from ops.canary.prometheus import PrometheusRefused
from ops.commands.shown import failures_shown
from ops.models.registry import NotPromotable, require_promotable
from ops.notices.slack import BadWebhook
from ops.platform import Platform
from ops.rollout.records import DeploymentExists, NoDeployment, RecordConflict
from ops.rollout.transitions import ChangeRefused
from serving.download import StoreUnreachable

_REFUSALS = (
    BadWebhook,
    ChangeRefused,
    DeploymentExists,
    InvalidDeployment,
    InvalidName,
    InvalidPlan,
    InvalidVersionRecord,
    NoDeployment,
    NotPromotable,
    PrometheusRefused,
)
_AWAY = (RecordConflict, StoreUnreachable)
failures = partial(failures_shown, *_REFUSALS, away=_AWAY)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The deployment, named like the model it serves.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Such as 1.4.0.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Stands in the history.")]


def may_serve(platform: Platform) -> MayServe:
    return partial(require_promotable, platform)
