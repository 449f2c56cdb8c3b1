"""What a route gets and gives: a request with its whole body, a response, and the refusal that becomes one.

Routes are plain functions of a request. Reading the body within its limits, timing, logging and counting are the
server's work; a route runs on the event loop and must not wait for anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

from contract import service

Headers = list[tuple[bytes, bytes]]

JSON_TYPE = b"application/json"
REQUEST_ID_HEADER = service.REQUEST_ID_HEADER.lower().encode()
MODEL_VERSION_HEADER = service.MODEL_VERSION_HEADER.lower().encode()

_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
# W3C Trace Context, `traceparent`: version, trace id, parent id, flags.
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")


class Request:
    """One whole request. Header names are lower-case; `parameters` are the named parts of a route's path."""

    __slots__ = (
        "_request_id",
        "body",
        "headers",
        "method",
        "model_version",
        "parameters",
        "path",
        "query",
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
        self._request_id: str | None = None

    @property
    def request_id(self) -> str:
        """The caller's own id where it is well-formed, otherwise one made here."""
        if self._request_id is None:
            given = self.headers.get(REQUEST_ID_HEADER, b"")
            self._request_id = given.decode() if _REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        return self._request_id

    @property
    def trace_id(self) -> str | None:
        trace = _TRACEPARENT.fullmatch(self.headers.get(b"traceparent", b""))
        return trace[1].decode() if trace else None


class Response(NamedTuple):
    """An answer; `headers` beyond content type and length, which the server writes."""

    status: int
    body: bytes
    headers: Headers
    content_type: bytes = JSON_TYPE


Route = Callable[[Request], Response]
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
