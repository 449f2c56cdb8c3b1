"""How long a model takes for a row, alone and among others, timed when it is loaded."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from serving.execution.cost import MEASURED_ROWS
from serving.model import InferenceFailed, Model, ModelRefused

RUNS = 7
# A model that takes long is timed well enough in fewer runs.
BUDGET_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Medians over a few runs."""

    row_seconds: float
    """Of a run of one row."""
    batch_gain: float
    """How many times faster a row is in a run of MEASURED_ROWS than in a run of its own."""


def timing_of(model: Model, *, clock: Callable[[], float] = time.perf_counter) -> Timing:
    """Time a model that is warmed up; raise ModelRefused when it does not answer its own rows."""
    try:
        alone, together = (_median_seconds(model, rows, clock) for rows in (1, MEASURED_ROWS))
    except InferenceFailed as error:
        raise ModelRefused(f"{model.metadata.name} {model.version} cannot answer while it is timed: {error}") from error
    return Timing(row_seconds=alone, batch_gain=MEASURED_ROWS * alone / together)


def _median_seconds(model: Model, rows: int, clock: Callable[[], float]) -> float:
    inputs = model.some_rows(rows)
    model.predict(inputs)
    times: list[float] = []
    while len(times) < RUNS and sum(times) < BUDGET_SECONDS:
        began = clock()
        model.predict(inputs)
        times.append(clock() - began)
    return statistics.median(times)
