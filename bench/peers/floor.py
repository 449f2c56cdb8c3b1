"""The least HTTP server in Python that answers with the model: no routing, checks, limits, logs or drain.

It is no server to run; it says what a request costs before a server does anything for anybody.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import cast

import httptools
import msgspec
import uvloop

from bench.peers import session


class _Rows(msgspec.Struct):
    instances: list[list[float]]


class Connection(asyncio.Protocol):
    """One connection: every whole message is an answer."""

    def __init__(self) -> None:
        self._session = _SESSION
        self._decode = msgspec.json.Decoder(_Rows).decode
        self._encode = msgspec.json.Encoder().encode
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        label, probabilities = session.run(self._session, self._decode(self._body).instances)
        self._body = b""
        answer = self._encode({"label": label, "probabilities": probabilities})
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer)
        )


async def _serve() -> None:
    listener = socket.create_server((session.HOST, session.PORT), reuse_port=True, backlog=1024)
    server = await asyncio.get_running_loop().create_server(Connection, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    for _ in range(session.WORKERS - 1):
        # Before ONNX Runtime has threads that a fork would lose.
        if os.fork() == 0:
            break
    _SESSION = session.load()
    uvloop.run(_serve())
