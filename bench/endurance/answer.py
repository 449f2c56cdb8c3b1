"""Reads from an answer's head what a load generator needs to know, and no more: it must cost less than the server."""

from __future__ import annotations

from typing import NamedTuple

_LENGTH = b"\r\ncontent-length:"
_NO_BODY = (204, 304)


class Head(NamedTuple):
    status: int
    body_bytes: int
    closes: bool
    """The server will not answer another request on this connection."""
    has_retry_after: bool


def read_head(head: bytes) -> Head:
    """Of an HTTP/1.1 answer, up to and without the empty line; raise ValueError for anything else."""
    if not head.startswith(b"HTTP/1.1 "):
        raise ValueError("no HTTP/1.1 status line")
    status = int(head[9:12])
    folded = head.lower()
    at = folded.find(_LENGTH)
    if at < 0 and status not in _NO_BODY:
        raise ValueError("an answer without Content-Length")
    length = int(folded[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return Head(status, length, b"\r\nconnection: close" in folded, b"\r\nretry-after:" in folded)
