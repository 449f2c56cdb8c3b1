"""The collector's address: one connection that is kept, a request at a time, and what its answers mean."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import NamedTuple
from urllib.parse import urlsplit

from serving.tracing import otlp
from serving.tracing.settings import TracingSettings

# The answers after which OTLP says to send again; after any other the same bytes would do no better.
RETRYABLE = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
LARGEST_ANSWER_BYTES = 65_536


class Answer(NamedTuple):
    """What came of one attempt."""

    taken: bool
    again: bool
    """Whether a later attempt may do better."""
    rejected: int = 0
    """Spans of those sent that the collector did not take."""
    wait_seconds: float = 0
    """How long it asks to be left alone."""
    said: str = ""
    """For the log."""


class Collector:
    """Sends bodies to one URL. For one thread."""

    def __init__(self, settings: TracingSettings) -> None:
        parts = urlsplit(settings.endpoint)
        self.place = parts.netloc
        """Host and port, for the log."""
        self._host = parts.hostname or ""
        self._port = parts.port
        self._path = parts.path or "/"
        self._headers: Mapping[str, str] = {
            **dict(settings.headers),
            "Content-Type": otlp.CONTENT_TYPE,
            "User-Agent": "serveml",
        }
        self._tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._tls = ssl.create_default_context(
                cafile=str(settings.certificate) if settings.certificate is not None else None
            )
        self._connection: HTTPConnection | None = None

    def send(self, body: bytes, timeout_seconds: float) -> Answer:
        """One attempt; the timeout is for each step of it. Never raises for what the other side does."""
        kept = self._connection is not None
        try:
            return self._send(body, timeout_seconds)
        except ConnectionError as error:
            self.close()
            if not kept:
                return _away(error)
        except (OSError, HTTPException) as error:
            self.close()
            return _away(error)
        # A connection that was kept may have been closed by the other side meanwhile, which says nothing about it.
        try:
            return self._send(body, timeout_seconds)
        except (OSError, HTTPException) as error:
            self.close()
            return _away(error)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, body: bytes, timeout_seconds: float) -> Answer:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(timeout_seconds)
        connection.timeout = timeout_seconds
        if connection.sock is not None:
            connection.sock.settimeout(timeout_seconds)
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        answered = response.read(LARGEST_ANSWER_BYTES)
        if not response.isclosed():
            # It goes on: reading it all would be up to the other side.
            self.close()
        return _meaning(response, answered)

    def _connect(self, timeout_seconds: float) -> HTTPConnection:
        if self._tls is not None:
            return HTTPSConnection(self._host, self._port, timeout=timeout_seconds, context=self._tls)
        return HTTPConnection(self._host, self._port, timeout=timeout_seconds)


def _meaning(response: HTTPResponse, body: bytes) -> Answer:
    said = f"answered {response.status}"
    if response.status == HTTPStatus.OK:
        rejected = otlp.rejected_spans(body)
        return Answer(True, False, rejected, said=f"rejected {rejected} spans" if rejected else "")
    if response.status not in RETRYABLE:
        return Answer(False, False, said=said)
    asked = response.headers.get("Retry-After", "")
    # It may also be a date, which the pauses of our own will do for.
    seconds = float(asked) if asked.isascii() and asked.isdigit() else 0.0
    return Answer(False, True, wait_seconds=seconds, said=said)


def _away(error: Exception) -> Answer:
    # By its class: a message may quote what was sent.
    return Answer(False, True, said=f"cannot be reached ({type(error).__name__})")
