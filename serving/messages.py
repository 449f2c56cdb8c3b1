"""What a route gets and gives: a request with its whole body, a response, and the refusal that becomes one.

Routes are plain functions of a request. Reading the body within its limits, timing, logging and counting are the
server's work. A route runs on the event loop: it answers at once, or hands back an awaitable for the answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from contract import service
from serving.tracing import context

if TYPE_CHECKING:
    from serving.tracing.span import Span

NO_ROUTE = "other"
"""How a request is counted whose path is no route: its own text is the client's."""

Headers = list[tuple[bytes, bytes]]

JSON_TYPE = b"application/json"
OK = 200
"""For what is answered often: a member of HTTPStatus takes a microsecond of Python to be looked up and hashed."""
REQUEST_ID_HEADER = service.REQUEST_ID_HEADER.lower().encode()
MODEL_VERSION_HEADER = service.MODEL_VERSION_HEADER.lower().encode()

_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
# Ids must differ, not be unpredictable. This generator is seeded anew in each forked worker.
_random_bits = random.getrandbits


class Request:
    """One whole request. Header names are lower-case; `parameters` are the named parts of a route's path."""

    __slots__ = (
        "_request_id",
        "answer_lines",
        "body",
        "code",
        "headers",
        "method",
        "model_version",
        "parameters",
        "path",
        "query",
        "route",
        "span",
    )

    def __init__(
        self, method: str, path: str, headers: dict[bytes, bytes], body: bytes = b"", query: bytes = b""
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.parameters: Mapping[str, str] = {}
        self.model_version: str | None = None
        """Set by the route that answers with a model."""
        self.answer_lines = b""
        """Header lines, each with its line end, of whatever answer this request gets."""
        self.route = NO_ROUTE
        """The path of its route with the parts unnamed: what it is counted as."""
        self.code = ""
        """Of its error, if it is answered with one."""
        self.span: Span | None = None
        """Where the request is recorded."""
        self._request_id: str | None = None

    @property
    def request_id(self) -> str:
        """The caller's own id where it is well-formed, otherwise one made here."""
        if self._request_id is None:
            given = self.headers.get(REQUEST_ID_HEADER)
            good = given is not None and _REQUEST_ID.fullmatch(given)
            self._request_id = given.decode() if given is not None and good else f"{_random_bits(128):032x}"
        return self._request_id

    @property
    def trace_id(self) -> str | None:
        """Of the trace that is recorded, otherwise of the caller's."""
        if self.span is not None:
            return self.span.trace_id
        given = self.headers.get(context.TRACEPARENT)
        parent = context.parse(given) if given is not None else None
        return parent.trace_id.decode() if parent is not None else None


class Response(NamedTuple):
    """An answer; `headers` beyond content type and length, which the server writes."""

    status: int
    body: bytes
    headers: Headers
    content_type: bytes = JSON_TYPE


Route = Callable[[Request], Response | Awaitable[Response]]
Routes = Mapping[str, Mapping[str, Route]]
"""Path to method to route. A path may hold named parts: `/v2/models/{name}/infer`."""


class Refused(Exception):
    """A request that gets an error answer: status, a code for programs, a message for people that quotes no value."""

    def __init__(
        self, status: HTTPStatus, code: str, message: str, *, field: str | None = None, headers: Headers | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = headers or []
