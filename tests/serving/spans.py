"""Tracing as the container has it, and spans of requests for tests to look at."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from contract import service
from serving.messages import Request
from serving.tracing.exporter import DROPPED, EXPORTED, FAILED
from serving.tracing.settings import Sampling, TracingSettings
from serving.tracing.span import Kind, Span, Trace
from serving.tracing.tracer import Tracer, finish
from serving.tracing.worker import Tracing, tracing_of

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{CALLER}-01".encode()
MARKER = "planted-marker-4711"
ALWAYS = Sampling(True, 1.0)
PATIENCE_SECONDS = 20


class Counts:
    """What an exporter reported, and a way to wait for more of it."""

    def __init__(self) -> None:
        self.by_outcome = {EXPORTED: 0, DROPPED: 0, FAILED: 0}
        self._reports: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()

    def __call__(self, outcome: str, spans: int) -> None:
        self._reports.put((outcome, spans))

    def wait_for(self, outcome: str, spans: int) -> None:
        while self.by_outcome[outcome] < spans:
            told, count = self._reports.get(timeout=PATIENCE_SECONDS)
            self.by_outcome[told] += count


def worker_tracing(endpoint: str, counts: Counts) -> Tracing:
    chosen = settings(endpoint=f"{endpoint}/v1/traces")
    return tracing_of(chosen, environment="staging", pod_name="pod-1", server_port=8000, report=counts)


def settings(**given: Any) -> TracingSettings:
    needed: dict[str, Any] = {"sampling": ALWAYS, "service_name": "inference"}
    return TracingSettings(**needed, **given)


def recorder(sampling: Sampling = ALWAYS) -> tuple[Tracer, list[Span]]:
    """A tracer whose spans stay here."""
    spans: list[Span] = []
    return Tracer(sampling, spans.append, server_address="pod-1", server_port=8000), spans


def predict_request(headers: dict[bytes, bytes] | None = None, **others: Any) -> Request:
    request = Request("POST", service.PREDICT_PATH, headers or {}, **others)
    request.route = service.PREDICT_PATH
    return request


def record(tracer: Tracer, request: Request, status: int = 200, code: str = "", seconds: float = 0.25) -> Span:
    span = tracer.start(request.headers)
    assert span is not None
    finish(span, request, status, code, seconds)
    return span


def some_span(export: Callable[[Span], None]) -> Span:
    return Span(Trace(TRACE_ID.encode(), 1, b"", export), b"", "POST /predict", Kind.SERVER)
