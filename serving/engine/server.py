"""The listener of one worker: accepts connections, answers their requests by the routes, sweeps deadlines, drains."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from http import HTTPStatus

from serving.engine.connection import Connection
from serving.engine.heads import Clock, encode
from serving.engine.limits import Limits
from serving.engine.router import NO_ROUTE, Router
from serving.messages import MODEL_VERSION_HEADER, REQUEST_ID_HEADER, Refused, Request, Response, Routes
from serving.wire import InvalidRequest, error_body

logger = logging.getLogger(__name__)

Observer = Callable[[Request, str, int, str, float], None]
"""Told of every answer: the request, the route's path, the status, the error's code or "", and seconds."""

SWEEP_SECONDS = 0.5
BACKLOG = 2048


class Server:
    """One listening socket's connections, all on the running event loop."""

    def __init__(self, routes: Routes, limits: Limits, observe: Observer) -> None:
        self.limits = limits
        self.draining = False
        self._router = Router(routes)
        self._observe = observe
        self._clock = Clock()
        self._connections: set[Connection] = set()
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._idle = asyncio.Event()

    async def listen(self, bound: socket.socket) -> None:
        """Start to accept on a bound socket."""
        self._listener = await self._loop.create_server(lambda: Connection(self), sock=bound, backlog=BACKLOG)
        self._sweep()

    async def stop(self, grace_seconds: float) -> None:
        """Accept no more, close idle connections, and give requests that are arriving so long to arrive."""
        self.draining = True
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._connections):
            connection.close_if_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                while self._connections:
                    self._idle.clear()
                    await self._idle.wait()
        if self._sweeper is not None:
            self._sweeper.cancel()

    # What a connection asks of it

    def now(self) -> float:
        # Not the loop's time, which stands still while callbacks run: a request would take none.
        return time.monotonic()

    def admit(self, connection: Connection) -> bool:
        """Take a connection into account; False when there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= self.limits.max_connections

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._idle.set()

    def answer(self, request: Request, started: float, *, close: bool) -> bytes:
        """Find the route, run it, and encode what came of it; nothing that a route does gets past here."""
        match = self._router.find(request.path)
        template = match.template if match is not None else NO_ROUTE
        code = ""
        try:
            route = self._router.route(match, request)
            if match is not None and match.parameters:
                request.parameters = match.parameters
            response = route(request)
        except Refused as refusal:
            code = refusal.code
            response = _error(refusal.status, refusal.code, refusal.message, refusal.field)
            response.headers.extend(refusal.headers)
        except InvalidRequest as error:
            code = error.code
            response = _error(HTTPStatus.BAD_REQUEST, error.code, error.message, error.field)
        except Exception:
            code = "internal"
            logger.exception("%s %s failed", request.method, template, extra={"request_id": request.request_id})
            said = "the server could not answer; give the request id when you report it"
            response = _error(HTTPStatus.INTERNAL_SERVER_ERROR, code, said)
        encoded = self._encode(request, response, close=close)
        self._observe(request, template, response.status, code, self.now() - started)
        return encoded

    def refuse(self, request: Request, refusal: Refused, started: float) -> bytes:
        """An answer to a request that never became whole; the connection closes after it."""
        response = _error(refusal.status, refusal.code, refusal.message, refusal.field)
        response.headers.extend(refusal.headers)
        encoded = self._encode(request, response, close=True)
        self._observe(request, NO_ROUTE, response.status, refusal.code, self.now() - started)
        return encoded

    def _encode(self, request: Request, response: Response, *, close: bool) -> bytes:
        extra = b"%b: %b\r\n" % (REQUEST_ID_HEADER, request.request_id.encode())
        if request.model_version is not None:
            extra += b"%b: %b\r\n" % (MODEL_VERSION_HEADER, request.model_version.encode())
        return encode(response, extra, self._clock.header(), close=close, with_body=request.method != "HEAD")

    def _sweep(self) -> None:
        now = self.now()
        for connection in [found for found in self._connections if found.deadline < now]:
            connection.expire()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)


def _error(status: int, code: str, message: str, field: str | None = None) -> Response:
    return Response(status, error_body(code, message, field), [])
