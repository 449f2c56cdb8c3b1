"""The ways to run a model: inline, queued as the container does it, and waiting to fill a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Protocol

import numpy as np

from bench.execution.candidates import Candidate
from serving.execution.batches import Outputs
from serving.execution.choice import choose
from serving.execution.queued import Predict
from serving.execution.settings import ExecutionSettings
from serving.model import Array

NO_BOUND = ExecutionSettings(mode="queued", max_waiting_requests=1_000_000)
MAX_WAIT_MS = 3_600_000


class Way(Protocol):
    """One way to run a model."""

    def submit(self, inputs: Mapping[str, Array]) -> Awaitable[Outputs]: ...


class Inline:
    def __init__(self, predict: Predict) -> None:
        self._predict = predict

    async def submit(self, inputs: Mapping[str, Array]) -> Outputs:
        # Its turn comes when those before it have had theirs, as with requests that are read from sockets.
        await asyncio.sleep(0)
        return self._predict(inputs)


class Filling:
    """Waits until a batch is full, or its first request has waited long enough: what other servers do."""

    def __init__(self, predict: Predict, wait_seconds: float, pool: ThreadPoolExecutor) -> None:
        self._predict = predict
        self._wait_seconds = wait_seconds
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Mapping[str, Array], asyncio.Future[Outputs]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def submit(self, inputs: Mapping[str, Array]) -> asyncio.Future[Outputs]:
        future: asyncio.Future[Outputs] = self._loop.create_future()
        self._waiting.append((inputs, future))
        if len(self._waiting) == NO_BOUND.max_batch_rows:
            self._send()
        elif self._timer is None:
            self._timer = self._loop.call_later(self._wait_seconds, self._send)
        return future

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = self._waiting, []
        self._pool.submit(self._run, batch)

    def _run(self, batch: list[tuple[Mapping[str, Array], asyncio.Future[Outputs]]]) -> None:
        joined = {name: np.concatenate([inputs[name] for inputs, _ in batch]) for name in batch[0][0]}
        self._loop.call_soon_threadsafe(_hand_out, batch, self._predict(joined))


def _hand_out(batch: list[tuple[Mapping[str, Array], asyncio.Future[Outputs]]], outputs: Outputs) -> None:
    for row, (_, future) in enumerate(batch):
        future.set_result({name: array[row : row + 1] for name, array in outputs.items()})


@contextmanager
def _queued(candidate: Candidate, max_batch_rows: int) -> Generator[Way]:
    settings = replace(NO_BOUND, max_batch_rows=max_batch_rows)
    queue = choose(candidate, candidate.timing, settings, max_wait_ms=MAX_WAIT_MS, loop=asyncio.get_running_loop())
    if queue is None:
        raise RuntimeError("a queue was asked for, and none was made")
    yield queue


@contextmanager
def _inline(candidate: Candidate) -> Generator[Way]:
    yield Inline(candidate.predict)


@contextmanager
def _filling(candidate: Candidate, wait_seconds: float) -> Generator[Way]:
    with ThreadPoolExecutor(1) as pool:
        yield Filling(candidate.predict, wait_seconds, pool)


WAYS: Mapping[str, Callable[[Candidate], AbstractContextManager[Way]]] = {
    "inline": _inline,
    "queued": lambda candidate: _queued(candidate, NO_BOUND.max_batch_rows),
    "queued, one by one": lambda candidate: _queued(candidate, 1),
    "filling for 1 ms": lambda candidate: _filling(candidate, 0.001),
    "filling for 5 ms": lambda candidate: _filling(candidate, 0.005),
}
