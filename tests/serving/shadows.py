"""Versions that answer, fail or hold what they are given, and copies of requests to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import Version
from serving.messages import Refused
from serving.metrics import Metrics
from serving.model import Array
from serving.shadow.copying import Shadow

PATIENCE_SECONDS = 10
SECRET = 1234.5
Outputs = Mapping[str, Array]
Test = Callable[[], Awaitable[None]]


class FakeVersion:
    """Answers with `score`, or fails; tells its runs to whoever waits for them."""

    name = "churn"

    def __init__(self, version: str = "2.0.0", score: float = 0.5, error: Exception | None = None) -> None:
        self.version = version
        self.queue: FakeQueue | None = None
        self.runs: list[Outputs] = []
        self._score = score
        self._error = error

    @property
    def metadata(self) -> ModelMetadata:
        tensors = (TensorSpec(name="x", datatype="FP32", shape=(-1, 1)),)
        return ModelMetadata(
            name=self.name,
            version=Version.parse(self.version),
            created_at=datetime.now(UTC),
            framework="none",
            inputs=tensors,
            outputs=tensors,
        )

    def predict(self, inputs: Mapping[str, Array], /) -> Outputs:
        self.runs.append(inputs)
        if self._error is not None:
            raise self._error
        return {"score": np.array([self._score], np.float32)}


class FakeQueue:
    """Holds what is submitted until the test answers it."""

    def __init__(self, refusal: Refused | None = None) -> None:
        self.submitted: asyncio.Queue[asyncio.Future[Outputs]] = asyncio.Queue()
        self._refusal = refusal

    def submit(self, inputs: Mapping[str, Array]) -> asyncio.Future[Outputs]:
        if self._refusal is not None:
            raise self._refusal
        future: asyncio.Future[Outputs] = asyncio.get_running_loop().create_future()
        self.submitted.put_nowait(future)
        return future

    async def stop(self, within_seconds: float) -> None:
        """Nothing of its own runs."""


STABLE = FakeVersion("1.0.0")
INPUTS: Outputs = {"x": np.array([[SECRET]], np.float32)}
GIVEN: Outputs = {"score": np.array([0.5], np.float32)}


def never() -> bool:
    return False


def copies_of(metrics: Metrics, busy: Callable[[], bool] = never, **changed: Any) -> Shadow:
    return Shadow(metrics, asyncio.get_running_loop(), busy=busy, **changed)


def sample(metrics: Metrics, name: str) -> float | None:
    """By its name with all labels."""
    found = [line.rpartition(" ") for line in metrics.page()[0].decode().splitlines() if not line.startswith("#")]
    return next((float(value) for shown, _, value in found if shown == name), None)


def counted(metrics: Metrics, outcome: str, version: str = "2.0.0") -> int:
    labels = f'model="churn",model_version="{version}",outcome="{outcome}"'
    return int(sample(metrics, f"model_shadow_total{{{labels}}}") or 0)


def figure(metrics: Metrics, name: str) -> float | None:
    return sample(metrics, f'{name}{{model="churn",model_version="2.0.0"}}')


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)
