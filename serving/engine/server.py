"""The listener of one worker: accepts connections, answers their requests by the routes, sweeps deadlines, drains."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import cast

from serving.engine import refusals
from serving.engine.acceptor import Acceptor
from serving.engine.connection import Connection
from serving.engine.framing import Framing
from serving.engine.heads import Clock, encode
from serving.engine.limits import Limits
from serving.engine.outbox import Outbox
from serving.engine.router import Router
from serving.messages import MODEL_VERSION_HEADER, Refused, Request, Response, Routes
from serving.tracing.span import Span, active

logger = logging.getLogger(__name__)

Observer = Callable[[Request, str, int, str, float], None]
"""Told of every answer: the request, the route's path, the status, the error's code or "", and seconds."""

SWEEP_SECONDS = 0.5
SETTLE_SECONDS = 0.05
_NOT_MODIFIED = 304
"""As `OK` of the messages."""
CLIENT_CLOSED_REQUEST = 499
"""No status of HTTP's: the one that proxies log for a client that hung up before its answer was there."""


class Server:
    """One listening socket's connections, all on the running event loop."""

    def __init__(
        self,
        routes: Routes,
        limits: Limits,
        observe: Observer,
        error_body: Callable[[Request, Refused], bytes],
        trace: Callable[[Mapping[bytes, bytes]], Span | None] | None = None,
    ) -> None:
        self._trace = trace
        self.limits = limits
        self.framing = Framing(limits)
        self.draining = False
        self._router = Router(routes)
        self._observe = observe
        self._error_body = error_body
        self._clock = Clock()
        self._connections: set[Connection] = set()
        self._acceptor: Acceptor | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.outbox = Outbox(self._loop.call_soon)
        self._idle = asyncio.Event()

    async def listen(self, bound: socket.socket) -> None:
        """Start to accept on a bound socket."""
        self._acceptor = Acceptor(bound, lambda: Connection(self))
        self._sweep()

    async def stop(self, grace_seconds: float) -> None:
        """Accept no more, close idle connections, and give requests that are arriving so long to arrive."""
        self.draining = True
        if self._acceptor is not None:
            await self._acceptor.close()
            # What clients had sent by now is read before their connections count as idle.
            await asyncio.sleep(SETTLE_SECONDS)
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

    def admit(self, connection: Connection) -> bool:
        """Take a connection into account; False when there are too many."""
        self._connections.add(connection)
        return len(self._connections) <= self.limits.max_connections

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._idle.set()

    def answer(self, request: Request) -> Response | asyncio.Future[Response]:
        """Find the route and run it; nothing that a route does gets past here."""
        if self._trace is None or (span := self._trace(request.headers)) is None:
            return self._answer(request)
        request.span = span
        request.answer_lines += span.answer_line
        with active(span):
            return self._answer(request)

    def _answer(self, request: Request) -> Response | asyncio.Future[Response]:
        match = self._router.find(request.path)
        try:
            if match is not None:
                request.route = match.template
                request.parameters = match.parameters
            answer = self._router.route(match, request)(request)
        except Exception as error:
            return self._error(request, error)
        return answer if type(answer) is Response else asyncio.ensure_future(cast("Awaitable[Response]", answer))

    def outcome(self, request: Request, answered: asyncio.Future[Response]) -> Response:
        """What came of an answer that was awaited."""
        try:
            return answered.result()
        except asyncio.CancelledError:
            # By the sweep: who hangs up is not answered at all.
            return self._error(request, refusals.unanswered())
        except Exception as error:
            return self._error(request, error)

    def encode(self, request: Request, response: Response, started: float, *, close: bool) -> bytes:
        """The whole answer as bytes, counted and logged."""
        version = request.model_version
        lines = request.answer_lines
        if version is not None:
            lines += b"%b: %b\r\n" % (MODEL_VERSION_HEADER, version.encode())
        # RFC 9110, 8.6: a length without the body is that of the body that GET would have answered.
        with_body = request.method != "HEAD" and response.status != _NOT_MODIFIED
        encoded = encode(response, request.request_id, lines, self._clock.header(), close=close, with_body=with_body)
        self._observe(request, request.route, response.status, request.code, monotonic() - started)
        return encoded

    def refuse(self, request: Request, error: Exception, started: float) -> bytes:
        """An answer to a request that never became whole; the connection closes after it."""
        return self.encode(request, self._error(request, error), started, close=True)

    def given_up(self, request: Request, started: float) -> None:
        """The client hung up before its answer was there."""
        self._observe(request, request.route, CLIENT_CLOSED_REQUEST, "client_closed_request", monotonic() - started)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back once the others have had their turn."""
        self._loop.call_soon(callback)

    def _error(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, Refused):
            logger.error(
                "%s %s failed",
                request.method,
                request.route,
                exc_info=error,
                extra={"request_id": request.request_id, "model_version": request.model_version},
            )
            error = refusals.internal()
        request.code = error.code
        return Response(error.status, self._error_body(request, error), error.headers)

    def _sweep(self) -> None:
        now = monotonic()
        for connection in [found for found in self._connections if found.deadline < now]:
            connection.expire()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)
