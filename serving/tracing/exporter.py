"""Takes spans that have ended and sends them to the collector from a thread of its own, in batches.

Requests never wait for it. What does not fit into its queue, and what the collector will not take, is lost and counted.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from serving.tracing import otlp
from serving.tracing.collector import Answer, Collector
from serving.tracing.span import Span, Value

logger = logging.getLogger(__name__)

EXPORTED = "exported"
DROPPED = "dropped"
"""There was no room in the queue."""
FAILED = "failed"
"""The collector did not take them, or was away for too long."""

MAX_WAITING = 4096
"""Spans in the queue, of some 0.75 KiB each."""
BATCH = 512
EVERY_SECONDS = 1.0
"""How long a span waits at most for others to go with it."""
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
LAST_PAUSE_SECONDS = 0.2
"""Between attempts while the worker stops, which has no time for longer ones."""
SLICE = 64
SLICE_PAUSE_SECONDS = 0.001
"""Between slices of a batch: the event loop gets the interpreter back after some 0.2 ms, not after 5 ms."""

Report = Callable[[str, int], None]
"""Told from the exporter's thread what became of so many spans."""


class Exporter:
    """One worker's; made and started after the fork, as threads do not survive one."""

    def __init__(
        self,
        collector: Collector,
        resource: Mapping[str, Value],
        *,
        version: str,
        timeout_seconds: float,
        report: Report,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._collector = collector
        self._resource = otlp.resource(resource)
        self._scope = otlp.scope("serveml", version)
        self._timeout_seconds = timeout_seconds
        self._report = report
        self._first_pause_seconds = first_pause_seconds
        self._every_seconds = every_seconds
        self._waiting: deque[Span] = deque()
        self._dropped = 0
        self._dropped_told = 0
        self._losing = False
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._thread = threading.Thread(target=self._run, name="trace-exporter", daemon=True)

    def add(self, span: Span) -> None:
        """Take a span, or count it as dropped; from any thread, and never waiting for anything."""
        waiting = self._waiting
        if len(waiting) >= MAX_WAITING:
            self._dropped += 1
            return
        waiting.append(span)
        if len(waiting) == BATCH:
            self._due.set()

    def start(self) -> None:
        self._thread.start()

    def stop(self, within_seconds: float) -> bool:
        """Send what is there and end; False where that took too long, and what was left is lost."""
        self._deadline = time.monotonic() + within_seconds
        self._stopping.set()
        self._due.set()
        self._thread.join(within_seconds)
        ended = not self._thread.is_alive()
        if not ended:
            logger.warning("spans are lost: the trace collector %s did not take them in time", self._collector.place)
        return ended

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._due.wait(self._every_seconds)
            self._due.clear()
            self._export()
        # Once more: the last ones may have come after the look before.
        self._export()
        self._collector.close()

    def _export(self) -> None:
        """Send what waits; where not all of it is due, the last few wait for others."""
        waiting = self._waiting
        while waiting:
            batch = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
            try:
                self._export_batch(batch)
            except Exception:
                # Whatever it was, the thread must live on, or the queue fills for good.
                logger.exception("a batch of spans is lost")
            if len(waiting) < BATCH and not self._stopping.is_set():
                return

    def _export_batch(self, batch: list[Span]) -> None:
        lost = self._send(self._encode(batch), len(batch))
        dropped = self._dropped - self._dropped_told
        self._dropped_told += dropped
        for outcome, spans in ((EXPORTED, len(batch) - lost), (FAILED, lost), (DROPPED, dropped)):
            if spans:
                self._report(outcome, spans)

    def _encode(self, batch: list[Span]) -> bytes:
        encoded: list[bytes] = []
        for start in range(0, len(batch), SLICE):
            if start:
                self._stopping.wait(SLICE_PAUSE_SECONDS)
            encoded += [otlp.span(span) for span in batch[start : start + SLICE]]
        return otlp.request(self._resource, self._scope, encoded)

    def _send(self, body: bytes, spans: int) -> int:
        """How many of the spans were lost."""
        pause = self._first_pause_seconds
        answer = self._attempt(body)
        for _ in range(ATTEMPTS - 1):
            if not answer.again:
                break
            # Between half the pause and all of it, so that pods do not come back all at once.
            self._pause(max(pause * random.uniform(0.5, 1.0), answer.wait_seconds))
            pause *= 2
            answer = self._attempt(body)
        lost = min(answer.rejected, spans) if answer.taken else spans
        self._note(answer.said, lost)
        return lost

    def _attempt(self, body: bytes) -> Answer:
        timeout = self._timeout_seconds
        if self._stopping.is_set():
            timeout = min(timeout, self._deadline - time.monotonic())
        if timeout <= 0:
            return Answer(False, False, said="had no time left")
        return self._collector.send(body, timeout)

    def _pause(self, seconds: float) -> None:
        if self._stopping.is_set():
            time.sleep(min(seconds, LAST_PAUSE_SECONDS))
        else:
            # A stop ends the pause.
            self._stopping.wait(min(seconds, LONGEST_PAUSE_SECONDS))

    def _note(self, said: str, lost: int) -> None:
        """Log that spans are being lost, and that they no longer are: once each, not for every batch."""
        if bool(lost) != self._losing:
            self._losing = bool(lost)
            if lost:
                logger.warning("spans are lost: the trace collector %s %s", self._collector.place, said)
            else:
                logger.warning("spans reach the trace collector %s again", self._collector.place)
