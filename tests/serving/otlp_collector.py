"""A collector of traces on loopback, which reads what it is sent with the classes that OTLP's own files make."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

PATIENCE_SECONDS = 20

Answer = tuple[int, Mapping[str, str]]


class Received(NamedTuple):
    """One span, with what stood around it."""

    span: trace_pb2.Span
    resource: dict[str, Any]
    scope: str

    @property
    def attributes(self) -> dict[str, Any]:
        return _values(self.span.attributes)


class OtlpCollector:
    """Takes everything, unless it is told to answer otherwise or not to answer yet."""

    def __init__(self, tls: SSLContext | None = None) -> None:
        self.answers: list[Answer] = []
        """Statuses and headers for the next requests, in their order; 200 after them."""
        self.rejected_spans = 0
        """What it says in its answers that it did not take."""
        self.open = threading.Event()
        """Cleared: requests arrive, and get no answer until it is set."""
        self.open.set()
        self.close_connections = False
        """Hang up after each answer without saying so."""
        self.requests: list[tuple[str, Mapping[str, str], bytes]] = []
        self.connections = 0
        self._spans: list[Received] = []
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def spans(self, count: int) -> list[Received]:
        """Wait for so many spans to have come in all, and return them in the order they came in."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._spans) >= count, PATIENCE_SECONDS), len(self._spans)
            return list(self._spans)

    def wait_for_requests(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, PATIENCE_SECONDS), len(self.requests)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_SECONDS)

    def _receive(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """The answer to one request; what is answered with 200 counts as received."""
        with self._changed:
            self.requests.append((path, headers, body))
            self._changed.notify_all()
        self.open.wait(PATIENCE_SECONDS)
        with self._changed:
            taken: Answer = (200, {})
            status, extra = self.answers.pop(0) if self.answers else taken
            if status == 200:
                self._spans += _read(body)
                self._changed.notify_all()
        partial = ExportTracePartialSuccess(rejected_spans=self.rejected_spans, error_message="too many")
        answer = ExportTraceServiceResponse(partial_success=partial if self.rejected_spans else None)
        return status, extra, answer.SerializeToString() if status == 200 else b""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                collector.connections += 1
                super().setup()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, extra, answer = collector._receive(self.path, dict(self.headers), body)
                # Before the answer: who has it may change this for the next one.
                self.close_connection = collector.close_connections
                self.send_response(status)
                for name, value in {**extra, "Content-Length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                pass

        return Handler


def _read(body: bytes) -> list[Received]:
    return [
        Received(span, _values(of_resource.resource.attributes), f"{of_scope.scope.name} {of_scope.scope.version}")
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}
