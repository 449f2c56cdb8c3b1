"""How much of everything one client may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    max_body_bytes: int
    max_head_bytes: int = 32_768
    """Request line and headers together, and whatever a chunked body holds between two pieces of data."""
    max_headers: int = 100
    head_timeout_seconds: float = 10
    """From a request's first byte to the end of its headers."""
    body_timeout_seconds: float
    """From a request's first byte to the end of its body; also how long a client may take to read answers."""
    answer_timeout_seconds: float = 30
    """How long a route may take that does not answer at once."""
    keep_alive_seconds: float
    """How long an idle connection is kept."""
    linger_seconds: float = 2
    """How long the rest of a refused body is read past, so that the client gets the answer and not a reset."""
    linger_bytes: int = 16 * 1024 * 1024
    max_connections: int = 4096
    """Connections of one worker; more are answered 503 and closed."""
