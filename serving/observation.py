"""What is kept of every request: counts and times for Prometheus, and one line in the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from contract.service import SERVICE_NAME
from serving import log
from serving.messages import Request
from serving.metrics import Metrics
from serving.tracing.tracer import finish

FLUSH_SECONDS = 0.05
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class RequestLog:
    """Writes a line a request, several at a time: a write for each would cost as much as the request itself.

    The lines have the fields of `serving.log`, and go where its lines go, so that none is torn by another's.
    """

    def __init__(self, pod: str, write_lines: Callable[[str], None]) -> None:
        self._write_lines = write_lines
        self._lines: list[str] = []
        self._second = 0
        self._head = ""
        # What the lines share is encoded once; nothing of what differs can hold a character that JSON escapes.
        self._origin = f'+00:00","level":"info","service":"{SERVICE_NAME}","pod":{_json(pod)},"trace_id":'
        self._loop = asyncio.get_running_loop()

    def write(self, request: Request, message: str, seconds: float) -> None:
        """A line for a request; `message` is made of the server's own words."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._head = datetime.fromtimestamp(second, UTC).strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S')
        if not self._lines:
            self._loop.call_later(FLUSH_SECONDS, self.flush)
        trace_id, version = request.trace_id, request.model_version
        self._lines.append(
            f"{self._head}.{int((now - second) * 1000):03d}{self._origin}"
            f"{'null' if trace_id is None else _quoted(trace_id)},"
            f'"request_id":"{request.request_id}","message":"{message}","duration_ms":{seconds * 1000:.3f},'
            f'"model_version":{"null" if version is None else _quoted(version)}}}\n'
        )

    def flush(self) -> None:
        if not self._lines:
            return
        text = "".join(self._lines)
        self._lines.clear()
        self._write_lines(text)


class Observation:
    """Counts, times and logs each answer. Labels and messages hold no text of a client's."""

    def __init__(self, metrics: Metrics, log: RequestLog | None) -> None:
        self._metrics = metrics
        self._log = log

    def __call__(self, request: Request, route: str, status: int, code: str, seconds: float) -> None:
        method = request.method if request.method in _METHODS else "other"
        span = request.span
        self._metrics.request(method, route, status, seconds, None if span is None else span.trace_id)
        if self._log is not None:
            said = f"{method} {route} {status} {code}" if code else f"{method} {route} {status}"
            self._log.write(request, said, seconds)
        if span is not None:
            finish(span, request, status, code, seconds)


def ignore(request: Request, route: str, status: int, code: str, seconds: float) -> None:
    """For probes, which come every few seconds for as long as the pod lives: worth neither a line nor a count."""


def request_log(pod: str) -> RequestLog | None:
    """The log of requests, or None where the level leaves them out."""
    return RequestLog(pod, log.write_lines) if logging.getLogger().isEnabledFor(logging.INFO) else None


def _quoted(text: str) -> str:
    return f'"{text}"'


def _json(text: str) -> str:
    return msgspec.json.encode(text).decode()
