"""Requests for one model joined into one run, and the run's outputs cut apart again. Knows no thread and no clock."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from serving.model import Array

Outputs = dict[str, Array]


class OutputsDoNotCountRows(Exception):
    """An output has another number of rows than the inputs, so nobody can say which part belongs to whom."""


class Job:
    """One request's inputs, and the future that gets its outputs. Whoever needs no answer any more makes it done."""

    __slots__ = ("future", "inputs", "rows", "run_next", "shapes", "submitted")

    def __init__(
        self,
        inputs: Mapping[str, Array],
        future: asyncio.Future[Outputs],
        run_next: Callable[[deque[Job]], None],
        submitted: float,
    ) -> None:
        self.inputs = inputs
        self.rows = rows_of(inputs)
        # A dictionary, since clients may name the inputs in any order.
        self.shapes = {name: array.shape[1:] for name, array in inputs.items()}
        self.future = future
        self.run_next = run_next
        self.submitted = submitted


def rows_of(inputs: Mapping[str, Array]) -> int:
    """The first dimension, which is the same for every input."""
    return len(next(iter(inputs.values())))


def take(waiting: deque[Job], max_rows: int) -> list[Job]:
    """Remove the next run's requests: the first that still wants an answer, and those that can be joined to it.

    They have the same shape but for the rows, and keep their order; a first request of more than `max_rows` goes alone.
    What is done already is dropped on the way.
    """
    batch: list[Job] = []
    passed_over: list[Job] = []
    rows = 0
    while waiting and rows < max_rows:
        job = waiting.popleft()
        if job.future.done():
            continue
        if batch and job.shapes != batch[0].shapes:
            passed_over.append(job)
        elif batch and rows + job.rows > max_rows:
            passed_over.append(job)
            break
        else:
            batch.append(job)
            rows += job.rows
    waiting.extendleft(reversed(passed_over))
    return batch


def join(batch: Sequence[Job]) -> dict[str, Array]:
    """The inputs of all as one, row after row."""
    return {name: np.concatenate([job.inputs[name] for job in batch]) for name in batch[0].inputs}


def split(outputs: Mapping[str, Array], batch: Sequence[Job]) -> list[Outputs]:
    """Each request's own rows of every output; raise OutputsDoNotCountRows."""
    total = sum(job.rows for job in batch)
    for name, array in outputs.items():
        if not array.ndim or len(array) != total:
            raise OutputsDoNotCountRows(f"the output {name!r} does not have a row for each of the {total} rows given")
    parts: list[Outputs] = []
    start = 0
    for job in batch:
        end = start + job.rows
        parts.append({name: array[start:end] for name, array in outputs.items()})
        start = end
    return parts
