"""Decides for each version where it runs, by what was measured when it was loaded; ADR 0007 has the figures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from contract.metadata import ModelMetadata
from serving.execution.batches import Outputs
from serving.execution.cost import Cost
from serving.execution.independence import rows_are_independent
from serving.execution.queued import Observed, Queue
from serving.execution.settings import ExecutionSettings
from serving.model import Array
from serving.timing import Timing

LONG_ROW_SECONDS = 0.001
"""From here up, a row holds up everything else on the event loop, and the way to another thread costs little of it."""

LEAST_SAVED_SECONDS = 0.000_03
"""What joining must save for each row before it pays for the way to another thread and back."""

LEAST_GAIN = 1.2
"""Below it, joining makes most requests wait for the last of them, and next to nothing is gained."""


class Runnable(Protocol):
    """A version in memory, as `serving.model.Model` is one."""

    @property
    def metadata(self) -> ModelMetadata: ...

    @property
    def batchable(self) -> bool:
        """Whether the first dimension of every output counts rows, as far as whoever loaded it could see."""
        ...

    def predict(self, inputs: Mapping[str, Array], /) -> Outputs: ...


def choose(
    model: Runnable,
    timing: Timing,
    settings: ExecutionSettings,
    *,
    loop: asyncio.AbstractEventLoop,
    max_wait_ms: int,
    batch_rows: Observed | None = None,
    waited_seconds: Observed | None = None,
) -> Queue | None:
    """A queue for the version, or None where it answers at once on the event loop. Its thread starts when it is used.

    It runs the model a few times, so it is for the thread that loads versions; `loop` is the worker's. A request that
    would wait longer than `max_wait_ms` for its run is refused.
    """
    if settings.mode == "inline":
        return None
    joined = model.batchable and timing.batch_gain >= LEAST_GAIN
    joined = joined and rows_are_independent(model.metadata, model.predict)
    if settings.mode == "auto" and not _pays(timing, joined=joined):
        return None
    return Queue(
        model.predict,
        label=f"{model.metadata.name} {model.metadata.version}",
        loop=loop,
        cost=Cost.measured(timing.row_seconds, timing.batch_gain),
        max_batch_rows=settings.max_batch_rows if joined else 1,
        max_wait_ms=max_wait_ms,
        max_waiting_requests=settings.max_waiting_requests,
        batch_rows=batch_rows,
        waited_seconds=waited_seconds,
    )


def _pays(timing: Timing, *, joined: bool) -> bool:
    saved = timing.row_seconds * (1 - 1 / timing.batch_gain) if joined else 0.0
    return timing.row_seconds >= LONG_ROW_SECONDS or saved >= LEAST_SAVED_SECONDS
