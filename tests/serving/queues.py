"""A queue over a model that a test can hold in the middle of a run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np

from serving.execution.batches import Outputs
from serving.execution.cost import Cost
from serving.execution.queued import Queue
from serving.model import Array, InferenceFailed

PATIENCE_SECONDS = 10
POISON = -1.0
Test = Callable[[], Awaitable[None]]


class Gated:
    """Doubles its input, row by row, and can be held in the middle of a run."""

    def __init__(self, *, shut: bool = False) -> None:
        self.runs: list[list[float]] = []
        """The first value of each row, run by run."""
        self.entered = threading.Semaphore(0)
        self._gate = threading.Event()
        if not shut:
            self._gate.set()

    def open(self) -> None:
        self._gate.set()

    def predict(self, inputs: Mapping[str, Array]) -> Outputs:
        x = inputs["x"]
        self.runs.append(x.reshape(len(x), -1)[:, 0].tolist())
        self.entered.release()
        assert self._gate.wait(PATIENCE_SECONDS)
        if POISON in x:
            raise InferenceFailed("poison")
        return {"doubled": x * 2, "sum": x.reshape(len(x), -1).sum(axis=1)}

    async def is_running(self) -> None:
        assert await asyncio.to_thread(self.entered.acquire, timeout=PATIENCE_SECONDS)


def queue_of(predict: Callable[[Mapping[str, Array]], Outputs], **changed: Any) -> Queue:
    bounds: dict[str, Any] = {
        "label": "test 1.0.0",
        "loop": asyncio.get_running_loop(),
        "cost": Cost(run_seconds=1e-6, row_seconds=1e-6),
        "max_batch_rows": 8,
        "max_wait_ms": 60_000,
        "max_waiting_requests": 100,
    }
    return Queue(predict, **(bounds | changed))


def rows(*values: float, width: int = 1) -> dict[str, Array]:
    return {"x": np.repeat(np.array(values, dtype=np.float32)[:, None], width, axis=1)}


def run(test: Test) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await test()

    asyncio.run(bounded())


def threads(label: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"queue {label}"]


async def doubled(answers: list[asyncio.Future[Outputs]]) -> list[list[float]]:
    return [answer["doubled"][:, 0].tolist() for answer in await asyncio.gather(*answers)]


def await_end_of(label: str) -> None:
    for thread in threads(label):
        thread.join(PATIENCE_SECONDS)
    assert threads(label) == []
