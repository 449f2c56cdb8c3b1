"""One client's connection: parses its bytes, bounds what it may send and how long it may take, and writes the answers.

A request is answered before the next one is looked at, so pipelined requests are answered in their order. While an
answer is awaited, a few more requests may arrive and wait; then the client is not read from. Timeouts are deadlines
that the server sweeps, which costs a request nothing; a client that does not read its answers is not read from.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from time import monotonic
from typing import Protocol, cast

import httptools

from serving.engine import heads, refusals
from serving.engine.limits import Limits
from serving.messages import Refused, Request, Response

MOST_WAITING = 4
"""Pipelined requests behind one that is being answered. Reading goes on till then, so that a hang-up is noticed."""
_CHUNKED = b"chunked"
_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization", b"x-api-key"})
_METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD"}


class Server(Protocol):
    """What a connection asks of whoever accepted it."""

    limits: Limits
    draining: bool

    def target(self, url: bytes) -> tuple[str, bytes]: ...

    def admit(self, connection: Connection) -> bool: ...

    def forget(self, connection: Connection) -> None: ...

    def answer(self, request: Request) -> Response | asyncio.Future[Response]: ...

    def outcome(self, request: Request, answered: asyncio.Future[Response]) -> Response: ...

    def encode(self, request: Request, response: Response, started: float, *, close: bool) -> bytes: ...

    def refuse(self, request: Request, refusal: Refused, started: float) -> bytes: ...

    def given_up(self, request: Request, started: float) -> None: ...


class Connection(asyncio.Protocol):
    """States: reading a head, reading a body, awaiting an answer, idle between requests, and lingering to read past a
    refused body.
    """

    __slots__ = (
        "_awaited",
        "_blocked",
        "_body",
        "_body_bytes",
        "_bytes_of_head",
        "_expects_body",
        "_headers",
        "_in_head",
        "_lingered",
        "_parser",
        "_parts",
        "_refusal",
        "_server",
        "_started",
        "_transport",
        "_url",
        "_waiting",
        "deadline",
        "idle",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport = cast(asyncio.Transport, None)
        self.deadline = 0.0
        self.idle = True
        self._in_head = True
        self._bytes_of_head = 0
        self._lingered = -1
        self._refusal: Refused | None = None
        self._started = 0.0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._expects_body = False
        self._body = b""
        self._parts: list[bytes] | None = None
        self._body_bytes = 0
        self._awaited: asyncio.Future[Response] | None = None
        self._waiting: deque[tuple[Request, float, bool]] = deque()
        self._blocked = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.deadline = monotonic() + self._server.limits.head_timeout_seconds
        if not self._server.admit(self):
            self._refuse(refusals.too_many_connections(), linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.forget(self)
        self._waiting.clear()
        if self._awaited is not None:
            # Nobody is there to read it.
            self._awaited.cancel()

    def pause_writing(self) -> None:
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._blocked = False
        self._read_on()

    def data_received(self, data: bytes) -> None:
        if self._lingered >= 0:
            self._read_past(len(data))
        if self._transport.is_closing():
            return
        if self._in_head:
            self._bytes_of_head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(refusals.upgrade())
        except httptools.HttpParserError:
            if self._lingered < 0:
                self._refuse(refusals.invalid_http())
            else:
                self._transport.close()
            return
        if self._in_head and self._bytes_of_head > self._server.limits.max_head_bytes and self._lingered < 0:
            # It has not ended yet and is too large already; the parser holds the part that came.
            self._refuse(refusals.head_too_large(self._server.limits))

    def eof_received(self) -> bool:
        return False

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        if self._lingered >= 0:
            return
        self._started = now = monotonic()
        if self.idle:
            self.deadline = now + self._server.limits.head_timeout_seconds
            self.idle = False
        self._refusal = None
        self._url = b""
        self._headers = {}
        self._body = b""
        self._parts = None

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Called several times a request. What it takes in is bounded by the bytes of the head, counted as they come.
        key = name.lower()
        headers = self._headers
        if key in headers:
            # Two values of one of these would be read differently by whoever stands before this server.
            if key in _ONCE:
                self._refusal = refusals.duplicate_header(key)
            value = headers[key] + b", " + value
        headers[key] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._bytes_of_head = 0
        if self._lingered >= 0:
            return
        refusal = self._refusal or self._fault_of_head()
        if refusal is not None:
            self._refuse(refusal)
        elif self._expects_body:
            self.deadline = self._started + self._server.limits.body_timeout_seconds
            if b"expect" in self._headers and self._headers[b"expect"].lower() == b"100-continue":
                self._transport.write(heads.CONTINUE)

    def on_body(self, body: bytes) -> None:
        if self._lingered >= 0:
            return
        if not self._body:
            # Nearly always the whole of it.
            self._body = body
            self._body_bytes = len(body)
        else:
            if self._parts is None:
                self._parts = [self._body]
            self._body_bytes += len(body)
            self._parts.append(body)
        if self._body_bytes > self._server.limits.max_body_bytes:
            self._refuse(refusals.body_too_large(self._server.limits))

    def on_message_complete(self) -> None:
        self._in_head = True
        if self._lingered >= 0:
            self._transport.close()
            return
        body = self._body if self._parts is None else b"".join(self._parts)
        request = self._request(body)
        keep = self._parser.should_keep_alive()
        if self._awaited is None:
            self._answer(request, self._started, keep)
        else:
            self._waiting.append((request, self._started, keep))
            if len(self._waiting) == MOST_WAITING:
                self._transport.pause_reading()

    # What the server asks of it

    def expire(self) -> None:
        """The deadline has passed: an idle connection closes, a slow request is refused."""
        if self.idle or self._lingered >= 0 or self._transport.is_closing():
            self._transport.close()
        elif self._awaited is not None:
            self._awaited.cancel()
        else:
            self._refuse(refusals.too_slow(), linger=False)

    def close_if_idle(self) -> None:
        if self.idle:
            self._transport.close()

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
        while self._waiting and self._awaited is None:
            self._answer(*self._waiting.popleft())
        self._read_on()

    def _send(self, request: Request, response: Response, started: float, keep: bool) -> None:
        server = self._server
        keep = keep and not server.draining
        self._transport.write(server.encode(request, response, started, close=not keep))
        if keep:
            # A message that has begun to arrive behind this one has its own deadline already.
            if self._in_head:
                self.idle = True
                self.deadline = monotonic() + server.limits.keep_alive_seconds
        else:
            # What was pipelined behind a request that ends the connection is not answered.
            self._lingered = 0
            self._waiting.clear()
            self._transport.close()

    def _read_on(self) -> None:
        if not (self._blocked or len(self._waiting) >= MOST_WAITING or self._transport.is_closing()):
            self._transport.resume_reading()

    def _fault_of_head(self) -> Refused | None:
        limits, headers = self._server.limits, self._headers
        length, encoding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
        self._expects_body = length is not None or encoding is not None
        if len(headers) > limits.max_headers:
            return refusals.too_many_headers(limits)
        if sum(map(len, headers.values())) > limits.max_head_bytes:
            return refusals.head_too_large(limits)
        if encoding is not None and (length is not None or encoding.lower() != _CHUNKED):
            return refusals.invalid_http("the length of the body is ambiguous")
        if length is not None and int(length) > limits.max_body_bytes:
            return refusals.body_too_large(limits)
        return None

    def _request(self, body: bytes) -> Request:
        path, query = self._server.target(self._url)
        method = self._parser.get_method()
        return Request(_METHODS.get(method) or method.decode("ascii"), path, self._headers, body, query)

    def _refuse(self, refusal: Refused, *, linger: bool = True) -> None:
        """Answer with an error before the request was whole, and close once the rest of it was read past."""
        if self._lingered >= 0:
            return
        self.idle = False
        self._lingered = 0
        method = (self._parser.get_method() or b"").decode("ascii", "replace") if not self._in_head else "GET"
        request = Request(method, self._url.partition(b"?")[0].decode("latin-1"), self._headers)
        self._transport.write(self._server.refuse(request, refusal, self._started or monotonic()))
        if linger:
            self.deadline = monotonic() + self._server.limits.linger_seconds
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self._transport.close()

    def _read_past(self, size: int) -> None:
        self._lingered += size
        if self._lingered > self._server.limits.linger_bytes:
            self._transport.close()
