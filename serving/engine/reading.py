"""One connection's bytes as whole requests: head and body put together, and refused as soon as they break a limit.

Answering, deadlines and the socket are the connection's.
"""

from __future__ import annotations

from time import monotonic
from typing import Protocol, cast

import httptools

from serving.engine import refusals
from serving.engine.framing import CONTINUE, Framing
from serving.engine.limits import Limits
from serving.messages import Request

_ONCE = frozenset({b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization", b"x-api-key"})
_METHODS = {b"GET": "GET", b"POST": "POST", b"HEAD": "HEAD"}


class Reader(Protocol):
    """Who is told of what was read."""

    ended: bool
    """Nothing more is answered, so nothing more is read."""

    def begins(self, now: float) -> None:
        """The first byte of a request is there."""
        ...

    def awaits_body(self, *, wants_leave: bool) -> None:
        """A head is there whose body follows; some clients wait for leave to send it."""
        ...

    def arrived(self, request: Request, started: float, *, keep: bool) -> None:
        """A request is whole; `keep` is whether the client will send more on this connection."""
        ...


class _NotRead(Exception):
    """More came behind the last request that is answered."""


class Reading:
    """The request that arrives. What is raised in the parser's callbacks ends the parsing of the connection."""

    __slots__ = (
        "_body",
        "_feed_bytes",
        "_framing",
        "_headers",
        "_held_bytes",
        "_limits",
        "_modern",
        "_offers",
        "_parser",
        "_parts",
        "_reader",
        "_repeated",
        "_request",
        "_url",
        "arriving",
        "started",
    )

    def __init__(self, reader: Reader, framing: Framing, limits: Limits) -> None:
        self._reader = reader
        self._framing = framing
        self._limits = limits
        self._parser = httptools.HttpRequestParser(self)
        self.arriving = False
        self.started = 0.0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._repeated = 0
        self._modern = True
        self._offers = False
        self._request: Request | None = None
        self._body = b""
        self._parts: bytearray | None = None
        self._feed_bytes = 0
        # Came since the parser last handed on a head or a part of a body.
        self._held_bytes = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Take in what came; raise Refused, or whatever else went wrong, after which there is nothing more to feed."""
        self._feed_bytes = size = len(data)
        self._held_bytes += size
        end_of_head = self._parse(data)
        if end_of_head is not None:
            self._parse_past_offers(data, end_of_head)
        if self._held_bytes > self._limits.max_head_bytes:
            # A head that has not ended yet, trailers, or chunks that hold next to no data.
            raise refusals.head_too_large(self._limits)

    def give_up(self) -> Request:
        """What is known of a request that is not read to its end."""
        request = self._request or Request("GET", self._url.partition(b"?")[0].decode("latin-1"), self._headers)
        self._let_go()
        return request

    def end(self) -> None:
        """Nothing more comes: without the ties to parser and reader, all three go as soon as nobody holds them."""
        self._let_go()
        self._parser = cast(httptools.HttpRequestParser, None)
        self._reader = cast(Reader, None)

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        if self._reader.ended:
            raise _NotRead
        self.arriving = True
        self.started = now = monotonic()
        self._url = b""
        self._repeated = 0
        self._reader.begins(now)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Called several times a request. What it takes in is bounded by the bytes of the head, counted as they come.
        key = name.lower()
        headers = self._headers
        # The parser leaves the blanks behind a value, which are no part of it.
        value = value.rstrip()
        headers[key] = self._joined(key, value) if key in headers else value

    def on_headers_complete(self) -> None:
        self._held_bytes = 0
        framing, headers = self._framing, self._headers
        method = self._parser.get_method()
        path, query = framing.target(self._url, method)
        self._request = Request(_METHODS.get(method) or method.decode("ascii"), path, headers, b"", query)
        if self._feed_bytes > self._limits.max_head_bytes:
            framing.check_size(self._url, headers)
        self._modern = framing.check(headers, self._parser)
        if method == b"CONNECT":
            raise refusals.tunnel()
        if b"upgrade" in headers:
            self._offers = self._parser.should_upgrade()
        if b"content-length" in headers:
            self._reader.awaits_body(wants_leave=self._wants_leave(headers))
        elif b"transfer-encoding" in headers:
            # Trailers are no headers (RFC 9110, 6.5.1): they are taken in here, and dropped.
            self._headers = {}
            self._reader.awaits_body(wants_leave=self._wants_leave(headers))

    def on_body(self, body: bytes) -> None:
        self._held_bytes = 0
        if not self._body:
            # Nearly always the whole of it.
            self._body = body
            size = len(body)
        else:
            if self._parts is None:
                self._parts = bytearray(self._body)
            self._parts += body
            size = len(self._parts)
        if size > self._limits.max_body_bytes:
            raise refusals.body_too_large(self._limits)

    def on_message_complete(self) -> None:
        if self._offers:
            # The head is, and the parser stops behind it.
            return
        request = cast(Request, self._request)
        request.body = self._body if self._parts is None else bytes(self._parts)
        self.arriving = False
        self._reader.arrived(request, self.started, keep=self._modern and self._parser.should_keep_alive())
        self._let_go()

    # Within

    def _let_go(self) -> None:
        """A connection that is idle holds on to nothing."""
        self._request = self._parts = None
        self._body = b""
        self._headers = {}

    def _wants_leave(self, headers: dict[bytes, bytes]) -> bool:
        # Of HTTP/1.0 the header is ignored (RFC 9110, 10.1.1).
        return b"expect" in headers and headers[b"expect"].lower() == CONTINUE and self._modern

    def _joined(self, key: bytes, value: bytes) -> bytes:
        """The value of a header that stands in the head again."""
        if self._request is not None:
            # A trailer, which is dropped.
            return value
        if key in _ONCE:
            # Two values of one of these would be read differently by whoever stands before this server.
            raise refusals.duplicate_header(key)
        self._repeated += 1
        if self._repeated > self._limits.max_headers:
            raise refusals.too_many_headers(self._limits)
        return self._headers[key] + b", " + value

    def _parse(self, data: bytes | memoryview) -> int | None:
        """Where a head ends that offers another protocol, behind which the parser has stopped."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            return cast(int, offer.args[0])
        except httptools.HttpParserError as error:
            self._raise(error)
        return None

    def _parse_past_offers(self, data: bytes | memoryview, end_of_head: int | None) -> None:
        """Go on in HTTP/1.1 behind the offer, which a server need not take up."""
        rest = memoryview(data)
        while end_of_head is not None:
            rest = rest[end_of_head:]
            self._decline()
            end_of_head = self._parse(rest)

    def _decline(self) -> None:
        """Have the body read that the parser left out, as it took what comes for the other protocol."""
        self._offers = False
        headers = cast(Request, self._request).headers
        body = [name for name in (b"content-length", b"transfer-encoding") if name in headers]
        if not body:
            self.on_message_complete()
            return
        lines = [b"%b: %b" % (name, headers[name]) for name in body]
        if not self._parser.should_keep_alive():
            lines.append(b"connection: close")
        self._parser = httptools.HttpRequestParser(_Behind(self))
        self._parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *lines, b"", b""]))

    def _raise(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and isinstance(cause, Exception):
            # Raised in here, where the parser called.
            if not isinstance(cause, _NotRead):
                raise cause
        elif not self._reader.ended:
            raise refusals.invalid_http() from None


class _Behind:
    """A parser's callbacks behind a head that was read already: the next one stands for it, and is passed over."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._read_already = True
        self.on_body = reading.on_body
        self.on_message_complete = reading.on_message_complete

    def on_message_begin(self) -> None:
        if not self._read_already:
            self._reading.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._read_already:
            self._reading.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._read_already:
            self._reading.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._read_already:
            self._reading.on_headers_complete()
        self._read_already = False
