"""The HTTP server on a thread of its own, with routes whose answers a test holds back."""

from __future__ import annotations

import asyncio
import queue
import threading
from http import HTTPStatus

from serving.engine.limits import Limits
from serving.engine.server import Server
from serving.errors import error_body
from serving.messages import Refused, Request, Response, Routes
from tests.serving.wire import PATIENCE_SECONDS, ThreadServer

LIMITS = Limits(
    max_body_bytes=1000,
    max_head_bytes=2000,
    max_headers=20,
    head_timeout_seconds=0.3,
    body_timeout_seconds=0.3,
    answer_timeout_seconds=0.3,
    keep_alive_seconds=0.3,
    linger_seconds=0.3,
    max_connections=8,
)


def echo(request: Request) -> Response:
    return Response(HTTPStatus.OK, request.body or request.query, [], b"text/plain")


def named(request: Request) -> Response:
    return Response(HTTPStatus.OK, request.parameters["name"].encode(), [])


def refused(_: Request) -> Response:
    raise Refused(HTTPStatus.CONFLICT, "no", "not this one", field="here", headers=[(b"x-why", b"because")])


class Later:
    """A route whose answers wait for a word from the test."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[asyncio.Future[bytes]] = queue.SimpleQueue()
        self.cancelled = threading.Event()

    async def __call__(self, request: Request) -> Response:
        word: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.asked.put(word)
        try:
            said = await word
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if not said:
            raise Refused(HTTPStatus.CONFLICT, "no", "not this one")
        return Response(HTTPStatus.OK, request.body + said, [], b"text/plain")

    def say(self, word: bytes) -> None:
        """Let the request that was asked first and not answered yet have its answer."""
        future = self.asked.get(timeout=PATIENCE_SECONDS)
        future.get_loop().call_soon_threadsafe(future.set_result, word)


def routes_with(later: Later) -> Routes:
    return {
        "/echo": {"POST": echo, "GET": echo},
        "/later": {"POST": later},
        "/models/{name}": {"GET": named},
        "/refused": {"GET": refused},
    }


class Running(ThreadServer):
    """Keeps what the server said of each answer."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.observed: list[tuple[str, str, int, str]] = []
        self.later = Later()
        # The other event loop: the engine is the same on either.
        super().__init__(
            lambda: Server(routes_with(self.later), limits, self._observe, error_body), asyncio.new_event_loop()
        )

    def _observe(self, request: Request, route: str, status: int, code: str, seconds: float) -> None:
        assert seconds >= 0
        self.observed.append((request.method, route, status, code))


def request(body: bytes = b"", *headers: bytes, method: bytes = b"POST", path: bytes = b"/echo") -> bytes:
    lines = [b"%b %b HTTP/1.1" % (method, path), b"Host: test", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", b""]) + body


CLOSE = b"Connection: close"


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def later(body: bytes, *headers: bytes) -> bytes:
    return request(body, *headers, path=b"/later")
