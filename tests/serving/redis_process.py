"""A real redis-server on a free loopback port, and a stand-in that answers what a test wants; both bounded in time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
import redis
import uvloop

PASSWORD = "correct-horse-7f3a"
PATIENCE_SECONDS = 20

T = TypeVar("T")


def need_redis_server() -> str:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed (apt-get install redis-server)")
    return program


class RedisServer:
    """Keeps nothing on disk; `settings` are lines of its configuration besides the usual ones."""

    def __init__(self, program: str, *settings: str, port_setting: str = "port") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        listen = [f"{port_setting} {self.port}"] + (["port 0"] if port_setting != "port" else [])
        lines = ["bind 127.0.0.1", 'save ""', f"requirepass {PASSWORD}", *listen, *settings]
        self._program = program
        self._configuration = "\n".join(lines)
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(self._configuration)
        self._process.stdin.close()
        said = ""
        for line in self._process.stdout:
            said += line
            if "Ready to accept connections" in line:
                return
        self.kill()
        raise AssertionError(f"redis-server did not start: {said}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def hang(self) -> None:
        """Connections are still taken, by the kernel; nothing is answered."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def client(self) -> Any:
        return redis.Redis(port=self.port, password=PASSWORD)


def run(scene: Coroutine[Any, Any, T]) -> T:
    """On the event loop that workers use."""

    async def bounded() -> T:
        return await asyncio.wait_for(scene, PATIENCE_SECONDS)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go on until it is so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "it never became so"
        await asyncio.sleep(0.001)


Answer = Callable[[bytes], bytes]


@asynccontextmanager
async def stand_in(answer: Answer, connected: Callable[[], None] = lambda: None) -> AsyncGenerator[int]:
    """The port of a server that answers each piece it reads with what `answer` makes of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected()
        while piece := await reader.read(65_536):
            writer.write(answer(piece))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def greeting(sent: bytes) -> bytes:
    """Of a server that takes everybody in and then serves nobody."""
    return b"+OK\r\n" if b"AUTH" in sent else b"+PONG\r\n" if b"PING" in sent else b""


async def seconds_of(awaitable: Awaitable[Any]) -> float:
    started = time.monotonic()
    await awaitable
    return time.monotonic() - started
