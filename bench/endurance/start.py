"""From the process's start to its first right answer, with an empty cache of models and with a filled one."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.endurance.report import Figure, Findings, Table, below, trials
from bench.endurance.stage import Stage
from bench.endurance.terminal import Steps

FIRST_ANSWER_SECONDS = 1.5
COLD, WARM = "cold cache", "warm cache"


@dataclass(frozen=True, kw_only=True)
class Starts:
    trials: int
    workers: int


@dataclass(frozen=True)
class Started:
    """One trial."""

    seconds_to_first: float
    seconds_to_steady: float
    """Until a row of answers was right, so of all workers."""


def run(stage: Stage, plan: Starts, steps: Steps) -> Findings:
    found: dict[str, list[Started]] = {COLD: [], WARM: []}
    steps.begin(f"{plan.trials} starts of each kind", plan.trials)
    for number in range(plan.trials):
        cache = stage.new_cache()
        for kind in (COLD, WARM):
            container = stage.start(workers=plan.workers, cache=cache)
            try:
                found[kind].append(Started(*stage.until_steady(container)))
            finally:
                container.end()
        steps.at(number + 1)
    return findings(found)


def findings(found: Mapping[str, Sequence[Started]]) -> Findings:
    first = {kind: [trial.seconds_to_first for trial in started] for kind, started in found.items()}
    return Findings(
        targets=[
            below(f"first right answer, {kind}, most", max(seconds), FIRST_ANSWER_SECONDS, "s")
            for kind, seconds in first.items()
        ],
        tables=[Table(title="from the process's start", rows=[row(kind, found[kind]) for kind in found])],
        panels=[trials("start", "time to the first right answer", "s", first, FIRST_ANSWER_SECONDS)],
    )


def row(kind: str, started: Sequence[Started]) -> dict[str, Figure]:
    first, steady = (
        [getattr(trial, figure) for trial in started] for figure in ("seconds_to_first", "seconds_to_steady")
    )
    return {
        "start": kind,
        "trials": len(started),
        "first answer s, median": statistics.median(first),
        "most": max(first),
        "all workers s, median": statistics.median(steady),
        "all workers, most": max(steady),
    }
