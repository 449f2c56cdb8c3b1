"""One call from its metadata to its status: recorded, timed, counted and logged like a request over HTTP.

What answers it is a function of a `Call` that raises Refused, as a route does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext
from http import HTTPStatus
from time import monotonic
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar, cast

from google.protobuf.message import DecodeError
from grpc import StatusCode

from serving.engine import refusals
from serving.engine.server import CLIENT_CLOSED_REQUEST, Observer
from serving.messages import MODEL_VERSION_HEADER, REQUEST_ID_HEADER, Refused, Request
from serving.oip.datatypes import bad_request
from serving.tracing.span import Span, active

logger = logging.getLogger(__name__)

Trailers = list[tuple[str, str]]
Trace = Callable[[Mapping[bytes, bytes]], Span | None]

# As the statuses of google.rpc.Code are described, where one of them says the same; others are the client's mistake
# below 500 and the server's from there.
_CODES: Mapping[HTTPStatus, StatusCode] = {
    HTTPStatus.BAD_REQUEST: StatusCode.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: StatusCode.UNAUTHENTICATED,
    HTTPStatus.FORBIDDEN: StatusCode.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: StatusCode.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT: StatusCode.DEADLINE_EXCEEDED,
    HTTPStatus.CONFLICT: StatusCode.FAILED_PRECONDITION,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.TOO_MANY_REQUESTS: StatusCode.RESOURCE_EXHAUSTED,
    HTTPStatus.NOT_IMPLEMENTED: StatusCode.UNIMPLEMENTED,
    HTTPStatus.BAD_GATEWAY: StatusCode.UNAVAILABLE,
    HTTPStatus.SERVICE_UNAVAILABLE: StatusCode.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: StatusCode.DEADLINE_EXCEEDED,
}


class Message(Protocol):
    """What is used of a generated message's class."""

    @classmethod
    def FromString(cls, s: bytes) -> Self: ...

    def SerializeToString(self) -> bytes: ...


M = TypeVar("M", bound=Message)
A = TypeVar("A")


class Call(Request, Generic[M]):
    """A request whose body is a message."""

    __slots__ = ("message",)

    def __init__(self, path: str, metadata: Iterable[tuple[str, str | bytes]]) -> None:
        headers: dict[bytes, bytes] = {}
        for name, value in metadata:
            # Keys that end in "-bin" hold bytes, and nothing of ours does.
            if isinstance(value, str):
                key, data = name.encode(), value.encode()
                headers[key] = headers[key] + b", " + data if key in headers else data
        super().__init__("POST", path, headers)
        self.route = path
        self.message = cast(M, None)

    def read(self, data: bytes, kind: type[M]) -> None:
        """Raise Refused where the bytes are no such message."""
        try:
            self.message = kind.FromString(data)
        except DecodeError:
            raise bad_request(f"the call's bytes are no {kind.__name__}") from None


Act = Callable[["Call[M]"], A | Awaitable[A]]


class Outcome(NamedTuple, Generic[A]):
    """What became of a call: an answer, or a refusal."""

    answer: A | None
    refused: Refused | None
    trailers: Trailers

    @property
    def code(self) -> StatusCode:
        return StatusCode.OK if self.refused is None else code_of(self.refused.status)

    @property
    def message(self) -> str:
        return "" if self.refused is None else self.refused.message


class Caller:
    """Runs calls on the event loop; nothing that one does gets past here but its being cancelled."""

    def __init__(self, observe: Observer, trace: Trace | None, *, answer_timeout_seconds: float) -> None:
        self._observe = observe
        self._trace = trace
        self._answer_timeout_seconds = answer_timeout_seconds

    async def run(self, call: Call[M], data: bytes, kind: type[M], act: Act[M, A]) -> Outcome[A]:
        started = monotonic()
        span = self._trace(call.headers) if self._trace is not None else None
        if span is not None:
            call.span = span
            call.answer_lines += span.answer_line
        answer, refused = None, None
        try:
            with active(span) if span is not None else _NO_SPAN:
                call.read(data, kind)
                given = act(call)
                answer = await self._in_time(cast("Awaitable[A]", given)) if isinstance(given, Awaitable) else given
        except asyncio.CancelledError:
            self._observe(call, call.route, CLIENT_CLOSED_REQUEST, "client_closed_request", monotonic() - started)
            raise
        except Exception as error:
            refused = self._refusal(call, error)
            call.code = refused.code
        status = HTTPStatus.OK if refused is None else refused.status
        trailers = _trailers(call, refused)
        self._observe(call, call.route, status, call.code, monotonic() - started)
        return Outcome(answer, refused, trailers)

    async def _in_time(self, given: Awaitable[A]) -> A:
        deadline = asyncio.timeout(self._answer_timeout_seconds)
        try:
            async with deadline:
                return await given
        except TimeoutError:
            if deadline.expired():
                raise refusals.unanswered() from None
            raise

    def _refusal(self, call: Request, error: Exception) -> Refused:
        if isinstance(error, Refused):
            return error
        logger.error(
            "%s failed",
            call.route,
            exc_info=error,
            extra={"request_id": call.request_id, "model_version": call.model_version},
        )
        return refusals.internal()


_NO_SPAN = nullcontext()


def code_of(status: int) -> StatusCode:
    known = _CODES.get(cast(Any, status))
    if known is not None:
        return known
    return StatusCode.INVALID_ARGUMENT if status < HTTPStatus.INTERNAL_SERVER_ERROR else StatusCode.INTERNAL


def _trailers(call: Request, refused: Refused | None) -> Trailers:
    """The headers of an answer over HTTP, as metadata after this one."""
    trailers = [(REQUEST_ID_HEADER.decode(), call.request_id)]
    if call.model_version is not None:
        trailers.append((MODEL_VERSION_HEADER.decode(), call.model_version))
    for line in call.answer_lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        trailers.append((name.decode(), value.decode()))
    if refused is not None:
        trailers += [(name.decode(), value.decode()) for name, value in refused.headers]
    return trailers
