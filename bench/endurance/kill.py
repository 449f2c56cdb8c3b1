"""kill -9 of a worker again and again: which requests go with it, and how soon another answers in its place."""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import uvloop

from bench.endurance import sockets
from bench.endurance.answer import read_head
from bench.endurance.journal import Fate, Journal, Outcome, name_of
from bench.endurance.report import Findings, Table, below, none_of, trials
from bench.endurance.stage import Container, Stage
from bench.endurance.terminal import Steps
from bench.endurance.traffic import Client, Pool
from bench.serving import process_tree
from bench.serving.launch import Excluded
from localcloud.moto_server import HOST

REPLACED_SECONDS = 2.0
FRESH_PERCENT = 20.0
WORKERS = 2
BETWEEN_SECONDS = 1.5
"""Before each kill: a supervisor may hold back the successor of a worker that lived for less than a second."""
PATIENCE_SECONDS = 20.0
_CONNECTIONS = 64
_MAX_CONNECTIONS = 256
_LOOK_SECONDS = 0.01
_ANSWER_SECONDS = 2.0
_IN_FLIGHT, _QUEUED = "in flight with the dead worker", "in the dead worker's queue"


@dataclass(frozen=True, kw_only=True)
class Kill:
    trials: int
    per_second: int


@dataclass(frozen=True, kw_only=True)
class Strike:
    """What was known at the moment of a kill, by the clients' ports."""

    at: float
    held: frozenset[int]
    """Connections of the worker that was killed."""
    queued: frozenset[int]
    """Made, and accepted by no worker yet."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """One trial."""

    strike: Strike
    gone_at: float
    """When the process was no more: until then the kernel still gave it connections."""
    seconds_to_answer: float
    """From the kill to the first right answer of the new process."""


def blame(outcome: Outcome, killed: Killed) -> str:
    """Why a request failed after a kill: with the worker, in its queue, or under the name of what it got otherwise."""
    if outcome.client_port in killed.strike.held:
        return _IN_FLIGHT
    broke = outcome.status in (Fate.LOST, Fate.NO_CONNECTION)
    if broke and (outcome.client_port in killed.strike.queued or killed.strike.at <= outcome.begun <= killed.gone_at):
        return _QUEUED
    return f"elsewhere: {name_of(outcome.status)}"


def count_failures(outcomes: Sequence[Outcome], killed: Sequence[Killed]) -> Counter[str]:
    """Each failed request under the last kill before its end."""
    causes: Counter[str] = Counter()
    for outcome in outcomes:
        if outcome.status != HTTPStatus.OK:
            before = [trial for trial in killed if trial.strike.at <= outcome.done]
            causes[blame(outcome, before[-1]) if before else f"elsewhere: {name_of(outcome.status)}"] += 1
    return causes


def run(stage: Stage, plan: Kill, steps: Steps) -> Findings:
    with (
        stage.running(workers=WORKERS) as container,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        killed, journal = runner.run(_trials(stage, container, plan, steps))
    return findings(plan, killed, list(journal))


async def _trials(stage: Stage, container: Container, plan: Kill, steps: Steps) -> tuple[list[Killed], Journal]:
    requests, pool = stage.requests(1), Pool(container.port)
    client = Client(requests, lambda: pool, max_connections=_MAX_CONNECTIONS, fresh_percent=FRESH_PERCENT)
    await _until_all_listen(container)
    await client.open(pool, _CONNECTIONS)
    steps.begin(f"{plan.trials} kills", plan.trials)
    killed: list[Killed] = []
    async with client.arrivals(plan.per_second, time.monotonic()):
        for number in range(plan.trials):
            await asyncio.sleep(BETWEEN_SECONDS)
            killed.append(await _trial(container, requests[0]))
            steps.at(number + 1)
        await asyncio.sleep(BETWEEN_SECONDS)
    return killed, await client.finish()


async def _until_all_listen(container: Container) -> None:
    """A worker that joins later has none of the connections that were made before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(sockets.listens(pid, container.port) for pid in _children(container.pid)):
        if time.monotonic() > deadline:
            raise Excluded(f"not every worker listens after {PATIENCE_SECONDS:.0f} s: {container.fault() or 'it runs'}")
        await asyncio.sleep(_LOOK_SECONDS)


async def _trial(container: Container, request: bytes) -> Killed:
    workers = _children(container.pid)
    if len(workers) != WORKERS:
        raise Excluded(f"the container has {len(workers)} workers and not {WORKERS}: {container.fault() or 'it runs'}")
    victim = min(workers, key=lambda pid: workers[pid])
    gone = asyncio.Event()
    descriptor = os.pidfd_open(victim)
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    try:
        strike = _strike(container.port, victim)
        await gone.wait()
        gone_at = time.monotonic()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    deadline = strike.at + PATIENCE_SECONDS
    successor: int | None = None
    while time.monotonic() < deadline:
        if successor is None:
            successor = next(iter(_children(container.pid).keys() - workers.keys()), None)
        elif sockets.listens(successor, container.port):
            answered_at = await _answer_of(successor, container.port, request)
            if answered_at is not None:
                return Killed(strike=strike, gone_at=gone_at, seconds_to_answer=answered_at - strike.at)
        await asyncio.sleep(_LOOK_SECONDS)
    raise Excluded(f"no new worker answered within {PATIENCE_SECONDS:.0f} s of the kill")


def _strike(port: int, victim: int) -> Strike:
    """Note who is connected to whom, and kill; nothing is sent or connected here between the one and the other."""
    # In this order: what the worker accepts in between is in its queue by the first, and not of nobody.
    of_port, held = sockets.accepted(port), sockets.inodes(victim)
    strike = Strike(
        at=time.monotonic(),
        held=frozenset(client for client, inode in of_port.items() if inode in held),
        queued=frozenset(client for client, inode in of_port.items() if inode == sockets.NOT_ACCEPTED),
    )
    os.kill(victim, signal.SIGKILL)
    return strike


async def _answer_of(pid: int, port: int, request: bytes) -> float | None:
    """When a right answer came on a connection of this process's, or None if there was none, or another's."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                client_port = int(writer.get_extra_info("sockname")[1])
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                at = time.monotonic()
                inode = sockets.accepted(port).get(client_port)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
    right = read_head(head[:-4]).status == HTTPStatus.OK
    return at if right and inode in sockets.inodes(pid) else None


def _children(pid: int) -> Mapping[int, int]:
    """When each was started, in ticks."""
    return {child: stat.started_ticks for child, stat in process_tree.processes().items() if stat.parent == pid}


def findings(plan: Kill, killed: Sequence[Killed], outcomes: Sequence[Outcome]) -> Findings:
    seconds = [trial.seconds_to_answer for trial in killed]
    causes = count_failures(outcomes, killed)
    elsewhere = causes.total() - causes[_IN_FLIGHT] - causes[_QUEUED]
    ends = [(trial.gone_at - trial.strike.at) * 1000 for trial in killed]
    held = [len(trial.strike.held) for trial in killed]
    return Findings(
        targets=[
            below("kill to the new worker's first right answer, most", max(seconds), REPLACED_SECONDS, "s"),
            none_of("failed requests that the dead worker did not hold", elsewhere),
        ],
        tables=[
            Table(
                title=f"{len(killed)} kills of one of {WORKERS} workers at {plan.per_second} requests/s",
                rows=[
                    {
                        "requests": len(outcomes),
                        "new worker answers s, median": statistics.median(seconds),
                        "most": max(seconds),
                        "connections of the dead, median": statistics.median(held),
                        "kill to its end ms, median": statistics.median(ends),
                        "failed": causes.total(),
                    }
                ],
            ),
            Table(
                title="failed requests",
                rows=[{"where": cause, "count": count} for cause, count in causes.most_common()],
            ),
        ],
        panels=[trials("kill", "time until the new worker answers", "s", {"answer": seconds}, REPLACED_SECONDS)],
    )
