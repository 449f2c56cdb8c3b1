"""The engine on a thread of its own, spoken to in bytes; what it answers is read by a strict peer, h11."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import h11
import uvloop

from serving.engine.limits import Limits
from serving.engine.server import Server
from serving.errors import error_body
from serving.messages import Request, Response, Routes
from serving.worker import bind

T = TypeVar("T")

PATIENCE_SECONDS = 10
LARGE_BYTES = 100_000
SLOW_SECONDS = 0.000_1
LIMITS = Limits(
    max_body_bytes=1000,
    max_head_bytes=4000,
    max_headers=20,
    head_timeout_seconds=0.3,
    body_timeout_seconds=0.5,
    answer_timeout_seconds=5,
    keep_alive_seconds=5,
    linger_seconds=0.3,
)


class Answer(NamedTuple):
    status: int
    headers: Mapping[bytes, bytes]
    body: bytes

    @property
    def seen(self) -> dict[str, Any]:
        """What a route saw of the request that it answered."""
        return json.loads(self.body)


def answers(received: bytes, methods: Iterable[bytes] = ()) -> list[Answer]:
    """Everything that a server sent on one connection, read strictly; `methods` of the requests, GET where unsaid."""
    found: list[Answer] = []
    asked = iter(methods)
    while received:
        peer = h11.Connection(h11.CLIENT)
        peer.send(h11.Request(method=next(asked, b"GET"), target=b"/", headers=[(b"host", b"test")]))
        peer.send(h11.EndOfMessage())
        peer.receive_data(received)
        head, body = peer.next_event(), b""
        while isinstance(head, h11.InformationalResponse):
            head = peer.next_event()
        assert isinstance(head, h11.Response), f"{head!r} in {received[:200]!r}"
        while isinstance(event := peer.next_event(), h11.Data):
            body += event.data
        assert isinstance(event, h11.EndOfMessage), f"the answer is cut short: {received[:200]!r}"
        found.append(Answer(head.status_code, dict(head.headers), body))
        received = peer.trailing_data[0]
    return found


def _seen(request: Request) -> Response:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.items()}
    seen = {
        "method": request.method,
        "path": request.path,
        "query": request.query.decode("latin-1"),
        "headers": headers,
        "body": request.body.decode("latin-1"),
    }
    return Response(HTTPStatus.OK, json.dumps(seen).encode(), [])


class ThreadServer:
    """A server of the engine on a thread of its own, made there by `make`."""

    def __init__(self, make: Callable[[], Server], loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.failures: list[str] = []
        self._loop = loop or uvloop.new_event_loop()
        self._loop.set_exception_handler(lambda _, context: self.failures.append(str(context)))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.server, self.port = self._call(self._open(make))

    async def _open(self, make: Callable[[], Server]) -> tuple[Server, int]:
        server = make()
        bound = bind("127.0.0.1", 0, shared=False)
        await server.listen(bound)
        return server, int(bound.getsockname()[1])

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE_SECONDS)

    def drain(self) -> None:
        self._loop.call_soon_threadsafe(setattr, self.server, "draining", True)

    def stop(self) -> None:
        self._call(self.server.stop(1))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def say(self, text: bytes) -> bytes:
        """Send bytes, and return all that comes back until the server closes."""
        with self.connect() as client:
            client.sendall(text)
            return read_to_end(client)


class WireServer(ThreadServer):
    """`/seen` says what it saw, `/later` when it is told to, `/slow` keeps the loop busy, `/large` answers a lot."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.answered = 0
        self.slow_answers = 0
        self.leave = threading.Event()
        super().__init__(lambda: Server(self._routes(), limits, self._observe, error_body))

    def _observe(self, request: Request, route: str, status: int, code: str, seconds: float) -> None:
        self.answered += 1
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and code == "internal":
            self.failures.append(f"{request.method} {route}")

    def _routes(self) -> Routes:
        async def later(request: Request) -> Response:
            await asyncio.to_thread(self.leave.wait, PATIENCE_SECONDS)
            return _seen(request)

        def large(_: Request) -> Response:
            return Response(HTTPStatus.OK, b"x" * LARGE_BYTES, [], b"text/plain")

        def slow(_: Request) -> Response:
            self.slow_answers += 1
            until = time.monotonic() + SLOW_SECONDS
            while time.monotonic() < until:
                pass
            return Response(HTTPStatus.OK, b"", [])

        def broken(_: Request) -> Response:
            return Response(-1, b"", [])

        return {
            "/seen": {"GET": _seen, "POST": _seen},
            "/models/{name}": {"GET": _seen},
            "/later": {"POST": later},
            "/large": {"GET": large},
            "/slow": {"GET": slow},
            "/broken": {"GET": broken},
        }


def read_to_end(client: socket.socket) -> bytes:
    received = bytearray()
    while chunk := client.recv(262_144):
        received += chunk
    return bytes(received)
