"""What the commands for deployments and canaries share: arguments, the failures they show, and lines of progress."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from contract.deployment import InvalidDeployment
from contract.objects import InvalidName
from contract.versions import InvalidVersionRecord
from ops.canary.byhand import MayServe
from ops.canary.plan import InvalidPlan
from ops.canary.prometheus import PrometheusRefused
from ops.commands.shown import Exit, errors, fail, failures_shown
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

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The deployment, named like the model it serves.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Such as 1.4.0.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Stands in the history.")]


@contextmanager
def failures() -> Generator[None]:
    with failures_shown(*_REFUSALS):
        try:
            yield
        except _AWAY as error:
            fail(str(error), Exit.AWAY)


@contextmanager
def progress() -> Generator[Callable[[str], None]]:
    """A line that changes on a terminal, and nothing elsewhere."""
    with errors.status("") as status:
        yield lambda said: status.update(Text(said))


def may_serve(platform: Platform) -> MayServe:
    return partial(require_promotable, platform)
