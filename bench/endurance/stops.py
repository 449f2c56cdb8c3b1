"""SIGTERM again and again: of two containers behind a balancer one is told to stop, and another takes its place."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass

import uvloop

from bench.endurance.balancer import UNREADY_SECONDS, Balancer, Target
from bench.endurance.journal import Journal, Latency, accepted_ms, tally
from bench.endurance.report import Findings, Table, none_of, trials
from bench.endurance.stage import Container, Stage
from bench.endurance.terminal import Steps
from bench.endurance.traffic import Client
from bench.serving import launch
from bench.serving.launch import Excluded

FRESH_PERCENT = 20.0
BETWEEN_SECONDS = 0.5
"""With both containers ready, before the next is told to stop."""
GONE_SECONDS = 60.0
_MAX_CONNECTIONS = 256
_FIRST_ANSWERS_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Stops:
    trials: int
    per_second: int
    workers: int
    drain_seconds: int


@dataclass(frozen=True)
class Stopped:
    """One trial."""

    seconds_to_exit: float
    exit_code: int
    seconds_to_replacement: float
    """From the new process's start until the balancer sends to it."""


def run(stage: Stage, plan: Stops, steps: Steps) -> Findings:
    if plan.drain_seconds < UNREADY_SECONDS:
        raise Excluded(f"a drain of {plan.drain_seconds} s is too short: the balancer takes up to {UNREADY_SECONDS} s")
    with ExitStack() as stack, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stopped, journal = runner.run(_Trials(stage, plan, steps, stack).run())
    return findings(plan, stopped, journal)


class _Trials:
    def __init__(self, stage: Stage, plan: Stops, steps: Steps, stack: ExitStack) -> None:
        self._stage = stage
        self._plan = plan
        self._steps = steps
        self._stack = stack
        self._cache = stage.new_cache()
        self._balancer = Balancer()

    async def run(self) -> tuple[list[Stopped], Journal]:
        balancer, plan = self._balancer, self._plan
        client = Client(
            self._stage.requests(1), balancer.pick, max_connections=_MAX_CONNECTIONS, fresh_percent=FRESH_PERCENT
        )
        targets = [balancer.add(self._start()) for _ in range(2)]
        for target in targets:
            await _ready(target)
        self._steps.begin(f"{plan.trials} stops", plan.trials)
        stopped: list[Stopped] = []
        async with client.arrivals(plan.per_second, time.monotonic() + _FIRST_ANSWERS_SECONDS):
            for number in range(plan.trials):
                await asyncio.sleep(BETWEEN_SECONDS)
                target = targets.pop(0)
                seconds, code = await self._stop(target.container)
                balancer.remove(target)
                successor = balancer.add(self._start())
                targets.append(successor)
                await _ready(successor)
                stopped.append(Stopped(seconds, code, time.monotonic() - successor.container.began))
                self._steps.at(number + 1)
            await asyncio.sleep(BETWEEN_SECONDS)
        journal = await client.finish()
        balancer.close()
        return stopped, journal

    def _start(self) -> Container:
        container = self._stage.start(
            workers=self._plan.workers, cache=self._cache, drain_seconds=self._plan.drain_seconds
        )
        self._stack.callback(container.end)
        return container

    async def _stop(self, container: Container) -> tuple[float, int]:
        """SIGTERM to the container's first process alone, as kubelet does it."""
        exited = asyncio.Event()
        descriptor = os.pidfd_open(container.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, exited.set)
        began = time.monotonic()
        try:
            container.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(GONE_SECONDS):
                await exited.wait()
        except TimeoutError:
            raise Excluded(f"a container still ran {GONE_SECONDS:.0f} s after SIGTERM") from None
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return time.monotonic() - began, container.process.wait()


async def _ready(target: Target) -> None:
    deadline = time.monotonic() + launch.START_SECONDS
    while not target.became_ready.is_set():
        fault = target.container.fault()
        if fault is not None or time.monotonic() > deadline:
            raise Excluded(fault or f"a container was not ready within {launch.START_SECONDS} s")
        try:
            async with asyncio.timeout(1):
                await target.became_ready.wait()
        except TimeoutError:
            continue


def findings(plan: Stops, stopped: list[Stopped], journal: Journal) -> Findings:
    outcomes = list(journal)
    accepted = accepted_ms(outcomes)
    latency = Latency.of(accepted)
    exits = sorted(trial.seconds_to_exit for trial in stopped)
    return Findings(
        targets=[
            none_of("failed requests", len(outcomes) - len(accepted)),
            none_of("exits with another code than 0", sum(trial.exit_code != 0 for trial in stopped)),
        ],
        tables=[
            Table(
                title=f"{len(stopped)} stops at {plan.per_second} requests/s, with a drain of {plan.drain_seconds} s",
                rows=[
                    {
                        "requests": len(outcomes),
                        "failed": len(outcomes) - len(accepted),
                        "SIGTERM to exit s, median": exits[len(exits) // 2],
                        "most": exits[-1],
                        "start to ready s, most": max(trial.seconds_to_replacement for trial in stopped),
                        "P50 ms": latency and latency.p50_ms,
                        "P99 ms": latency and latency.p99_ms,
                        "most ms": latency and latency.most_ms,
                    }
                ],
            ),
            Table(
                title="outcomes",
                rows=[{"outcome": name, "count": count} for name, count in tally(outcomes).items()],
            ),
        ],
        panels=[
            trials(
                "stops", "time from SIGTERM to exit", "s", {"exit": [trial.seconds_to_exit for trial in stopped]}, None
            )
        ],
    )
