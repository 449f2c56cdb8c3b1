"""The little of HTTP that the routes need, on the ASGI 3 interface: a request, a response, and a body within limits."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any, NamedTuple

from contract import service
from serving.wire import error_body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

CLOSE = (b"connection", b"close")
LINGER_SECONDS = 2
LINGER_BYTES = 16 * 1024 * 1024

JSON_TYPE = b"application/json"
REQUEST_ID_HEADER = service.REQUEST_ID_HEADER.lower().encode()
MODEL_VERSION_HEADER = service.MODEL_VERSION_HEADER.lower().encode()

_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
# W3C Trace Context, `traceparent`: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


class Disconnected(Exception):
    """The client went away before its body was whole: there is nobody to answer."""


class Refused(Exception):
    """A request that gets an error answer. `linger` tells that its body is still on the way and must be read past."""

    def __init__(
        self, status: HTTPStatus, code: str, message: str, *, headers: Headers | None = None, linger: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or []
        self.linger = linger


class Response(NamedTuple):
    status: int
    body: bytes
    headers: Headers
    content_type: bytes = JSON_TYPE


class Request:
    """One request: its headers by lower-case name, and who asked."""

    __slots__ = ("headers", "method", "model_version", "path", "receive", "request_id", "trace_id")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.receive = receive
        given = self.headers.get(REQUEST_ID_HEADER, b"")
        self.request_id = given.decode() if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        self.model_version: str | None = None
        """Set by the route that answers with a model."""
        trace = _TRACEPARENT.fullmatch(self.headers.get(b"traceparent", b""))
        self.trace_id = trace[1].decode() if trace else None


def require_json(request: Request) -> None:
    """Raise Refused unless the body is declared to be plain JSON in UTF-8."""
    media_type, _, parameters = request.headers.get(b"content-type", b"").lower().partition(b";")
    if media_type.strip() != JSON_TYPE or parameters.strip().replace(b'"', b"") not in (b"", b"charset=utf-8"):
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the header Content-Type: application/json",
        )
    if request.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "send the body without Content-Encoding"
        )


async def read_body(request: Request, *, max_bytes: int, timeout_seconds: float) -> bytes:
    """The whole body; raise Refused when it is too large or too slow, Disconnected when the client leaves."""
    if int(request.headers.get(b"content-length", b"0")) > max_bytes:
        raise _too_large(max_bytes, linger=True)
    chunks: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(timeout_seconds):
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Disconnected
                chunks.append(message["body"])
                size += len(chunks[-1])
                more = message["more_body"]
                if size > max_bytes:
                    raise _too_large(max_bytes, linger=more)
    except TimeoutError:
        raise Refused(
            HTTPStatus.REQUEST_TIMEOUT, "timeout", f"the body took longer than {timeout_seconds} s", headers=[CLOSE]
        ) from None
    return b"".join(chunks)


async def respond(send: Send, response: Response, *, read_past: Receive | None = None) -> None:
    """Send the response; with `read_past`, then take in what still comes of the body, up to a limit.

    A socket closed with unread bytes is reset, and a reset may reach the client before it has read the answer.
    """
    headers = [
        (b"content-type", response.content_type),
        (b"content-length", str(len(response.body)).encode()),
        *response.headers,
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body, "more_body": read_past is not None})
    if read_past is not None:
        await _discard(read_past)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def error_response(error: Refused) -> Response:
    return Response(error.status, error_body(error.code, error.message), error.headers)


async def _discard(receive: Receive) -> None:
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message["more_body"]:
                    return
                left -= len(message["body"])
    except TimeoutError:
        return


def _too_large(max_bytes: int, *, linger: bool) -> Refused:
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"the body has more than {max_bytes} bytes: send fewer rows",
        headers=[CLOSE],
        linger=linger,
    )
