"""The answers of one round of the event loop, sent together at its end.

Sent one by one, each wakes its reader while the next request is being computed, and where both share a processor, or
the reader serves many connections, the two push each other aside for every answer. See ADR 0006 for what that costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

HOLD_SECONDS = 0.001
"""How long the first answer of a round may be held for the others."""
HOLD_BYTES = 16_384
"""Larger answers are not held: they gain nothing, and whether their reader takes them has to be known."""


class Outbox:
    """What is to be written, in its order. Whoever closes a transport has it sent before."""

    __slots__ = ("_posted", "_send_by", "_soon")

    def __init__(self, soon: Callable[[Callable[[], None]], object]) -> None:
        """`soon` calls back at the end of the round."""
        self._soon = soon
        self._posted: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._send_by = 0.0

    def post(self, transport: asyncio.WriteTransport, data: bytes, now: float) -> None:
        """Have data written by the end of the round, one answer a reader; `now` is the monotonic time in seconds."""
        posted = self._posted
        if len(data) > HOLD_BYTES or (posted and posted[-1][0] is transport):
            # The next of a pipeline goes on only if the reader took the last.
            self.write(transport, data)
            return
        if not posted:
            self._send_by = now + HOLD_SECONDS
            self._soon(self.send)
        posted.append((transport, data))
        if now > self._send_by:
            self.send()

    def write(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Write at once, behind what was posted."""
        self.send()
        transport.write(data)

    def send(self) -> None:
        """Write what was posted, but to those who have hung up."""
        if not self._posted:
            return
        posted, self._posted = self._posted, []
        for transport, data in posted:
            if not transport.is_closing():
                transport.write(data)
