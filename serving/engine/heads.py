"""Heads of responses as bytes, with what can be made beforehand made beforehand."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

from serving.messages import Response

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


def encode(response: Response, extra: bytes, date: bytes, *, close: bool, with_body: bool) -> bytes:
    """The whole response; `extra` holds further header lines, each with its line end."""
    headers = b"".join([b"%b: %b\r\n" % header for header in response.headers]) if response.headers else b""
    return b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b%b%b\r\n%b" % (
        _STATUS_LINES[response.status],
        response.content_type,
        len(response.body),
        date,
        headers,
        extra,
        b"connection: close\r\n" if close else b"",
        response.body if with_body else b"",
    )
