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

FLUSH_SECONDS = 0.05
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


class _Line(msgspec.Struct):
    timestamp: str
    level: str
    service: str
    pod: str
    trace_id: str | None
    request_id: str
    message: str
    duration_ms: float
    model_version: str | None


class RequestLog:
    """Writes a line a request, several at a time: a write for each would cost as much as the request itself.

    The lines have the fields of `serving.log`, and go where its lines go, so that none is torn by another's.
    """

    def __init__(self, pod: str, write_lines: Callable[[str], None]) -> None:
        self._pod = pod
        self._write_lines = write_lines
        self._encode = msgspec.json.Encoder().encode
        self._lines: list[bytes] = []
        self._second = 0
        self._prefix = ""
        self._loop = asyncio.get_running_loop()

    def write(self, request: Request, message: str, seconds: float) -> None:
        line = _Line(
            self._timestamp(),
            "info",
            SERVICE_NAME,
            self._pod,
            request.trace_id,
            request.request_id,
            message,
            round(seconds * 1000, 3),
            request.model_version,
        )
        if not self._lines:
            self._loop.call_later(FLUSH_SECONDS, self.flush)
        self._lines.append(self._encode(line))

    def flush(self) -> None:
        if not self._lines:
            return
        text = b"\n".join([*self._lines, b""]).decode()
        self._lines.clear()
        self._write_lines(text)

    def _timestamp(self) -> str:
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._prefix}.{int((now - second) * 1000):03d}+00:00"


class Observation:
    """Counts, times and logs each answer. Labels and messages hold no text of a client's."""

    def __init__(self, metrics: Metrics, log: RequestLog | None) -> None:
        self._metrics = metrics
        self._log = log

    def __call__(self, request: Request, route: str, status: int, code: str, seconds: float) -> None:
        method = request.method if request.method in _METHODS else "other"
        self._metrics.request(method, route, status, seconds)
        if self._log is not None:
            self._log.write(request, f"{method} {route} {status} {code}".rstrip(), seconds)


def ignore(request: Request, route: str, status: int, code: str, seconds: float) -> None:
    """For probes, which come every few seconds for as long as the pod lives: worth neither a line nor a count."""


def request_log(pod: str) -> RequestLog | None:
    """The log of requests, or None where the level leaves them out."""
    return RequestLog(pod, log.write_lines) if logging.getLogger().isEnabledFor(logging.INFO) else None
