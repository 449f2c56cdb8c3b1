"""The long run: a fixed rate for minutes, what the answers took, and whether memory grows."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

from bench.endurance import load
from bench.endurance.journal import Latency, accepted_ms, lag_ms, tally, windows
from bench.endurance.load import Load, Phase
from bench.endurance.report import Findings, Panel, Table, below, none_of
from bench.endurance.stage import Stage
from bench.endurance.terminal import Steps
from bench.endurance.trend import Trend
from bench.serving import process_tree
from bench.serving.measure import Usage, usage

P95_MS = 10.0
P99_MS = 25.0
FRESH_PERCENT = 1.0
"""Of the requests come on a new connection: what a connection leaves behind would show in the memory."""
_MAX_CONNECTIONS = 1000
_WARM_UP = Phase(per_second=200, seconds=2)
_SAMPLES = 200
_LONGEST_SAMPLE_SECONDS = 3.0
_WINDOWS = 60


@dataclass(frozen=True, kw_only=True)
class Soak:
    per_second: int
    seconds: int
    connections: int
    workers: int
    settle_seconds: float
    """Memory counts from then on: caches and pools fill first."""


def run(stage: Stage, plan: Soak, steps: Steps) -> Findings:
    requests = stage.requests(1)
    offer = functools.partial(
        load.offer, connections=plan.connections, max_connections=_MAX_CONNECTIONS, fresh_percent=FRESH_PERCENT
    )
    phase = Phase(per_second=plan.per_second, seconds=plan.seconds)
    samples: list[tuple[float, float]] = []
    every = min(plan.seconds / _SAMPLES, _LONGEST_SAMPLE_SECONDS)
    with stage.running(workers=plan.workers) as container:
        with load.apart(functools.partial(offer, container.port, requests, [_WARM_UP])) as work:
            work.result()
        steps.begin(f"{plan.per_second} requests/s", plan.seconds)
        began = time.monotonic()
        with (
            usage(container.pid) as used,
            load.apart(functools.partial(offer, container.port, requests, [phase])) as work,
        ):
            while not work.done(every):
                samples.append((time.monotonic() - began, process_tree.memory(container.pid).pss_mib * 1024))
                steps.at(time.monotonic() - began)
            found = work.result()
        stage.until_steady(container)
    return findings(plan, found, samples, used())


def findings(plan: Soak, found: Load, samples: list[tuple[float, float]], used: Usage) -> Findings:
    outcomes = list(found.journal)
    accepted = accepted_ms(outcomes)
    latency, lag = Latency.of(accepted), Latency.of(lag_ms(outcomes))
    settled = [(at, kib) for at, kib in samples if at >= plan.settle_seconds]
    trend = Trend.of(settled)
    errors = len(outcomes) - len(accepted)
    parts = windows(outcomes, found.began, max(plan.seconds / _WINDOWS, 1.0))
    return Findings(
        targets=[
            below("P95 of all answers", latency and latency.p95_ms, P95_MS, "ms"),
            below("P99 of all answers", latency and latency.p99_ms, P99_MS, "ms"),
            none_of("requests without the right status", errors),
        ],
        tables=[
            Table(
                title=f"{plan.per_second} requests/s for {plan.seconds} s, latency in ms from when each was due",
                rows=[
                    {
                        "requests": len(outcomes),
                        "P50": latency and latency.p50_ms,
                        "P95": latency and latency.p95_ms,
                        "P99": latency and latency.p99_ms,
                        "P99.9": latency and latency.p99_9_ms,
                        "most": latency and latency.most_ms,
                        "errors": errors,
                        "idle connections closed": found.unasked,
                        "generator's CPU %": found.cpu_percent,
                        "generator's lag P99": lag and lag.p99_ms,
                        "generator's lag most": lag and lag.most_ms,
                    }
                ],
            ),
            Table(title="answers", rows=[{"status": name, "count": count} for name, count in tally(outcomes).items()]),
            Table(
                title="memory (PSS of all its processes) and processor",
                rows=[
                    {
                        "first KiB": samples[0][1] if samples else None,
                        "last KiB": samples[-1][1] if samples else None,
                        "growth KiB/min": trend and trend.per_minute,
                        "95% from": trend and trend.low,
                        "95% to": trend and trend.high,
                        "samples": len(settled),
                        "CPU % of a core": 100 * used.server_seconds / plan.seconds,
                        "CPU µs a request": used.server_seconds * 1e6 / max(len(outcomes), 1),
                        "others' CPU %": used.others_percent,
                    }
                ],
            ),
        ],
        panels=[
            Panel(
                title=f"soak: latency at {plan.per_second} requests/s",
                x="s",
                y="ms",
                series={
                    "P50": [(part.start, part.latency.p50_ms) for part in parts if part.latency],
                    "P95": [(part.start, part.latency.p95_ms) for part in parts if part.latency],
                    "P99": [(part.start, part.latency.p99_ms) for part in parts if part.latency],
                },
            ),
            Panel(
                title="soak: memory of all processes",
                x="s",
                y="MiB",
                series={"PSS": [(at, kib / 1024) for at, kib in samples]},
            ),
        ],
    )
