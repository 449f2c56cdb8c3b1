"""How soon is a worse version found, and how often is a good one blamed? Simulated canaries, with fixed seeds.

    python -m bench.comparison

Both versions get blocks of requests at a tenth and nine tenths of a steady traffic, and are compared after each. Beside
ours stands the plain rule that lays everything on one guess from the past. ADR 0008 has the figures.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from rich.console import Console
from rich.table import Table

from ops.canary.sequential import Block, Comparison

CANDIDATE_TRIALS, STABLE_TRIALS = 50, 450
"""Of a block: 100 requests/s, looked at every 5 s, at a share of 10 percent."""
LOOK_SECONDS = 5
LOOKS = 720
NULL_LOOKS = 200
FALSE_ALARM = 0.01
_LATE = 120


class Rule(Protocol):
    """What is measured."""

    def update(self, *, candidate: Block, stable: Block) -> None: ...

    def worse(self, false_alarm: float) -> bool: ...


@dataclass(frozen=True, kw_only=True)
class Case:
    """Shares of events among the requests."""

    name: str
    delta: float
    candidate: float
    stable: float
    changes_after: int = 0
    """Looks."""
    later: tuple[float, float] | None = None
    """The candidate's and the stable version's share from then on."""

    def blocks(self, looks: int, random: np.random.Generator) -> Iterator[tuple[Block, Block]]:
        for look in range(looks):
            late = self.later if look >= self.changes_after else None
            share, stable_share = late or (self.candidate, self.stable)
            bad = int(random.binomial(CANDIDATE_TRIALS, share))
            stable_bad = int(random.binomial(STABLE_TRIALS, stable_share))
            yield (bad, CANDIDATE_TRIALS), (stable_bad, STABLE_TRIALS)


class OneGuess:
    """The plain rule: both shares are guessed from all of the past, the trial's at least `delta` above the stable's."""

    def __init__(self, delta: float) -> None:
        self._delta = delta
        self._log_e = 0.0
        self._past = [0.0, 0.0, 0.0, 0.0]

    def update(self, *, candidate: Block, stable: Block) -> None:
        known = 1.0 / self._delta
        bad, tried, stable_bad, stable_tried = self._past
        base = (stable_bad + 1.0) / (stable_tried + known)
        raised = min(max(base + self._delta, (bad + 1.0) / (tried + known)), (1.0 + base) / 2.0)
        pooled = (candidate[1] * raised + stable[1] * base) / (candidate[1] + stable[1])
        for (events, trials), share in ((candidate, raised), (stable, base)):
            self._log_e += events * math.log(share / pooled)
            self._log_e += (trials - events) * math.log((1.0 - share) / (1.0 - pooled))
        self._past = [before + new for before, new in zip(self._past, (*candidate, *stable), strict=True)]

    def worse(self, false_alarm: float) -> bool:
        return self._log_e >= -math.log(false_alarm)


def alarm(rule: Rule, case: Case, looks: int, seed: int, false_alarm: float = FALSE_ALARM) -> int | None:
    """After how many looks a canary is ended; None where it is not."""
    blocks = case.blocks(looks, np.random.default_rng(seed))
    for look, (candidate, stable) in enumerate(blocks, start=1):
        rule.update(candidate=candidate, stable=stable)
        if rule.worse(false_alarm):
            return look
    return None


ERRORS, SLOW = 0.0005, 0.02

GOOD = (
    Case(name="as good: errors 0.1%", delta=ERRORS, candidate=0.001, stable=0.001),
    Case(name="as good: errors 1%", delta=ERRORS, candidate=0.01, stable=0.01),
    Case(name="as good: slow 5%", delta=SLOW, candidate=0.05, stable=0.05),
    Case(name="better: slow 5%, stable 10%", delta=SLOW, candidate=0.05, stable=0.1),
    Case(
        name="both suffer: errors 0.1%, then 5%",
        delta=ERRORS,
        candidate=0.001,
        stable=0.001,
        changes_after=NULL_LOOKS // 2,
        later=(0.05, 0.05),
    ),
)

WORSE = (
    Case(name="errors 0.1% -> 0.3%", delta=ERRORS, candidate=0.003, stable=0.001),
    Case(name="errors 0.1% -> 0.5%", delta=ERRORS, candidate=0.005, stable=0.001),
    Case(name="errors 0.1% -> 1%", delta=ERRORS, candidate=0.01, stable=0.001),
    Case(name="errors 0.1% -> 5%", delta=ERRORS, candidate=0.05, stable=0.001),
    Case(name="errors 0.1% -> 100%", delta=ERRORS, candidate=1.0, stable=0.001),
    Case(name="slow 5% -> 7.5%", delta=SLOW, candidate=0.075, stable=0.05),
    Case(name="slow 5% -> 10%", delta=SLOW, candidate=0.1, stable=0.05),
    Case(
        name="errors 0.1% -> 0.5% after 10 min",
        delta=ERRORS,
        candidate=0.001,
        stable=0.001,
        changes_after=_LATE,
        later=(0.005, 0.001),
    ),
    Case(
        name="slow 5% -> 10% after 10 min",
        delta=SLOW,
        candidate=0.05,
        stable=0.05,
        changes_after=_LATE,
        later=(0.1, 0.05),
    ),
)

RULES: tuple[tuple[str, Callable[[float], Rule]], ...] = (("ours", Comparison), ("one guess", OneGuess))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--good", type=int, default=2000, help="canaries of a good version for each case")
    parser.add_argument("--worse", type=int, default=500, help="canaries of a worse version for each case")
    arguments = parser.parse_args()
    console = Console(width=120)
    console.print(_blamed(arguments.good))
    console.print(_found(arguments.worse))


def _blamed(canaries: int) -> Table:
    table = Table(title=f"Good versions blamed, of {canaries} canaries with {NULL_LOOKS} looks each")
    for column in ("version", *(f"{name}, at {share:.0%}" for name, _ in RULES for share in (0.01, 0.05))):
        table.add_column(column)
    for case in GOOD:
        row = [case.name]
        for _, make in RULES:
            for false_alarm in (0.01, 0.05):
                ends = (alarm(make(case.delta), case, NULL_LOOKS, seed, false_alarm) for seed in range(canaries))
                row.append(f"{sum(end is not None for end in ends) / canaries:.2%}")
        table.add_row(*row)
    return table


def _found(canaries: int) -> Table:
    """Counted from the change, where there is one."""
    table = Table(title=f"Until a worse version is found, at {FALSE_ALARM:.0%}, of {canaries} canaries")
    columns = ("found within the hour", "median s", "90% within s", "median requests")
    for column in ("version", "rule", *columns):
        table.add_column(column)
    for case in WORSE:
        for name, make in RULES:
            ends = [alarm(make(case.delta), case, LOOKS, seed) for seed in range(canaries)]
            # What is not found counts as the longest.
            looks = [max((end or LOOKS) - case.changes_after, 0) for end in ends]
            median = float(np.median(looks))
            table.add_row(
                case.name,
                name,
                f"{sum(end is not None for end in ends) / canaries:.0%}",
                f"{median * LOOK_SECONDS:.0f}",
                f"{np.percentile(looks, 90) * LOOK_SECONDS:.0f}",
                f"{median * CANDIDATE_TRIALS:.0f}",
            )
    return table


if __name__ == "__main__":
    main()
