"""Runs copies of answered requests on a version on trial: behind all answers, few at a time, and never in their way.

A copy waits in a short line. On the event loop one is run in a turn, after the answers of that turn are on their way,
and then none for a moment; a version with a queue runs it there. Whatever goes wrong is counted and ends here.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from serving.engine.load import Load
from serving.loaded import LoadedVersion, Queue
from serving.messages import Refused
from serving.metrics import Metrics
from serving.model import Array
from serving.shadow.comparison import compare
from serving.shadow.counts import ShadowCounts

logger = logging.getLogger(__name__)

MOST_WAITING = 64
"""Copies in the line, and as many in queues: together they hold no more bodies than that."""
PAUSE_SECONDS = 0.001
"""Between copies on the event loop: a model that takes a tenth of it gets no more than a tenth of the loop's time."""
BUSY_SECONDS = 0.01
"""From here up requests wait noticeably for their turn, long before any is refused for it."""


class Copy(NamedTuple):
    """A request that was answered."""

    shadow: LoadedVersion
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    """As they were given to the client."""


def busy_by(load: Load) -> Callable[[], bool]:
    """Whether requests wait now, by the turns of the event loop."""
    return lambda: load.wait_seconds(time.monotonic()) > BUSY_SECONDS


class Shadow:
    """One worker's copies, all on the thread of its event loop."""

    def __init__(
        self,
        metrics: Metrics,
        loop: asyncio.AbstractEventLoop,
        *,
        busy: Callable[[], bool],
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """While `busy` says so, copies are dropped instead of run."""
        self._counts = ShadowCounts(metrics)
        self._loop = loop
        self._busy = busy
        self._most_waiting = most_waiting
        self._waiting: deque[Copy] = deque()
        self._in_queues: set[asyncio.Task[None]] = set()
        self._due: asyncio.Handle | None = None
        self._closed = False
        self._told: set[tuple[str, str]] = set()
        """The versions whose first failure was logged."""

    def offer(
        self,
        answered: LoadedVersion,
        shadow: LoadedVersion,
        inputs: Mapping[str, Array],
        outputs: Mapping[str, Array],
    ) -> None:
        """Copy a request that `answered` has answered to `shadow`, or count it as dropped; at once, without an error.

        The arrays must stay as they are. A version's own answers are not copied to it: it always agrees with itself.
        """
        if answered.version == shadow.version:
            return
        if self._closed or len(self._waiting) >= self._most_waiting:
            self._counts.dropped(shadow)
            return
        self._waiting.append(Copy(shadow, inputs, outputs))
        if self._due is None:
            # A timer costs more than this, and the answer is still to be written.
            self._due = self._loop.call_soon(self._pause)

    def close(self) -> None:
        """Drop what waits, give up what runs in queues, and take no more."""
        self._closed = True
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._drop_waiting()
        for task in self._in_queues:
            task.cancel()

    def _pause(self) -> None:
        self._due = self._loop.call_later(PAUSE_SECONDS, self._step_back)

    def _step_back(self) -> None:
        """Go behind what was scheduled in this turn already: the sending of its answers."""
        self._due = self._loop.call_soon(self._run_next)

    def _run_next(self) -> None:
        self._due = None
        if self._busy():
            self._drop_waiting()
            return
        copy = self._waiting.popleft()
        queue = copy.shadow.queue
        if queue is None:
            self._run(copy)
        elif len(self._in_queues) < self._most_waiting:
            task = self._loop.create_task(self._run_in(queue, copy))
            self._in_queues.add(task)
            task.add_done_callback(functools.partial(self._ended, copy.shadow))
        else:
            self._counts.dropped(copy.shadow)
        if self._waiting:
            self._pause()

    def _run(self, copy: Copy) -> None:
        began = time.perf_counter()
        try:
            outputs = copy.shadow.predict(copy.inputs)
            self._compare(copy, outputs, time.perf_counter() - began)
        except Exception as error:
            self._failed(copy.shadow, error)

    async def _run_in(self, queue: Queue, copy: Copy) -> None:
        began = time.perf_counter()
        try:
            outputs = await queue.submit(copy.inputs)
            self._compare(copy, outputs, time.perf_counter() - began)
        except Refused:
            # The queue has enough to do without copies.
            self._counts.dropped(copy.shadow)
        except Exception as error:
            self._failed(copy.shadow, error)

    def _ended(self, shadow: LoadedVersion, task: asyncio.Task[None]) -> None:
        self._in_queues.discard(task)
        if task.cancelled():
            self._counts.dropped(shadow)

    def _compare(self, copy: Copy, outputs: Mapping[str, Array], seconds: float) -> None:
        self._counts.compared(copy.shadow, compare(copy.outputs, outputs), seconds)

    def _failed(self, shadow: LoadedVersion, error: Exception) -> None:
        self._counts.failed(shadow)
        named = (shadow.name, shadow.version)
        if named not in self._told:
            self._told.add(named)
            # Its kind alone: the text of an error may quote values.
            logger.warning("%s %s failed on a copy of a request: %s; see its counts", *named, type(error).__name__)

    def _drop_waiting(self) -> None:
        while self._waiting:
            self._counts.dropped(self._waiting.popleft().shadow)
