"""Heads of responses as bytes, with what can be made beforehand made beforehand."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from serving.messages import REQUEST_ID_HEADER, Response

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Clock:
    """The Date header, written anew once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._header = b""

    def header(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._header = b"date: " + formatdate(now, usegmt=True).encode() + b"\r\n"
        return self._header


def encode(response: Response, request_id: str, lines: bytes, date: bytes, *, close: bool, with_body: bool) -> bytes:
    """The whole response; `lines` holds further header lines, each with its line end."""
    status, body, headers, content_type = response
    if headers:
        lines += b"".join([b"%b: %b\r\n" % header for header in headers])
    if close:
        lines += b"connection: close\r\n"
    return b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b: %b\r\n%b\r\n%b" % (
        _STATUS_LINES[status],
        content_type,
        len(body),
        date,
        REQUEST_ID_HEADER,
        request_id.encode(),
        lines,
        body if with_body else b"",
    )
