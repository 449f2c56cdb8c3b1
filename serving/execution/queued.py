"""A model with a thread of its own, which runs what is waiting together and never waits for more to come.

While the thread computes, ONNX Runtime holds no interpreter lock: the event loop goes on with everything else. Requests
come and go on the event loop's thread, and so does all the counting; the two threads meet in a `SimpleQueue` on the way
there and in one `call_soon_threadsafe` for a whole run on the way back.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import NamedTuple, Protocol

from serving.execution.batches import Job, Outputs, OutputsDoNotCountRows, join, split, take
from serving.execution.cost import Cost, Estimate
from serving.messages import Refused
from serving.model import Array, InferenceFailed

logger = logging.getLogger(__name__)

Predict = Callable[[Mapping[str, Array]], Outputs]

RETRY_AFTER_SECONDS = 1


class Observed(Protocol):
    """A histogram."""

    def observe(self, value: float, /) -> None: ...


class _Run(NamedTuple):
    """What the thread does now."""

    rows: int
    began: float
    expected_seconds: float


class _Ran(NamedTuple):
    """What came of it."""

    run: _Run
    seconds: float
    left_some: bool
    """Whether others were waiting behind it."""
    again: bool
    """Whether it failed together and was run one by one."""


class Queue:
    """One version's requests, in the order in which they came.

    Whoever holds the version holds its queue. A request that is not done holds both; when the last reference goes, the
    thread ends, which refers to neither while it is idle.
    """

    def __init__(
        self,
        predict: Predict,
        *,
        label: str,
        loop: asyncio.AbstractEventLoop,
        cost: Cost,
        max_batch_rows: int,
        max_wait_ms: int,
        max_waiting_requests: int,
        batch_rows: Observed | None = None,
        waited_seconds: Observed | None = None,
    ) -> None:
        """May be made on any thread of the process that serves; everything else here is the loop's thread's."""
        self._predict = predict
        self._label = label
        self._loop = loop
        self._estimate = Estimate(cost, max_batch_rows)
        self._max_batch_rows = max_batch_rows
        self._max_wait_ms = max_wait_ms
        self._max_requests = max_waiting_requests
        self._batch_rows = batch_rows
        self._waited_seconds = waited_seconds
        self._jobs: set[Job] = set()
        self._rows = 0
        self._now: _Run | None = None
        self._stopping = False
        self._empty = asyncio.Event()
        self._channel: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def depth(self) -> int:
        """Requests that wait or run."""
        return len(self._jobs)

    @property
    def max_batch_rows(self) -> int:
        return self._max_batch_rows

    @property
    def wait_seconds(self) -> float:
        """How long a request that came now would wait for its run, by estimate."""
        now = self._now
        if now is None:
            return self._estimate.wait_seconds(self._rows)
        left = now.expected_seconds - (time.monotonic() - now.began)
        # A run that is overdue is taken to last as much longer as it is overdue: it may be stuck.
        return abs(left) + self._estimate.wait_seconds(max(self._rows - now.rows, 0))

    def submit(self, inputs: Mapping[str, Array]) -> asyncio.Future[Outputs]:
        """The outputs to come, or InferenceFailed; raise Refused where the wait would be too long. To give up, cancel.

        The first dimension of every array counts rows. The arrays must stay as they are until the future is done.
        """
        if self._stopping:
            raise _stopping()
        if len(self._jobs) >= self._max_requests:
            raise _overloaded(f"{self._max_requests} requests wait for this model, and no more may")
        if self.wait_seconds * 1000 > self._max_wait_ms:
            raise _overloaded(f"a request for this model would wait longer than {self._max_wait_ms} ms")
        future: asyncio.Future[Outputs] = self._loop.create_future()
        job = Job(inputs, future, self._run_next, time.monotonic())
        self._jobs.add(job)
        self._rows += job.rows
        # For those that are given up: of the others the queue knows already.
        future.add_done_callback(functools.partial(self._left, job))
        if self._thread is None:
            self._thread = self._start()
        self._channel.put(job)
        return future

    async def stop(self, within_seconds: float) -> None:
        """Take no more, give what is queued so long to be answered, and refuse the rest."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self._jobs:
                    self._empty.clear()
                    await self._empty.wait()
        for job in self._jobs:
            if not job.future.done():
                job.future.set_exception(_stopping())
        self._channel.put(None)

    def _start(self) -> threading.Thread:
        # A daemon: for a run that outlasts stop() nobody waits any more.
        thread = threading.Thread(target=_work, args=(self._channel,), name=f"queue {self._label}", daemon=True)
        thread.start()
        weakref.finalize(self, self._channel.put, None).atexit = False
        return thread

    def _left(self, job: Job, _: object = None) -> None:
        if job in self._jobs:
            self._jobs.discard(job)
            self._rows -= job.rows
            if not self._jobs:
                self._empty.set()

    def _deliver(self, batch: Sequence[Job], results: Sequence[Outputs | Exception], ran: _Ran) -> None:
        if self._now is ran.run:
            self._now = None
        for job, result in zip(batch, results, strict=True):
            self._left(job)
            if job.future.done():
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        if not ran.again:
            self._estimate.learn(ran.run.rows, ran.seconds, left_some=ran.left_some)
        if self._batch_rows is not None:
            self._batch_rows.observe(ran.run.rows)
        if self._waited_seconds is not None:
            for job in batch:
                self._waited_seconds.observe(ran.run.began - job.submitted)

    # On the queue's own thread

    def _run_next(self, waiting: deque[Job]) -> None:
        batch = take(waiting, self._max_batch_rows)
        if not batch:
            return
        rows = sum(job.rows for job in batch)
        run = self._now = _Run(rows, time.monotonic(), self._estimate.run_seconds(rows))
        together = self._together(batch) if len(batch) > 1 else None
        results = together or [self._alone(job) for job in batch]
        again = together is None and len(batch) > 1
        ran = _Ran(run, time.monotonic() - run.began, bool(waiting), again)
        with contextlib.suppress(RuntimeError):
            # Raised when the loop is closed: nobody waits any more.
            self._loop.call_soon_threadsafe(self._deliver, batch, results, ran)

    def _together(self, batch: Sequence[Job]) -> Sequence[Outputs] | None:
        """None where the requests have to be run one by one."""
        try:
            return split(self._predict(join(batch)), batch)
        except OutputsDoNotCountRows as error:
            self._max_batch_rows = 1
            logger.warning("%s: %s; its requests are run one by one from now on", self._label, error)
        except Exception as error:
            # One request may have spoilt it for the others; alone, each gets what is its own.
            named = type(error).__name__
            logger.warning("%s: %s for %d requests together; each is run by itself", self._label, named, len(batch))
        return None

    def _alone(self, job: Job) -> Outputs | Exception:
        if job.future.done():
            return _stopping()
        try:
            return self._predict(job.inputs)
        except InferenceFailed as error:
            # Its frames would keep the inputs of the whole run until the garbage collector comes.
            return _without_frames(error)
        except Exception as error:
            return error


def _work(channel: queue.SimpleQueue[Job | None]) -> None:
    waiting: deque[Job] = deque()
    while _receive(channel, waiting):
        if waiting:
            waiting[0].run_next(waiting)
    while waiting:
        waiting[0].run_next(waiting)


def _receive(channel: queue.SimpleQueue[Job | None], waiting: deque[Job]) -> bool:
    """Move what has come to `waiting`; wait only where there is nothing. False once the queue has ended."""
    with contextlib.suppress(queue.Empty):
        while True:
            job = channel.get(block=not waiting)
            if job is None:
                return False
            waiting.append(job)
    return True


def _without_frames(error: InferenceFailed) -> InferenceFailed:
    for raised in (error, error.__cause__, error.__context__):
        if raised is not None:
            raised.__traceback__ = None
    return error


def _overloaded(why: str) -> Refused:
    return _unavailable("overloaded", why)


def _stopping() -> Refused:
    return _unavailable("stopping", "this version is being taken out of service")


def _unavailable(code: str, why: str) -> Refused:
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE,
        code,
        f"{why}: try again in {RETRY_AFTER_SECONDS} s",
        headers=[(b"retry-after", b"%d" % RETRY_AFTER_SECONDS)],
    )
