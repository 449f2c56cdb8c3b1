"""The hard way to end a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

# On, and for no time.
_NO_LINGER = struct.pack("ii", 1, 0)


def reset(transport: asyncio.Transport) -> None:
    """Drop what was written: of a closed connection it would stay in the system's memory till the client reads it."""
    with contextlib.suppress(OSError):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
