"""Decides which requests are recorded, and describes each of those by the semantic conventions for HTTP servers.

A span says which route was asked for, never which path: a path, a query, a header or a body is the client's text.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import monotonic_ns

from serving.messages import NO_ROUTE, Request
from serving.tracing import context
from serving.tracing.context import RANDOM, SAMPLED, TRACEPARENT, TRACESTATE
from serving.tracing.settings import Sampling
from serving.tracing.span import MODEL_VERSION, Kind, Span, Trace, Value

NANOSECONDS = 1_000_000_000
# Of RFC 9110 and RFC 5789: the names that the conventions know, in whose place any other is "_OTHER".
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_STATUSES = frozenset(HTTPStatus)
# How a caller says that it does not record, in versions 00 of levels 1 and 2. It is believed without reading the rest,
# which costs more than all else here: the worst that a malformed header brings about is that it is not recorded.
_NOT_SAMPLED = (b"-00", b"-02")
_RATIO_BITS = 64
_RATIO_MASK = (1 << _RATIO_BITS) - 1

_random_bits = random.getrandbits


class Tracer:
    """One worker's: decides, and starts the span of a request that is to be recorded."""

    def __init__(
        self, sampling: Sampling, export: Callable[[Span], None], *, server_address: str, server_port: int
    ) -> None:
        self._parent_based = sampling.parent_based
        # As the samplers of OpenTelemetry's SDKs do, so that services with one ratio pick the same traces.
        self._bound = round(sampling.ratio * (1 << _RATIO_BITS))
        self._export = export
        self._server: dict[str, Value] = {
            "url.scheme": "http",
            "network.protocol.version": "1.1",
            "server.address": server_address,
            "server.port": server_port,
        }

    def start(self, headers: Mapping[bytes, bytes]) -> Span | None:
        """The span of a request with these headers, or None where it is not to be recorded."""
        given = headers.get(TRACEPARENT)
        if given is None:
            return self._first()
        if self._parent_based and given.endswith(_NOT_SAMPLED):
            return None
        parent = context.parse(given)
        if parent is None:
            return self._first()
        sampled = parent.flags & SAMPLED if self._parent_based else int(parent.trace_id, 16) & _RATIO_MASK < self._bound
        if not sampled:
            return None
        state = headers.get(TRACESTATE)
        passed_on = context.passed_on(state) if state else b""
        return self._span(Trace(parent.trace_id, parent.flags, passed_on, self._export), parent.span_id)

    def _first(self) -> Span | None:
        """The span that starts a trace, where the ratio picks it."""
        low = _random_bits(_RATIO_BITS)
        if low >= self._bound:
            return None
        return self._span(Trace(b"%016x%016x" % (_random_bits(64), low), RANDOM, b"", self._export), b"")

    def _span(self, trace: Trace, parent_id: bytes) -> Span:
        span = Span(trace, parent_id, "", Kind.SERVER)
        span.attributes.update(self._server)
        return span


def finish(span: Span, request: Request, status: int, code: str, seconds: float) -> None:
    """End the span of a request with what became of it: its status, its error's code or "", and how long it took."""
    known = request.method in _METHODS
    span.name = request.method if known else "HTTP"
    span.set("http.request.method", request.method if known else "_OTHER")
    if request.route != NO_ROUTE:
        span.name += f" {request.route}"
        span.set("http.route", request.route)
    if request.model_version is not None:
        span.set(MODEL_VERSION, request.model_version)
    sent = status in _STATUSES
    if sent:
        span.set("http.response.status_code", status)
    # By the conventions, what is the client's fault has not failed; what it did not wait for has.
    if not sent or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail(code or str(status))
    now = monotonic_ns()
    # From the request's first byte, which came before it was whole and its span was made.
    span.started_ns = now - int(seconds * NANOSECONDS)
    span.end(now)
