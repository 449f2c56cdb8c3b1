"""Loads on one server, made in a process of their own: sampling and progress here must not delay a request there."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import signal
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

import uvloop

from bench.endurance.journal import Journal, Outcome
from bench.endurance.traffic import Client, Pool

LEAD_SECONDS = 0.1
"""From the last preparation to the first request."""
_STOP_SECONDS = 5

T = TypeVar("T")


class LoadFailed(RuntimeError):
    """The generator's process ended without a result; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    per_second: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Load:
    """What came of the phases."""

    began: float
    journal: Journal
    unasked: int
    """Idle connections that the server closed."""
    cpu_percent: float
    """What the generator itself used, of one core: near 100, it was the generator that was measured."""

    def of(self, phases: Sequence[Phase], index: int) -> list[Outcome]:
        """The requests that were due in one of the phases."""
        start = self.began + sum(phase.seconds for phase in phases[:index])
        return self.journal.due_between(start, start + phases[index].seconds)


def offer(
    port: int,
    requests: Sequence[bytes],
    phases: Sequence[Phase],
    *,
    connections: int,
    max_connections: int,
    fresh_percent: float,
) -> Load:
    """Open-loop: the phases' rates, one phase after the other, whatever the server does."""

    async def main() -> Load:
        pool = Pool(port)
        client = Client(requests, lambda: pool, max_connections=max_connections, fresh_percent=fresh_percent)
        await client.open(pool, connections)
        used = time.process_time()
        start = began = time.monotonic() + LEAD_SECONDS
        for phase in phases:
            async with client.arrivals(phase.per_second, start):
                start += phase.seconds
                await asyncio.sleep(start - time.monotonic())
        return _load(began, used, client, await client.finish())

    return _run(main)


def saturate(port: int, requests: Sequence[bytes], *, connections: int, seconds: float) -> Load:
    """Closed-loop: every connection asks again as soon as it has its answer."""

    async def main() -> Load:
        pool = Pool(port)
        client = Client(requests, lambda: pool, max_connections=connections)
        await client.open(pool, connections)
        used, began = time.process_time(), time.monotonic()
        await client.closed_loop(seconds)
        return _load(began, used, client, await client.finish())

    return _run(main)


class Work(Generic[T]):
    """A function that runs in another process."""

    def __init__(self, process: BaseProcess, receiver: Connection) -> None:
        self._process = process
        self._receiver = receiver

    def done(self, within_seconds: float) -> bool:
        """Wait at most so long for the result."""
        return self._receiver.poll(within_seconds)

    def result(self) -> T:
        """Wait for it; raise LoadFailed."""
        try:
            found = self._receiver.recv()
        except EOFError:
            self._process.join()
            raise LoadFailed(f"the load generator ended with status {self._process.exitcode}") from None
        self._process.join()
        if isinstance(found, str):
            raise LoadFailed(f"the load could not be made: {found}")
        return cast(T, found)


@contextmanager
def apart(function: Callable[[], T]) -> Generator[Work[T]]:
    """Run the function, which must be picklable, in a process that does not outlive the block."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(function, sender), daemon=True)
    process.start()
    # Its copy alone is left, so that its end is seen here.
    sender.close()
    try:
        yield Work[T](process, receiver)
    finally:
        process.join(0)
        process.terminate()
        process.join(_STOP_SECONDS)
        receiver.close()


def _work(function: Callable[[], object], sender: Connection) -> None:
    # A terminal's Ctrl-C goes to this process, too; the one that started it ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        sender.send(function())
    except OSError as error:
        sender.send(str(error))


def _load(began: float, used_before: float, client: Client, journal: Journal) -> Load:
    used, seconds = time.process_time() - used_before, time.monotonic() - began
    return Load(began=began, journal=journal, unasked=client.unasked, cpu_percent=100 * used / seconds)


def _run(main: Callable[[], Coroutine[Any, Any, Load]]) -> Load:
    # A collection over all that is loaded would hold up the requests that are due meanwhile.
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
