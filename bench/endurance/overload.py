"""Twice what the server can do, and then half: who is answered how soon, who is refused how, how soon all is well."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from bench.endurance import load
from bench.endurance.journal import REFUSALS, Fate, Latency, Outcome, accepted_ms, lag_ms, name_of, tally, windows
from bench.endurance.load import Load, LoadFailed, Phase
from bench.endurance.recovery import WINDOW_SECONDS, limit_ms, recovery_seconds
from bench.endurance.report import Figure, Findings, Panel, Table, below, none_of
from bench.endurance.stage import Stage
from bench.endurance.terminal import Steps

ACCEPTED_P99_MS = 250.0
RECOVERY_SECONDS = 5.0
GENERATOR_LAG_P99_MS = 10.0
"""Up to this, the figures are the server's."""
TIMES_CAPACITY = 2.0
SHARE_AROUND = 0.5
FRESH_PERCENT = 5.0
_CLOSED_LOOPS = (2, 8, 32)
"""Connections with which the capacity is looked for: few may starve a server, many may make it refuse."""
_CHART_WINDOW_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Overload:
    rows: int
    """In a request: enough that it costs the server many times what it costs the generator."""
    connections: int
    max_connections: int
    capacity_seconds: float
    around_seconds: float
    """At half the capacity, before and after."""
    seconds: float


def run(stage: Stage, plan: Overload, steps: Steps) -> Findings:
    requests = stage.requests(plan.rows)
    # One worker leaves the other core to the generator.
    with stage.running(workers=1) as container:
        stage.check(container, plan.rows)
        rates: dict[int, float] = {}
        for connections in _CLOSED_LOOPS:
            saturate = functools.partial(
                load.saturate, container.port, requests, connections=connections, seconds=plan.capacity_seconds
            )
            closed = _followed(saturate, steps, f"closed loop, {connections} connections", plan.capacity_seconds)
            rates[connections] = len(accepted_ms(closed.journal)) / plan.capacity_seconds
        capacity = max(rates.values())
        if capacity * SHARE_AROUND < 1:
            raise LoadFailed("the closed loop got no right answers: is the container refusing all, as of a rate limit?")
        phases = [
            Phase(per_second=round(SHARE_AROUND * capacity), seconds=plan.around_seconds),
            Phase(per_second=round(TIMES_CAPACITY * capacity), seconds=plan.seconds),
            Phase(per_second=round(SHARE_AROUND * capacity), seconds=plan.around_seconds),
        ]
        offer = functools.partial(
            load.offer,
            container.port,
            requests,
            phases,
            connections=plan.connections,
            max_connections=plan.max_connections,
            fresh_percent=FRESH_PERCENT,
        )
        seconds = sum(phase.seconds for phase in phases)
        found = _followed(offer, steps, f"{capacity:,.0f} requests/s are its capacity: twice that", seconds)
        # Not at once: the report says how soon it is itself again, this only that it then answers rightly.
        stage.until_steady(container)
    return findings(rates, phases, found)


def findings(rates: dict[int, float], phases: Sequence[Phase], found: Load) -> Findings:
    before, during, after = (found.of(phases, index) for index in range(len(phases)))
    accepted, baseline = Latency.of(accepted_ms(during)), Latency.of(accepted_ms(before))
    lag = Latency.of(lag_ms(found.journal))
    fall_back = found.began + phases[0].seconds + phases[1].seconds
    recovered = None
    if baseline is not None:
        recovered = recovery_seconds(windows(after, fall_back, WINDOW_SECONDS), limit_ms(baseline))
    return Findings(
        targets=[
            below("P99 of the accepted in the overload", accepted and accepted.p99_ms, ACCEPTED_P99_MS, "ms"),
            none_of("refusals without Retry-After", without_retry_after(found.journal)),
            none_of("requests that got neither an answer nor a refusal", _failed(during)),
            below("recovery after the overload", recovered, RECOVERY_SECONDS, "s"),
            below("the generator's own lag, P99", lag and lag.p99_ms, GENERATOR_LAG_P99_MS, "ms"),
        ],
        tables=[
            Table(
                title="capacity: right answers/s in a closed loop",
                rows=[{"connections": count, "requests/s": rate} for count, rate in rates.items()],
            ),
            Table(
                title="phases; latency of the accepted in ms from when each was due; kept and fresh connections",
                rows=[
                    _phase_row(name, phase, outcomes, max(rates.values()))
                    for name, phase, outcomes in zip(
                        ("before", "overload", "after"), phases, (before, during, after), strict=True
                    )
                ],
            ),
            Table(title="outcomes in the overload", rows=[_outcomes(during)]),
            Table(
                title="the whole load",
                rows=[{"generator's CPU % of a core": found.cpu_percent, "idle connections closed": found.unasked}],
            ),
        ],
        panels=_panels(found),
    )


def without_retry_after(outcomes: Iterable[Outcome]) -> int:
    return sum(outcome.status in REFUSALS and not outcome.has_retry_after for outcome in outcomes)


def _phase_row(name: str, phase: Phase, outcomes: Sequence[Outcome], capacity: float) -> dict[str, Figure]:
    latency, lag = Latency.of(accepted_ms(outcomes)), Latency.of(lag_ms(outcomes))
    kept = Latency.of(accepted_ms(outcome for outcome in outcomes if not outcome.is_fresh))
    fresh = Latency.of(accepted_ms(outcome for outcome in outcomes if outcome.is_fresh))
    accepted = len(accepted_ms(outcomes))
    refused = sum(outcome.status in REFUSALS for outcome in outcomes)
    return {
        "phase": name,
        "due/s": phase.per_second,
        "accepted/s": accepted / phase.seconds,
        "of capacity": accepted / phase.seconds / capacity,
        "refused": refused,
        "other": len(outcomes) - accepted - refused,
        "P50": latency and latency.p50_ms,
        "P95": latency and latency.p95_ms,
        "P99": latency and latency.p99_ms,
        "most": latency and latency.most_ms,
        "P99 kept": kept and kept.p99_ms,
        "P99 fresh": fresh and fresh.p99_ms,
        "generator's lag P99": lag and lag.p99_ms,
        "lag most": lag and lag.most_ms,
    }


def _panels(found: Load) -> list[Panel]:
    parts = windows(list(found.journal), found.began, _CHART_WINDOW_SECONDS)
    return [
        Panel(
            title="overload: what became of the requests that were due",
            x="s",
            y="a second",
            series={
                "accepted": [(part.start, part.answered / _CHART_WINDOW_SECONDS) for part in parts],
                "refused": [(part.start, part.refused / _CHART_WINDOW_SECONDS) for part in parts],
                "failed": [(part.start, part.failed / _CHART_WINDOW_SECONDS) for part in parts],
            },
        ),
        Panel(
            title="overload: latency of the accepted",
            x="s",
            y="ms",
            series={
                "P50": [(part.start, part.latency.p50_ms) for part in parts if part.latency],
                "P99": [(part.start, part.latency.p99_ms) for part in parts if part.latency],
            },
            limit=ACCEPTED_P99_MS,
        ),
    ]


def _outcomes(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Also those that did not happen; answers of any other status together."""
    counts = tally(outcomes)
    named = [str(status.value) for status in (HTTPStatus.OK, *REFUSALS)]
    fates = [name_of(fate) for fate in Fate]
    others = sum(count for name, count in counts.items() if name not in (*named, *fates))
    return (
        {name: counts.get(name, 0) for name in named}
        | {"other status": others}
        | {name: counts.get(name, 0) for name in fates}
    )


def _failed(outcomes: Sequence[Outcome]) -> int:
    return sum(outcome.status != HTTPStatus.OK and outcome.status not in REFUSALS for outcome in outcomes)


def _followed(function: Callable[[], T], steps: Steps, said: str, seconds: float) -> T:
    steps.begin(said, seconds)
    began = time.monotonic()
    with load.apart(function) as work:
        while not work.done(0.5):
            steps.at(time.monotonic() - began)
        return work.result()
