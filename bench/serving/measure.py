"""The rounds: every server is started, loaded and ended in turn, again and again, so that noise falls on all alike."""

from __future__ import annotations

import os
import resource
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.serving import launch, open_loop, process_tree, wrk
from bench.serving.environments import NotInstalled
from bench.serving.launch import Excluded, Running
from bench.serving.results import Life, Measurement, Record, Scenario
from bench.serving.servers import Server
from bench.serving.statistics import slope_per_minute
from bench.serving.workload import Oracle, Rows, batches
from bench.serving.wrk import WrkFailed

BODIES = 64
WARM_UP_SECONDS = 1
TREND_SECONDS = 60
"""Over less, a slope of memory says nothing."""
_MEMORY_EVERY_SECONDS = 1.0


@dataclass(frozen=True)
class Effort:
    """How long and how often."""

    rounds: int
    seconds: int
    rate_seconds: int


@dataclass(frozen=True)
class Usage:
    """CPU time of a stretch of load."""

    server_seconds: float
    others_percent: float


class Bench:
    """One model, its rows and scenarios; `run` fills a record for each server."""

    def __init__(self, model: Path, oracle: Oracle, rows: Rows, scenarios: Sequence[Scenario], effort: Effort) -> None:
        self._model = model
        self._oracle = oracle
        self._rows = rows
        self._scenarios = scenarios
        self._effort = effort

    def run(self, servers: Sequence[Server], say: Callable[[str], None]) -> list[Record]:
        records = {server.name: Record(server.name, server.version, server.is_peer) for server in servers}
        for number in range(self._effort.rounds):
            for server in servers:
                record = records[server.name]
                if record.excluded is None:
                    say(f"round {number + 1} of {self._effort.rounds}: {server.name}")
                    self._round(server, record, say)
        return list(records.values())

    def _round(self, server: Server, record: Record, say: Callable[[str], None]) -> None:
        try:
            with launch.running(server, self._model, self._oracle, self._rows[:1]) as started:
                self._check(server, started.port)
                self._load(started, Scenario(max(s.connections for s in self._scenarios), 1), WARM_UP_SECONDS)
                for scenario in self._scenarios:
                    found = self._measure(started, scenario)
                    record.measurements.setdefault(scenario, []).append(found)
                self._check(server, started.port)
                memory = process_tree.memory(started.pid)
                count = len(process_tree.tree_of(started.pid, process_tree.processes()))
                record.lives.append(
                    Life(
                        started.seconds_to_first_answer,
                        started.seconds_to_steady,
                        memory.rss_mib,
                        memory.pss_mib,
                        count,
                    )
                )
        except (Excluded, NotInstalled, WrkFailed, OSError) as error:
            record.excluded = str(error)
            say(f"{server.name} is left out: {error}")

    def _check(self, server: Server, port: int) -> None:
        for count in sorted({scenario.rows for scenario in self._scenarios}):
            launch.check(server, port, self._oracle, self._rows[:count])

    def _measure(self, started: Running, scenario: Scenario) -> Measurement:
        if scenario.rate_per_second is None:
            load, used = self._load(started, scenario, self._effort.seconds)
            return Measurement(
                requests_per_second=load.requests_per_second,
                p50_ms=load.p50_ms,
                p95_ms=load.p95_ms,
                p99_ms=load.p99_ms,
                most_ms=load.most_ms,
                errors=load.errors,
                refused=0,
                cpu_us_per_request=_us_each(used.server_seconds, load.requests),
                others_cpu_percent=used.others_percent,
            )
        return self._at_rate(started, scenario, scenario.rate_per_second)

    def _load(self, started: Running, scenario: Scenario, seconds: int) -> tuple[wrk.Load, Usage]:
        dialect, headers = started.server.dialect, started.server.headers
        bodies = [dialect.write(rows) for rows in batches(self._rows, scenario.rows, BODIES)]
        with tempfile.NamedTemporaryFile("w", suffix=".lua", dir=started.folder) as file:
            file.write(wrk.script(dialect.path, headers, bodies))
            file.flush()
            with usage(started.pid) as used:
                load = wrk.run(started.url, Path(file.name), connections=scenario.connections, seconds=seconds)
        return load, used()

    def _at_rate(self, started: Running, scenario: Scenario, per_second: int) -> Measurement:
        dialect, headers = started.server.dialect, started.server.headers
        requests = [
            open_loop.http_request(dialect.path, headers, dialect.write(rows))
            for rows in batches(self._rows, scenario.rows, BODIES)
        ]
        with usage(started.pid) as used_by, _memory_samples(started.pid) as samples:
            arrivals = open_loop.run(
                started.port,
                requests,
                per_second=per_second,
                seconds=self._effort.rate_seconds,
                connections=scenario.connections,
            )
        used = used_by()
        return Measurement(
            requests_per_second=arrivals.answered_per_second,
            p50_ms=arrivals.percentile_ms(50),
            p95_ms=arrivals.percentile_ms(95),
            p99_ms=arrivals.percentile_ms(99),
            most_ms=arrivals.percentile_ms(100),
            errors=arrivals.errors,
            refused=arrivals.refused,
            cpu_us_per_request=_us_each(used.server_seconds, len(arrivals.latencies_ms)),
            others_cpu_percent=used.others_percent,
            pss_mib_per_minute=slope_per_minute(samples) if self._effort.rate_seconds >= TREND_SECONDS else None,
        )


@contextmanager
def usage(pid: int) -> Generator[Callable[[], Usage]]:
    """What the server and others used between entry and exit; ask after the exit."""
    began, busy, server, client = (
        time.monotonic(),
        process_tree.busy_seconds(),
        process_tree.cpu_seconds(pid),
        _client_seconds(),
    )
    found: list[Usage] = []
    yield lambda: found[0]
    of_server, of_client = process_tree.cpu_seconds(pid) - server, _client_seconds() - client
    available = (time.monotonic() - began) * (os.cpu_count() or 1)
    others = max(process_tree.busy_seconds() - busy - of_server - of_client, 0.0)
    found.append(Usage(of_server, 100 * others / available))


@contextmanager
def _memory_samples(pid: int) -> Generator[list[tuple[float, float]]]:
    samples: list[tuple[float, float]] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(_MEMORY_EVERY_SECONDS):
            samples.append((time.monotonic(), process_tree.memory(pid).pss_mib))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _client_seconds() -> float:
    """CPU time of this process and of the load generators that it has waited for."""
    both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in both)


def _us_each(seconds: float, requests: int) -> float:
    return seconds * 1e6 / requests if requests else 0.0
