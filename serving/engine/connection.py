"""One client's connection: parses its bytes, bounds what it may send and how long it may take, and writes the answers.

Routes are plain functions, so each request is answered before the next one is looked at: pipelined requests are
answered in their order, and there is no queue to grow. Timeouts are deadlines that the server sweeps, which costs a
request nothing; a client that does not read its answers is not read from.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Protocol, cast

import httptools

from serving.engine import heads
from serving.engine.limits import Limits
from serving.messages import Refused, Request

_CHUNKED = b"chunked"


class Server(Protocol):
    """What a connection asks of whoever accepted it."""

    limits: Limits
    draining: bool

    def now(self) -> float: ...

    def admit(self, connection: Connection) -> bool: ...

    def forget(self, connection: Connection) -> None: ...

    def answer(self, request: Request, started: float, *, close: bool) -> bytes: ...

    def refuse(self, request: Request, refusal: Refused, started: float) -> bytes: ...


class Connection(asyncio.Protocol):
    """States: reading a head, reading a body, idle between requests, and lingering to read past a refused body."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_bytes_of_head",
        "_head_size",
        "_headers",
        "_in_head",
        "_lingered",
        "_parser",
        "_refusal",
        "_server",
        "_started",
        "_transport",
        "_url",
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
        self._head_size = 0
        self._lingered = -1
        self._refusal: Refused | None = None
        self._started = 0.0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.deadline = self._server.now() + self._server.limits.head_timeout_seconds
        if not self._server.admit(self):
            refusal = Refused(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too_many_connections",
                "this server has as many connections as it takes: try again",
                headers=[(b"retry-after", b"1")],
            )
            self._refuse(refusal, linger=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.forget(self)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

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
            self._refuse(Refused(HTTPStatus.BAD_REQUEST, "no_upgrade", "this server speaks HTTP/1.1 alone"))
        except httptools.HttpParserError:
            if self._lingered < 0:
                self._refuse(Refused(HTTPStatus.BAD_REQUEST, "invalid_http", "this is no HTTP/1.1 request"))
            else:
                self._transport.close()
            return
        if self._in_head and self._bytes_of_head > self._server.limits.max_head_bytes and self._lingered < 0:
            # It has not ended yet and is too large already; the parser holds the part that came.
            self._refuse(self._head_too_large())

    def eof_received(self) -> bool:
        return False

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        if self._lingered >= 0:
            return
        self._started = now = self._server.now()
        if self.idle:
            self.deadline = now + self._server.limits.head_timeout_seconds
        self.idle = False
        self._refusal = None
        self._head_size = 0
        self._url = b""
        self._headers = {}
        self._body = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        key = name.lower()
        self._head_size += len(name) + len(value)
        if key in headers:
            # Two values of one of these would be read differently by whoever stands before this server.
            if key in (b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization"):
                self._refusal = Refused(HTTPStatus.BAD_REQUEST, "duplicate_header", f"{key.decode()} stands twice")
            headers[key] += b", " + value
        else:
            headers[key] = value
        if len(headers) > self._server.limits.max_headers:
            self._refusal = Refused(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                "too_many_headers",
                f"at most {self._server.limits.max_headers} headers are taken",
            )
        elif self._head_size > self._server.limits.max_head_bytes:
            self._refusal = self._head_too_large()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._bytes_of_head = 0
        if self._lingered >= 0:
            return
        limits = self._server.limits
        headers = self._headers
        length = headers.get(b"content-length")
        encoding = headers.get(b"transfer-encoding")
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif encoding is not None and (length is not None or encoding.lower() != _CHUNKED):
            self._refuse(Refused(HTTPStatus.BAD_REQUEST, "invalid_http", "the length of the body is ambiguous"))
        elif length is not None and int(length) > limits.max_body_bytes:
            self._refuse(self._too_large())
        elif length is not None or encoding is not None:
            self.deadline = self._server.now() + limits.body_timeout_seconds
            if headers.get(b"expect", b"").lower() == b"100-continue":
                self._transport.write(heads.CONTINUE)

    def on_body(self, body: bytes) -> None:
        if self._lingered >= 0:
            return
        self._body_bytes += len(body)
        if self._body_bytes > self._server.limits.max_body_bytes:
            self._refuse(self._too_large())
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        if self._lingered >= 0:
            self._transport.close()
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = self._request(body)
        keep = self._parser.should_keep_alive() and not self._server.draining
        self._transport.write(self._server.answer(request, self._started, close=not keep))
        if keep:
            self.idle = True
            self.deadline = self._server.now() + self._server.limits.keep_alive_seconds
        else:
            # What was pipelined behind a request that ends the connection is not answered.
            self._lingered = 0
            self._transport.close()

    # What the server asks of it

    def expire(self) -> None:
        """The deadline has passed: an idle connection closes, a slow request is refused."""
        if self.idle or self._lingered >= 0 or self._transport.is_closing():
            self._transport.close()
        else:
            self._refuse(
                Refused(HTTPStatus.REQUEST_TIMEOUT, "timeout", "the request took too long to arrive"), linger=False
            )

    def close_if_idle(self) -> None:
        if self.idle:
            self._transport.close()

    # Within

    def _request(self, body: bytes) -> Request:
        target, _, query = self._url.partition(b"?")
        if not target.startswith(b"/") and target != b"*":
            # The absolute form, which proxies may send (RFC 9112, 3.2.2).
            parsed = httptools.parse_url(self._url)
            target, query = parsed.path or b"/", parsed.query or b""
        return Request(self._parser.get_method().decode("ascii"), target.decode("latin-1"), self._headers, body, query)

    def _refuse(self, refusal: Refused, *, linger: bool = True) -> None:
        """Answer with an error before the request was whole, and close once the rest of it was read past."""
        if self._lingered >= 0:
            return
        self.idle = False
        self._lingered = 0
        method = (self._parser.get_method() or b"").decode("ascii", "replace") if not self._in_head else "GET"
        request = Request(method, "", self._headers)
        self._transport.write(self._server.refuse(request, refusal, self._started or self._server.now()))
        if linger:
            self.deadline = self._server.now() + self._server.limits.linger_seconds
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self._transport.close()

    def _head_too_large(self) -> Refused:
        limit = self._server.limits.max_head_bytes
        return Refused(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", f"the head has more than {limit} bytes"
        )

    def _too_large(self) -> Refused:
        return Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_large",
            f"the body has more than {self._server.limits.max_body_bytes} bytes: send fewer rows",
        )

    def _read_past(self, size: int) -> None:
        self._lingered += size
        if self._lingered > self._server.limits.linger_bytes:
            self._transport.close()
