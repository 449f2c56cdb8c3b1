"""One connection of the engine without a socket: bytes in, and the requests that it would have handed to routes out.

The same bytes are also given to h11. Where both read a request, it must be the same one: else somebody who stands
before this server, and reads like h11, could be told one thing and this server another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple, cast

import h11

from serving.engine.connection import Connection
from serving.engine.framing import Framing
from serving.engine.limits import Limits
from serving.engine.outbox import Outbox
from serving.messages import Refused, Request, Response

# So large that no limit depends on how the bytes were cut.
_LIMITS = Limits(max_body_bytes=1 << 16, max_head_bytes=1 << 20, body_timeout_seconds=60, keep_alive_seconds=60)


class Seen(NamedTuple):
    """A request as it was read."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Exchange:
    """What came of a connection: the requests it answered, and the status it ended with if it refused one."""

    limits = _LIMITS
    draining = False

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.framing = Framing(_LIMITS)
        self.requests: list[Seen] = []
        self.refused: int | None = None
        self._later: list[Callable[[], None]] = []
        self.outbox = Outbox(self._later.append)
        connection = Connection(self)
        transport = _Transport()
        connection.connection_made(cast(asyncio.Transport, transport))
        for part in parts:
            if not transport.closed:
                connection.data_received(part)
            while self._later:
                self._later.pop()()
        connection.connection_lost(None)

    # What the connection asks of its server

    def admit(self, connection: Connection) -> bool:
        return True

    def forget(self, connection: Connection) -> None:
        pass

    def answer(self, request: Request) -> Response:
        assert self.refused is None, "a request was answered behind one that was refused"
        target = request.path + ("?" + request.query.decode("latin-1") if request.query else "")
        self.requests.append(Seen(request.method, target, tuple(request.headers.items()), request.body))
        return Response(HTTPStatus.OK, b"", [])

    def outcome(self, request: Request, answered: asyncio.Future[Response]) -> Response:
        return answered.result()

    def encode(self, request: Request, response: Response, started: float, *, close: bool) -> bytes:
        return b""

    def refuse(self, request: Request, error: Exception, started: float) -> bytes:
        if not isinstance(error, Refused):
            raise error
        assert self.refused is None, "two requests were refused"
        self.refused = error.status
        return b""

    def given_up(self, request: Request, started: float) -> None:
        raise AssertionError("nobody hung up")

    def soon(self, callback: Callable[[], None]) -> None:
        self._later.append(callback)


def read_by_h11(text: bytes) -> list[Seen]:
    """The requests that h11 reads in these bytes, up to the first that it refuses or that is not whole."""
    peer = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    peer.receive_data(text)
    found: list[Seen] = []
    try:
        while isinstance(head := peer.next_event(), h11.Request):
            body = b""
            while isinstance(event := peer.next_event(), h11.Data):
                body += bytes(event.data)
            if not isinstance(event, h11.EndOfMessage):
                break
            headers = tuple((bytes(name), bytes(value)) for name, value in head.headers)
            found.append(Seen(head.method.decode(), head.target.decode("latin-1"), headers, body))
            peer.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            peer.send(h11.EndOfMessage())
            if peer.our_state is not h11.DONE or peer.their_state is not h11.DONE:
                break
            peer.start_next_cycle()
    except h11.RemoteProtocolError:
        pass
    return found


def check(text: bytes, cut: int) -> None:
    """Fail where it matters how the bytes are cut, or where h11 reads another request."""
    whole = Exchange([text])
    parts = Exchange(text[start : start + cut] for start in range(0, len(text), cut))
    assert (whole.requests, whole.refused) == (parts.requests, parts.refused), (
        "how the bytes are cut makes a difference"
    )
    for ours, theirs in zip(whole.requests, read_by_h11(text), strict=False):
        assert (ours.method, ours.body) == (theirs.method, theirs.body), "h11 reads another request"
        assert dict(ours.headers) == _joined(theirs.headers), "h11 reads other headers"
        if theirs.target.startswith("/"):
            assert ours.target.rstrip("?") == theirs.target.rstrip("?"), "h11 reads another target"


def _joined(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    joined: dict[bytes, bytes] = {}
    for name, value in headers:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined


class _Transport:
    """Takes everything that is written."""

    closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed, "written to what was closed"

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_extra_info(self, name: str) -> Any:
        return None
