"""The load generator: requests due at their times, or as fast as answers come, over many connections to some servers.

At a rate it is open-loop: a request that is due goes to a free connection, to one more, or waits a bounded time, and
its latency counts from when it was due. Every request's outcome goes to a journal.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from bench.endurance.answer import Head, read_head
from bench.endurance.journal import Fate, Journal, Outcome
from bench.serving.open_loop import LAST_ANSWERS_SECONDS, MAX_WAITING_SECONDS, Metronome
from localcloud.moto_server import HOST

OPENED_AT_ONCE = 100
"""Connections that are being made at the same time before the load: fewer than any server's backlog."""


class _Call(NamedTuple):
    due: float
    begun: float
    is_fresh: bool = False


@dataclass(eq=False)
class Pool:
    """The connections to one server."""

    port: int
    idle: deque[Connection] = field(default_factory=deque["Connection"])
    retired: bool = False
    """No more requests are for it."""

    def retire(self) -> None:
        self.retired = True
        for connection in list(self.idle):
            connection.close()


class Connection(asyncio.Protocol):
    """With at most one request under way."""

    def __init__(self, client: Client, pool: Pool, call: _Call | None, *, keep: bool) -> None:
        self.pool = pool
        self.call = call
        self.keep = keep
        self.client_port = 0
        self._client = client
        self._start = b""
        self._head: Head | None = None
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.client_port = int(transport.get_extra_info("sockname")[1])
        self._client.opened(self)
        if self.call is not None:
            self._transport.write(self._client.next_request())

    def ask(self, call: _Call) -> None:
        self.call = call
        self._transport.write(self._client.next_request())

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            self._start += data
            end = self._start.find(b"\r\n\r\n")
            if end < 0:
                return
            try:
                self._head = read_head(self._start[:end])
            except ValueError:
                self._end(Fate.NOT_HTTP)
                self.close()
                return
            self._missing = self._head.body_bytes - (len(self._start) - end - 4)
            self._start = b""
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._answered(self._head)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(Fate.LOST)
        self._client.lost(self)

    def close(self) -> None:
        self._transport.close()

    def give_up(self) -> None:
        self._end(Fate.UNANSWERED)
        self.close()

    def _answered(self, head: Head) -> None:
        self._head = None
        if self.call is None:
            # Nothing was asked: the server says why it ends the connection.
            self.close()
            return
        self._end(head.status, has_retry_after=head.has_retry_after)
        if self.keep and not head.closes and not self.pool.retired:
            self._client.freed(self)
        else:
            self.close()

    def _end(self, status: int, *, has_retry_after: bool = False) -> None:
        call, self.call = self.call, None
        if call is not None:
            self._client.ended(call, status, has_retry_after, self.client_port)


class Client:
    """Sends the requests in turn to the server that `pick` names each time; None when there is none to send to."""

    def __init__(
        self,
        requests: Sequence[bytes],
        pick: Callable[[], Pool | None],
        *,
        max_connections: int,
        fresh_percent: float = 0,
    ) -> None:
        """`fresh_percent` of the requests go each on a connection of its own, which ends after the answer."""
        self.journal = Journal()
        self.unasked = 0
        """Connections without a request under way that the server closed."""
        self._requests = requests
        self._pick = pick
        self._max_connections = max_connections
        self._fresh_every = round(100 / fresh_percent) if fresh_percent else 0
        self._sent = self._arrived = 0
        self._open: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._waiting: deque[_Call] = deque()
        self._pending = 0
        self._settled = asyncio.Event()
        self._again = False
        self._over = False

    async def open(self, pool: Pool, count: int) -> None:
        """Make idle connections; raise OSError when one is refused."""
        for first in range(0, count, OPENED_AT_ONCE):
            made = (self._connect(pool, None, keep=True) for _ in range(min(OPENED_AT_ONCE, count - first)))
            await asyncio.gather(*made)

    @asynccontextmanager
    async def arrivals(self, per_second: int, began: float) -> AsyncGenerator[None]:
        """While the block runs, requests are due `per_second` times a second, the first of them at `began`."""
        loop = asyncio.get_running_loop()
        metronome = Metronome(per_second, began)
        count = 0

        def beat() -> None:
            nonlocal count
            for _ in range(metronome.beats()):
                self._arrive(began + count / per_second)
                count += 1

        loop.add_reader(metronome.fd, beat)
        try:
            yield
        finally:
            loop.remove_reader(metronome.fd)
            metronome.close()

    async def closed_loop(self, seconds: float) -> None:
        """Send on every idle connection, and again on each answer, for so long."""
        self._again = True
        now = time.monotonic()
        pool = self._pick()
        while pool is not None and pool.idle:
            self._begin(pool.idle.popleft(), _Call(now, now))
        await asyncio.sleep(seconds)
        self._again = False

    async def finish(self) -> Journal:
        """Wait for the last answers, and close every connection."""
        self._check_settled()
        try:
            async with asyncio.timeout(LAST_ANSWERS_SECONDS):
                await self._settled.wait()
        except TimeoutError:
            for task in list(self._opening):
                task.cancel()
            await asyncio.gather(*self._opening, return_exceptions=True)
        self._over = True
        while self._waiting:
            self.ended(self._waiting.popleft(), Fate.UNSENT, False, 0)
        for connection in list(self._open):
            connection.give_up()
        return self.journal

    def next_request(self) -> bytes:
        self._sent += 1
        return self._requests[self._sent % len(self._requests)]

    # What a connection tells it

    def opened(self, connection: Connection) -> None:
        self._open.add(connection)
        if connection.call is None:
            connection.pool.idle.append(connection)

    def ended(self, call: _Call, status: int, has_retry_after: bool, client_port: int) -> None:
        now = time.monotonic()
        self.journal.add(Outcome(call.due, call.begun, now, status, has_retry_after, client_port, call.is_fresh))
        self._pending -= 1
        self._check_settled()

    def freed(self, connection: Connection) -> None:
        if self._again:
            now = time.monotonic()
            self._begin(connection, _Call(now, now))
            return
        oldest_due = time.monotonic() - MAX_WAITING_SECONDS
        while self._waiting:
            call = self._waiting.popleft()
            if call.due >= oldest_due:
                connection.ask(call)
                return
            self.ended(call, Fate.UNSENT, False, 0)
        connection.pool.idle.append(connection)

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in connection.pool.idle:
            connection.pool.idle.remove(connection)
            self.unasked += not self._over and not connection.pool.retired

    # Within

    def _arrive(self, due: float) -> None:
        call = _Call(due, time.monotonic())
        self._arrived += 1
        pool = self._pick()
        if pool is None:
            self._pending += 1
            self.ended(call, Fate.NO_TARGET, False, 0)
        elif self._fresh_every and self._arrived % self._fresh_every == 0:
            self._begin_on_new(pool, call, keep=False)
        elif pool.idle:
            self._begin(pool.idle.popleft(), call)
        elif len(self._open) + len(self._opening) < self._max_connections:
            self._begin_on_new(pool, call, keep=True)
        else:
            self._pending += 1
            self._waiting.append(call)

    def _begin(self, connection: Connection, call: _Call) -> None:
        self._pending += 1
        connection.ask(call)

    def _begin_on_new(self, pool: Pool, call: _Call, *, keep: bool) -> None:
        self._pending += 1
        task = asyncio.get_running_loop().create_task(self._connect(pool, call._replace(is_fresh=True), keep=keep))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, pool: Pool, call: _Call | None, *, keep: bool) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Connection(self, pool, call, keep=keep), HOST, pool.port)
        except OSError:
            if call is None:
                raise
            self.ended(call, Fate.NO_CONNECTION, False, 0)
            return
        except asyncio.CancelledError:
            if call is not None:
                self.ended(call, Fate.UNANSWERED, False, 0)
            raise

    def _check_settled(self) -> None:
        if self._pending == 0:
            self._settled.set()
        else:
            self._settled.clear()
