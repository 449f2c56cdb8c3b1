"""What happens in the world while it is watched: a version on trial that passes, one that fails, and a surge."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.dashboards.callers import Mix
from bench.dashboards.questions import Asking, Window
from bench.dashboards.world import World
from components.observability.dashboards.panel import Dashboard
from components.observability.rules.promql import RATE_SECONDS
from contract.objects import Version
from ops import demo_faults
from ops.canary.prometheus import Series

CALM = Mix(per_second=40, invalid=0.004, unauthorised=0.002)
SURGE = replace(CALM, per_second=110)
GOOD, FAILING = Version(1, 1, 0), Version(1, 2, 0)
SETTLE_SECONDS = RATE_SECONDS
"""Before what is shown: rates over a window that is not yet full rise from nothing."""

_STEP_SECONDS = 5

Answers = list[list[list[Series]]]
"""For each panel of a dashboard, for each of its queries, its series."""


@dataclass(frozen=True, kw_only=True)
class Act:
    seconds: int
    said: str
    begin: Callable[[World], None] | None = None
    """None for what the world begins with."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the panels showed over the whole story, and at its end."""

    over: dict[str, Answers]
    at_the_end: dict[str, Answers]
    window: Window


def acts() -> list[Act]:
    return [
        Act(seconds=120, said="one version serves"),
        Act(seconds=150, said=f"{GOOD} gets copies of half of the requests, and answers 10%", begin=_try_good),
        Act(seconds=120, said=f"{GOOD} answers 50%", begin=_half),
        Act(seconds=75, said=f"{GOOD} answers everything", begin=World.finish),
        Act(seconds=90, said=f"{FAILING}, which fails on one row in twenty, answers 10%", begin=_try_failing),
        Act(seconds=60, said=f"{FAILING} is withdrawn", begin=World.withdraw),
        Act(seconds=60, said="more requests come", begin=_surge),
        Act(seconds=120, said="another pod helps", begin=World.add_pod),
        Act(seconds=90, said="the surge is over", begin=_calm),
    ]


def play(world: World, boards: dict[str, Dashboard], progress: Callable[[str], None]) -> Seen:
    """Takes some twenty minutes, of which a quarter of an hour is shown."""
    world.publish(GOOD)
    world.publish(FAILING, demo_faults.failing(world.model))
    time.sleep(SETTLE_SECONDS)
    begin_ms = _now_ms()
    for act in acts():
        progress(act.said)
        ends = time.monotonic() + act.seconds
        if act.begin is not None:
            act.begin(world)
        time.sleep(max(ends - time.monotonic(), 0))
    window = Window(begin_ms, _now_ms(), _STEP_SECONDS)
    asking = Asking(world.address)
    return Seen(
        over={name: [asking.over(panel, board, window) for panel in board.panels] for name, board in boards.items()},
        at_the_end={
            name: [asking.now(panel, board, window.end_ms) for panel in board.panels] for name, board in boards.items()
        },
        window=window,
    )


def _try_good(world: World) -> None:
    world.try_version(GOOD)


def _half(world: World) -> None:
    world.try_version(GOOD, 1)


def _try_failing(world: World) -> None:
    world.try_version(FAILING)


def _surge(world: World) -> None:
    world.callers.mix = SURGE
    world.cluster.wanted = len(world.cluster.pods) + 1


def _calm(world: World) -> None:
    world.callers.mix = CALM


def _now_ms() -> int:
    return int(time.time() * 1000)
