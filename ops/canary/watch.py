"""What there is to see of a canary, again and again until it is over; nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from contract.deployment import Change, Deployment
from ops.canary.controller import Measure
from ops.canary.ending import ending_of
from ops.canary.gates import Figures
from ops.canary.measuring import Unmeasured
from ops.rollout.presence import Presence, presence_of
from ops.rollout.records import Records


@dataclass(frozen=True, kw_only=True)
class View:
    record: Deployment
    presence: Presence
    figures: Figures | None
    unmeasured: str | None
    """Why there are no figures although they were asked for."""


def view(records: Records, name: str, measure: Measure | None, now: datetime) -> View:
    """As it is now; raise NoDeployment."""
    record = records.get(name)
    presence = presence_of(records.reports(name), now)
    figures, unmeasured = None, None
    if measure is not None and record.canary is not None and record.canary.stage_began_at is not None:
        try:
            figures = measure(record.model, record.canary, record.stable, now)
        except Unmeasured as error:
            unmeasured = str(error)
    return View(record=record, presence=presence, figures=figures, unmeasured=unmeasured)


def views(
    records: Records,
    name: str,
    measure: Measure | None,
    *,
    clock: Callable[[], datetime],
    wait: Callable[[float], object],
    every_seconds: float,
) -> Iterator[View]:
    """Until the canary is over; the last one shows the deployment without it."""
    first = view(records, name, measure, clock())
    yield first
    trial = first.record.canary
    while trial is not None:
        wait(every_seconds)
        seen = view(records, name, measure, clock())
        yield seen
        if seen.record.canary is None or seen.record.canary.id != trial.id:
            return


def ending(records: Records, name: str, last: Deployment) -> Change | None:
    """How the canary came to its end that `last` still showed."""
    return ending_of(records.history(name), last.revision)
