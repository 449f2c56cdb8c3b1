"""Where should a model run? Inline, queued with and without joining, and waiting to fill a batch, beside each other.

    python -m bench.execution

Callers ask for one row each and ask again when they are answered, on one event loop, without HTTP. "Late" is how long
anything else on that loop is kept waiting, such as a health check. The figures decide the thresholds in
`serving.execution.choice`; ADR 0007 has them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from bench.execution.candidates import COLUMNS, Candidate, candidates
from bench.execution.ways import MAX_WAIT_MS, WAYS, Way
from bench.serving.statistics import percentile
from ops import demo_model
from serving.execution.choice import choose
from serving.execution.cost import MEASURED_ROWS
from serving.execution.settings import ExecutionSettings
from serving.model import Array

CALLERS = (1, 8, 48, 64)
"""The last just fill a batch, which is what waiting for it is best at."""
TICK_SECONDS = 0.002


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one round, or medians of several."""

    per_second: float
    p50_ms: float
    p99_ms: float
    late_p99_ms: float


async def measure(way: Way, callers: int, seconds: float) -> Figures:
    rows = np.random.default_rng(callers).standard_normal((callers, COLUMNS)).astype(np.float32)
    latencies: list[float] = []
    late: list[float] = []
    began = time.perf_counter()
    end = began + seconds

    async def call(row: Array) -> None:
        while (asked := time.perf_counter()) < end:
            await way.submit({demo_model.INPUT: row})
            latencies.append(time.perf_counter() - asked)

    async def watch() -> None:
        while (slept := time.perf_counter()) < end:
            await asyncio.sleep(TICK_SECONDS)
            late.append(time.perf_counter() - slept - TICK_SECONDS)

    await asyncio.gather(watch(), *(call(rows[caller : caller + 1]) for caller in range(callers)))
    took = time.perf_counter() - began
    latencies.sort()
    late.sort()
    return Figures(
        per_second=len(latencies) / took,
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
        late_p99_ms=max(percentile(late, 99), 0.0) * 1000,
    )


async def compare(candidate: Candidate, callers: int, rounds: int, seconds: float) -> dict[str, Figures]:
    """Every way once in each round, one after the other; medians over the rounds."""
    found: dict[str, list[Figures]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, make in WAYS.items():
            with make(candidate) as way:
                await _check(candidate, way)
                found[name].append(await measure(way, callers, seconds))
    return {name: _medians(figures) for name, figures in found.items()}


async def _check(candidate: Candidate, way: Way) -> None:
    """Raise unless rows that may be joined get the answers that they get alone."""
    rows = np.random.default_rng(1).standard_normal((8, 1, COLUMNS)).astype(np.float32)
    answers = await asyncio.gather(*(way.submit({demo_model.INPUT: row}) for row in rows))
    for row, answer in zip(rows, answers, strict=True):
        for name, expected in candidate.predict({demo_model.INPUT: row}).items():
            np.testing.assert_allclose(answer[name], expected, rtol=1e-4, atol=1e-5)


def _medians(rounds: list[Figures]) -> Figures:
    def median(figure: Callable[[Figures], float]) -> float:
        return statistics.median(map(figure, rounds))

    return Figures(
        per_second=median(lambda one: one.per_second),
        p50_ms=median(lambda one: one.p50_ms),
        p99_ms=median(lambda one: one.p99_ms),
        late_p99_ms=median(lambda one: one.late_p99_ms),
    )


def _table(candidate: Candidate, callers: int, found: Mapping[str, Figures]) -> Table:
    table = Table(title=f"{candidate.name}, {callers} callers", title_justify="left")
    table.add_column("way", no_wrap=True)
    for column in ("rows/s", "of inline", "p50 ms", "p99 ms", "late p99 ms"):
        table.add_column(column, justify="right")
    for name, figures in found.items():
        table.add_row(
            name,
            f"{figures.per_second:,.0f}",
            f"{figures.per_second / found['inline'].per_second:.2f}",
            f"{figures.p50_ms:.2f}",
            f"{figures.p99_ms:.2f}",
            f"{figures.late_p99_ms:.2f}",
        )
    return table


async def run(rounds: int, seconds: float, console: Console) -> None:
    for candidate in candidates():
        chosen = choose(
            candidate,
            candidate.timing,
            ExecutionSettings(),
            max_wait_ms=MAX_WAIT_MS,
            loop=asyncio.get_running_loop(),
        )
        console.print(
            f"{candidate.name}: a row takes {candidate.timing.row_seconds * 1e6:.0f} µs, in a run of {MEASURED_ROWS} "
            f"{candidate.timing.batch_gain:.1f} times less; auto is {'inline' if chosen is None else 'queued'}",
            markup=False,
        )
        for callers in CALLERS:
            console.print(_table(candidate, callers, await compare(candidate, callers, rounds, seconds)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare where a model can run.")
    parser.add_argument("--rounds", type=int, default=5, help="medians are taken over so many")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of each measurement")
    given = parser.parse_args()
    uvloop.run(run(given.rounds, given.seconds, Console()))


if __name__ == "__main__":
    main()
