"""Load at a fixed rate, whatever the server does: requests are due at their times and wait if no connection is free.

Latency counts from the time a request was due, so a server that stalls pays for everything it kept waiting. The wait
is bounded: beyond it, a request counts as unsent.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

import httptools
import uvloop

from bench.serving.statistics import percentile

MAX_CONNECTIONS = 256
MAX_WAITING_SECONDS = 2.0
"""Requests of this much time may wait for a free connection."""
LAST_ANSWERS_SECONDS = 10.0
REFUSALS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_CLOCK_MONOTONIC = 1
_TFD_NONBLOCK, _TFD_TIMER_ABSTIME = os.O_NONBLOCK, 1


@dataclass
class Arrivals:
    """What became of the requests of one run."""

    latencies_ms: list[float] = field(default_factory=list[float])
    """Of the requests answered 200."""
    refused: int = 0
    """Answered 429 or 503."""
    failed: Counter[str] = field(default_factory=Counter[str])
    """Anything else, by what happened."""
    seconds: float = 0.0

    @property
    def errors(self) -> int:
        return self.failed.total()

    @property
    def answered_per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: float) -> float | None:
        return percentile(sorted(self.latencies_ms), percent) if self.latencies_ms else None


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Metronome:
    """A file descriptor that counts the beats of a fixed rate: the event loop's own timers are exact to 1 ms only."""

    def __init__(self, per_second: int, first: float) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK)
        beats = _Itimerspec(_timespec(1 / per_second), _timespec(first))
        if self.fd < 0 or self._libc.timerfd_settime(self.fd, _TFD_TIMER_ABSTIME, ctypes.byref(beats), None) != 0:
            raise OSError(ctypes.get_errno(), f"no timer at {per_second} beats a second")

    def beats(self) -> int:
        """How many have passed since the last look."""
        try:
            return int.from_bytes(os.read(self.fd, 8), "little")
        except BlockingIOError:
            return 0

    def close(self) -> None:
        os.close(self.fd)


class _Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._parser = httptools.HttpResponseParser(self)
        self._due: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, due: float) -> None:
        self._due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_complete(self) -> None:
        due, self._due = self._due, None
        if due is not None:
            self._client.answered(self._parser.get_status_code(), due)
        if self._parser.should_keep_alive():
            self._client.free(self)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.lost(self, under_way=self._due is not None)

    def close(self) -> None:
        self._transport.close()


class _Client:
    def __init__(self, port: int, requests: Sequence[bytes], *, per_second: int, connections: int) -> None:
        self.arrivals = Arrivals()
        self._port = port
        self._requests = requests
        self._per_second = per_second
        self._connections = connections
        self._idle: deque[_Connection] = deque()
        self._live: set[_Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._over = False
        self._waiting: deque[float] = deque()
        self._sent = 0
        self._pending = 0
        self._all_answered = asyncio.Event()

    async def run(self, seconds: float) -> Arrivals:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(self._connect() for _ in range(self._connections)))
        total = int(seconds * self._per_second)
        began = time.monotonic() + 0.05
        metronome = Metronome(self._per_second, began)
        last_beat = asyncio.Event()
        count = 0

        def beat() -> None:
            nonlocal count
            for _ in range(min(metronome.beats(), total - count)):
                self._arrive(began + count / self._per_second)
                count += 1
            if count == total:
                last_beat.set()

        loop.add_reader(metronome.fd, beat)
        try:
            await last_beat.wait()
        finally:
            loop.remove_reader(metronome.fd)
            metronome.close()
        if self._pending:
            try:
                await asyncio.wait_for(self._all_answered.wait(), LAST_ANSWERS_SECONDS)
            except TimeoutError:
                self.arrivals.failed["unanswered"] += self._pending
        self._over = True
        self.arrivals.seconds = max(seconds, time.monotonic() - began)
        for connection in self._live:
            connection.close()
        return self.arrivals

    def _arrive(self, due: float) -> None:
        self._all_answered.clear()
        if self._idle:
            self._pending += 1
            self._send(self._idle.popleft(), due)
        elif len(self._waiting) < MAX_WAITING_SECONDS * self._per_second:
            self._pending += 1
            self._waiting.append(due)
        else:
            self.arrivals.failed["unsent"] += 1

    def _send(self, connection: _Connection, due: float) -> None:
        self._sent += 1
        connection.send(self._requests[self._sent % len(self._requests)], due)

    def answered(self, status: int, due: float) -> None:
        if status == HTTPStatus.OK:
            self.arrivals.latencies_ms.append((time.monotonic() - due) * 1000)
        elif status in REFUSALS:
            self.arrivals.refused += 1
        else:
            self.arrivals.failed[f"status {status}"] += 1
        self._settled()

    def free(self, connection: _Connection) -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def lost(self, connection: _Connection, *, under_way: bool) -> None:
        self._live.discard(connection)
        if self._over:
            return
        if connection in self._idle:
            self._idle.remove(connection)
        if under_way:
            self.arrivals.failed["connection lost"] += 1
            self._settled()
        task = asyncio.get_running_loop().create_task(self._connect())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def _settled(self) -> None:
        self._pending -= 1
        if self._pending == 0:
            self._all_answered.set()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._port)
        except OSError:
            self.arrivals.failed["connection refused"] += 1
            return
        self._live.add(connection)
        self.free(connection)


def http_request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """The bytes of one request, as they go on the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def run(port: int, requests: Sequence[bytes], *, per_second: int, seconds: float, connections: int) -> Arrivals:
    """Send the requests in turn to the port of this machine, `per_second` of them, and wait for the last answers."""
    count = min(connections, MAX_CONNECTIONS)

    async def main() -> Arrivals:
        return await _Client(port, requests, per_second=per_second, connections=count).run(seconds)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def _timespec(seconds: float) -> _Timespec:
    whole = int(seconds)
    return _Timespec(whole, round((seconds - whole) * 1e9))
