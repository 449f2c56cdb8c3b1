"""A Redis that all pods share, over one connection of each worker, and passed by whenever anything is wrong with it.

Requests never wait for a connection: one task makes it, and until then, and from the first failure on, everybody is
passed by at once. What requests ask during one exchange goes out together in the next, reads as one MGET.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from redis.asyncio import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, InvalidResponse, OutOfMemoryError, RedisError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

from serving.cache.sealed import seal, unseal
from serving.cache.settings import RedisSettings
from serving.cache.store import MISSED, PASSED_BY, Lookup
from serving.patience import answered_within

logger = logging.getLogger(__name__)

PREFIX = b"serveml:"
CONNECT_SECONDS = 2.0
SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 10.0
JITTER = 0.5

READS_AT_ONCE = 64
"""In one exchange, and waiting for the next: so nobody waits for more than two."""
LARGEST_VALUE_BYTES = 65_536
WRITES_AT_ONCE_BYTES = 262_144
WRITES_WAITING_BYTES = 1_048_576


class _Read(NamedTuple):
    name: bytes
    asked: asyncio.Future[Lookup]


class _Write(NamedTuple):
    name: bytes
    value: bytes
    milliseconds: int


class RedisStore:
    """For one event loop: `start` and `close` on it."""

    def __init__(self, settings: RedisSettings, *, wall: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._timeout_seconds = settings.timeout_ms / 1000
        self._wall = wall
        self._connection = _connection(settings)
        self._task: asyncio.Task[None] | None = None
        self._reads: deque[_Read] = deque()
        self._writes: deque[_Write] = deque()
        self._write_bytes = 0
        self._work = asyncio.Event()
        self._failures = 0
        self._said_up: bool | None = None
        self.up = False
        """Whether it is asked at present."""

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Hang up; whoever waits is passed by, and what was not written yet is not written."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    def get(self, name: bytes) -> Awaitable[Lookup] | None:
        if not self.up or len(self._reads) >= READS_AT_ONCE:
            return None
        asked: asyncio.Future[Lookup] = asyncio.get_running_loop().create_future()
        self._reads.append(_Read(PREFIX + name, asked))
        self._work.set()
        return asked

    def put(self, name: bytes, payload: bytes, seconds: float) -> bool:
        if not self.up or len(payload) > LARGEST_VALUE_BYTES or self._write_bytes > WRITES_WAITING_BYTES:
            return False
        name = PREFIX + name
        value = seal(name, payload, self._wall() + seconds)
        self._writes.append(_Write(name, value, max(1, int(seconds * 1000))))
        self._write_bytes += len(value)
        self._work.set()
        return True

    async def _run(self) -> None:
        while True:
            try:
                await self._connect()
                self._say_up()
                self.up = True
                while True:
                    await self._work.wait()
                    await self._exchange()
                    # Only now: a server that greets and then does not answer is asked more and more seldom.
                    self._failures = 0
            except Exception as error:
                # Whatever it was: this task must live on, and a cache is no reason to fail.
                self._say_down(error)
            finally:
                self.up = False
                self._forget_waiting()
                with contextlib.suppress(Exception):
                    await self._connection.disconnect(nowait=True)
            await asyncio.sleep(self._pause_seconds())

    async def _connect(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            await self._connection.connect()
            await self._connection.send_command("PING", check_health=False)
            if await self._reply() != b"PONG":
                raise InvalidResponse

    async def _exchange(self) -> None:
        """Send what waits and hand out what comes; raise whatever went wrong, after passing the readers by."""
        reads = [self._reads.popleft() for _ in range(len(self._reads))]
        writes: list[_Write] = []
        size_bytes = 0
        while self._writes and size_bytes < WRITES_AT_ONCE_BYTES:
            writes.append(self._writes.popleft())
            size_bytes += len(writes[-1].value)
        self._write_bytes -= size_bytes
        if not self._writes:
            self._work.clear()
        commands: list[tuple[bytes | int, ...]] = [(b"MGET", *(read.name for read in reads))] if reads else []
        commands += [(b"SET", write.name, write.value, b"PX", write.milliseconds) for write in writes]
        try:
            async with answered_within(self._timeout_seconds):
                await self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
                if reads:
                    self._hand_out(reads, await self._reply())
                for _ in writes:
                    # A full Redis still answers reads.
                    with contextlib.suppress(OutOfMemoryError):
                        await self._reply()
        finally:
            _pass_by(reads)

    async def _reply(self) -> object:
        return cast(object, await self._connection.read_response())

    def _hand_out(self, reads: list[_Read], values: object) -> None:
        if not isinstance(values, list) or len(cast("list[object]", values)) != len(reads):
            raise InvalidResponse
        now = self._wall()
        for read, value in zip(reads, cast("list[object]", values), strict=True):
            if not read.asked.done():
                found = unseal(read.name, value, now)
                read.asked.set_result(MISSED if found is None else Lookup(found))

    def _forget_waiting(self) -> None:
        _pass_by(self._reads)
        self._reads.clear()
        self._writes.clear()
        self._write_bytes = 0
        self._work.clear()

    def _pause_seconds(self) -> float:
        # The exponent has a bound of its own: two to the power of a week's failures is no float.
        pause = min(LONGEST_PAUSE_SECONDS, SHORTEST_PAUSE_SECONDS * 2 ** min(self._failures, 16))
        self._failures += 1
        return pause * random.uniform(1 - JITTER, 1 + JITTER)

    def _say_up(self) -> None:
        if self._said_up is not True:
            level = logging.INFO if self._said_up is None else logging.WARNING
            logger.log(level, "Redis at %s:%d is in use", self._settings.host, self._settings.port)
        self._said_up = True

    def _say_down(self, error: Exception) -> None:
        if self._said_up is not False:
            where = self._settings
            logger.warning("Redis at %s:%d is passed by: %s", where.host, where.port, _reason(error))
        self._said_up = False


class _PasswordFile(CredentialProvider):
    """Reads the password when a connection is made, so that a rotated one counts from the next on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_credentials(self) -> tuple[str]:
        return (self._path.read_text().strip(),)

    async def get_credentials_async(self) -> tuple[str]:
        return self.get_credentials()


def _connection(settings: RedisSettings) -> Connection:
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "db": settings.database,
        # RESP2 needs no handshake beyond AUTH.
        "protocol": 2,
        "driver_info": None,
        # The limits on time are set here, around whole exchanges.
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
    }
    if settings.password_file is not None:
        options["credential_provider"] = _PasswordFile(settings.password_file)
    if not settings.tls:
        return Connection(**options)
    ca_file = None if settings.ca_file is None else str(settings.ca_file)
    return SSLConnection(ssl_ca_certs=ca_file, ssl_min_version=ssl.TLSVersion.TLSv1_2, **options)


def _pass_by(reads: list[_Read] | deque[_Read]) -> None:
    for read in reads:
        if not read.asked.done():
            read.asked.set_result(PASSED_BY)


def _reason(error: Exception) -> str:
    """In our words: a server's own message may quote what it was sent, the password among it."""
    if isinstance(error, AuthenticationError):
        return "it refuses the password, or wants one"
    if isinstance(error, TimeoutError | NoAnswer):
        return "no answer in time"
    if isinstance(error, NoConnection | OSError):
        cause = error.__context__ or error
        return f"no connection ({type(cause).__name__})"
    word = "it answers" if isinstance(error, RedisError) else "it cannot be used:"
    return f"{word} {type(error).__name__}"
