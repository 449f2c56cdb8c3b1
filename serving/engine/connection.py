"""One client's connection: bounds how long it may take, has its requests answered in order, and writes the answers.

A request is answered before the next one is looked at. While an answer is awaited, a few more requests may arrive and
wait; then the client is not read from. Timeouts are deadlines that the server sweeps, which costs a request nothing; a
client that does not read its answers is not read from either, and after a while cut off.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple, Protocol, cast

from serving.engine import heads, refusals
from serving.engine.framing import Framing
from serving.engine.limits import Limits
from serving.engine.outbox import Outbox
from serving.engine.reading import Reading
from serving.engine.reset import reset
from serving.messages import Request, Response

MOST_WAITING = 4
"""Pipelined requests behind one that is being answered. Reading goes on till then, so that a hang-up is noticed."""
MOST_AT_ONCE_BYTES = 32_768
"""What is parsed at once: all requests in it are held in memory, should the client not read the answers."""
TURN_SECONDS = 0.002
"""How long one client's requests may be answered one behind the other before others have their turn."""


class Server(Protocol):
    """What a connection asks of whoever accepted it."""

    limits: Limits
    framing: Framing
    outbox: Outbox
    draining: bool

    def admit(self, connection: Connection) -> bool: ...

    def forget(self, connection: Connection) -> None: ...

    def answer(self, request: Request) -> Response | asyncio.Future[Response]: ...

    def outcome(self, request: Request, answered: asyncio.Future[Response]) -> Response: ...

    def encode(self, request: Request, response: Response, started: float, *, close: bool) -> bytes: ...

    def refuse(self, request: Request, error: Exception, started: float) -> bytes: ...

    def given_up(self, request: Request, started: float) -> None: ...

    def soon(self, callback: Callable[[], None]) -> None: ...


class _Waiting(NamedTuple):
    """A request that has arrived behind one that is not answered yet."""

    request: Request
    started: float
    keep: bool
    error: Exception | None = None
    """Why no route answers it, and the connection ends after it."""


class Connection(asyncio.Protocol):
    """Idle, or with a request arriving, an answer awaited, or both; ended, it reads past what still comes."""

    __slots__ = (
        "_awaited",
        "_blocked",
        "_lingered",
        "_reading",
        "_server",
        "_transport",
        "_turn",
        "_unread",
        "_waiting",
        "_yielded",
        "deadline",
        "ended",
        "idle",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._reading = Reading(self, server.framing, server.limits)
        self._transport = cast(asyncio.Transport, None)
        self.deadline = 0.0
        self.idle = True
        self.ended = False
        """No further request is answered."""
        self._lingered = 0
        self._awaited: asyncio.Future[Response] | None = None
        self._waiting: deque[_Waiting] = deque()
        self._unread = memoryview(b"")
        self._blocked = False
        # When the first request of what came last began, if one has.
        self._turn = 0.0
        self._yielded = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.deadline = monotonic() + self._server.limits.head_timeout_seconds
        if not self._server.admit(self):
            self._refuse(refusals.too_many_connections(), linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.forget(self)
        self._drop()
        self._reading.end()
        if self._awaited is not None:
            # Nobody is there to read it.
            self._awaited.cancel()

    def pause_writing(self) -> None:
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        if self.ended:
            self._lingered += len(data)
            if self._lingered > self._server.limits.linger_bytes:
                self._close()
        elif len(data) <= MOST_AT_ONCE_BYTES:
            self._turn = 0.0
            self._feed(data)
        else:
            self._unread = memoryview(data)
            self._go_on()

    def eof_received(self) -> bool:
        # The transport closes once it has written what it was given.
        self._server.outbox.send()
        return False

    # What the reading tells it

    def begins(self, now: float) -> None:
        if not self._turn:
            self._turn = now
        if self.idle:
            self.deadline = now + self._server.limits.head_timeout_seconds
            self.idle = False

    def awaits_body(self, *, wants_leave: bool) -> None:
        if self._awaited is None and not self._waiting:
            self.deadline = self._reading.started + self._server.limits.body_timeout_seconds
            if wants_leave:
                self._server.outbox.write(self._transport, heads.CONTINUE)

    def arrived(self, request: Request, started: float, *, keep: bool) -> None:
        if self._awaited is None and not self._blocked and not self._waiting:
            if not self._turn or started - self._turn < TURN_SECONDS:
                self._answer(request, started, keep)
                return
            self._yield()
        self._waiting.append(_Waiting(request, started, keep))
        if len(self._waiting) == MOST_WAITING:
            self._transport.pause_reading()

    # What the server asks of it

    def expire(self) -> None:
        """The deadline has passed: for a request, an answer, the next request, or for reading what was answered."""
        if self._transport.is_closing():
            reset(self._transport)
        elif self._awaited is not None:
            self._awaited.cancel()
        elif self.idle or self.ended:
            self._close()
        elif self._blocked:
            reset(self._transport)
        elif self._reading.arriving:
            self._refuse(refusals.too_slow(), linger=False)

    def close_if_idle(self) -> None:
        if self.idle:
            self._close()

    # Within

    def _answer(self, request: Request, started: float, keep: bool) -> None:
        answer = self._server.answer(request)
        if type(answer) is Response:
            self._send(request, answer, started, keep)
            return
        awaited = cast("asyncio.Future[Response]", answer)
        self._awaited = awaited
        self.deadline = monotonic() + self._server.limits.answer_timeout_seconds
        awaited.add_done_callback(functools.partial(self._answered, request, started, keep))

    def _answered(self, request: Request, started: float, keep: bool, answered: asyncio.Future[Response]) -> None:
        self._awaited = None
        if self._transport.is_closing():
            self._server.given_up(request, started)
            return
        self._send(request, self._server.outcome(request, answered), started, keep)
        self._go_on()

    def _send(self, request: Request, response: Response, started: float, keep: bool) -> None:
        server = self._server
        last = not keep or server.draining
        data = server.encode(request, response, started, close=last)
        if last:
            server.outbox.write(self._transport, data)
            self._drop()
            # A client that would go on may have sent more: closed with that unread, the answer could be lost.
            self._finish(linger=keep)
            return
        now = monotonic()
        if self._reading.arriving or self._waiting or self._unread:
            self.deadline = now + server.limits.body_timeout_seconds
        else:
            self.idle = True
            self.deadline = now + server.limits.keep_alive_seconds
        server.outbox.post(self._transport, data, now)

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            self._reading.feed(data)
        except Exception as error:
            self._refuse(error)

    def _go_on(self) -> None:
        """Answer what waits and take in what is unread, for a turn, and unless an answer has to be awaited or read."""
        self._yielded = False
        self._turn = began = monotonic()
        while self._awaited is None and not self._blocked:
            if self._waiting:
                request, started, keep, error = self._waiting.popleft()
                if error is None:
                    self._answer(request, started, keep)
                else:
                    self._end(request, error, started, linger=True)
            elif self._unread:
                data, self._unread = self._unread[:MOST_AT_ONCE_BYTES], self._unread[MOST_AT_ONCE_BYTES:]
                self._feed(data)
            else:
                break
            if monotonic() - began > TURN_SECONDS:
                self._yield()
                break
        if self._blocked or self._unread or len(self._waiting) >= MOST_WAITING:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _yield(self) -> None:
        if not self._yielded:
            self._yielded = True
            self._server.soon(self._go_on)

    def _drop(self) -> None:
        self._waiting.clear()
        self._unread = memoryview(b"")

    def _refuse(self, error: Exception, *, linger: bool = True) -> None:
        """Answer with an error before the request was whole, and close once the rest of it was read past."""
        if self.ended:
            return
        self.idle = False
        self.ended = True
        self._unread = memoryview(b"")
        started = self._reading.started or monotonic()
        request = self._reading.give_up()
        if self._awaited is None and not self._waiting:
            self._end(request, error, started, linger=linger)
        else:
            # Those before it are answered first.
            self._waiting.append(_Waiting(request, started, False, error))
            self._transport.pause_reading()

    def _end(self, request: Request, error: Exception, started: float, *, linger: bool) -> None:
        self._server.outbox.write(self._transport, self._server.refuse(request, error, started))
        self._finish(linger=linger)

    def _finish(self, *, linger: bool) -> None:
        """Say no more, and close once the client has: what it still sends is read past, within limits."""
        self.ended = True
        if linger and self._transport.can_write_eof():
            self.deadline = monotonic() + self._server.limits.linger_seconds
            self._transport.write_eof()
        else:
            self._close()

    def _close(self) -> None:
        """Close once the client has taken what was written, for which it gets as long as for sending a request."""
        self._server.outbox.send()
        self.ended = True
        self.deadline = monotonic() + self._server.limits.body_timeout_seconds
        self._transport.close()
