"""Takes the connections that wait at a listening socket, many in a turn of the event loop.

libuv takes one in a turn (libuv pull request 3696). Turns last long while a worker has much to do, so new clients would
queue for seconds at the socket, where no measure of the worker's load sees them.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

logger = logging.getLogger(__name__)

BACKLOG = 2048
MOST_IN_A_TURN = 64
PAUSE_SECONDS = 0.5
"""After the system has refused a connection, for want of file descriptors for example."""


class Acceptor:
    """One listening socket on the running event loop."""

    def __init__(self, bound: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = bound
        self._protocol = protocol
        self._opening: set[asyncio.Task[None]] = set()
        self._resume: asyncio.TimerHandle | None = None
        bound.setblocking(False)
        bound.listen(BACKLOG)
        self._loop.add_reader(bound.fileno(), self._accept)

    async def close(self) -> None:
        """Take what has come, and listen no longer; returns once every connection has its protocol."""
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._socket.fileno())
        while self._accept():
            pass
        self._socket.close()
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept(self) -> bool:
        """Whether there may be more."""
        for _ in range(MOST_IN_A_TURN):
            try:
                accepted, _address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return False
            except OSError as error:
                logger.error("no connection can be taken for %.1f s: %s", PAUSE_SECONDS, error.strerror)
                self._loop.remove_reader(self._socket.fileno())
                self._resume = self._loop.call_later(PAUSE_SECONDS, self._listen_again)
                return False
            task = self._loop.create_task(self._open(accepted))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        return True

    def _listen_again(self) -> None:
        self._loop.add_reader(self._socket.fileno(), self._accept)

    async def _open(self, accepted: socket.socket) -> None:
        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._protocol, accepted)
        except OSError:
            # The client is gone already.
            accepted.close()
