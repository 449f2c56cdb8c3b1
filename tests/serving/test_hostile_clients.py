"""Clients that are slow, greedy, silent or wrong, against the container's process: they get their refusal or are cut
off, and neither the worker nor its memory nor the next client notices.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.demo_model import DemoModel
from tests.serving.conftest import CREDENTIALS, publish_model
from tests.serving.hostile_requests import BODIES, FLOATS, GOOD, HUGE, JSON, ROW, predict, tensor
from tests.serving.process import Container, container_environment
from tests.serving.wire import PATIENCE_SECONDS, answers, read_to_end

MAX_BODY_BYTES = 65_536
MAX_CONNECTIONS = 600
MOST_GROWTH_MIB = 64
RESET = struct.pack("ii", 1, 0)
GET = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class Watched:
    """A container, and what its worker is made of."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.worker = self._worker()

    def _worker(self) -> int:
        # A single worker runs in the container's first process.
        main = self.container.pid
        assert Path(f"/proc/{main}/task/{main}/children").read_text() == ""
        return main

    def memory_mib(self) -> float:
        lines = Path(f"/proc/{self.worker}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def sockets(self) -> int:
        return len(list(Path(f"/proc/{self.worker}/fd").iterdir()))

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.container.port), timeout=PATIENCE_SECONDS)

    def say(self, text: bytes) -> bytes:
        with self.connect() as client:
            client.sendall(text)
            return read_to_end(client)

    def check_forgotten(self, sockets: int) -> None:
        """Connections that are closed are noticed in a few turns of the loop, which requests pass by."""
        for _ in range(1000):
            self.check_unharmed()
            if self.sockets() <= sockets + 1:
                return
        assert self.sockets() <= sockets + 1

    def check_unharmed(self) -> None:
        assert self.container.predict({"instances": [ROW]}).status == 200
        assert self._worker() == self.worker


@pytest.fixture(scope="module")
def watched(
    endpoint: str, s3: Any, bucket: str, first: DemoModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("hostile")
    publish_model(s3, bucket, first, directory)
    environment = container_environment(endpoint, bucket, directory / "cache", CREDENTIALS) | {
        "SERVEML_LOG_LEVEL": "warning",
        "SERVEML_WORKERS": "1",
        "SERVEML_MAX_BODY_BYTES": str(MAX_BODY_BYTES),
        "SERVEML_MAX_ROWS": "120",
        "SERVEML_MAX_CONNECTIONS": str(MAX_CONNECTIONS),
        "SERVEML_REQUEST_TIMEOUT_SECONDS": "1",
        # Good requests are to come through, not to be refused as too many.
        "SERVEML_MAX_WAIT_MS": "5000",
    }
    with Container(environment) as container:
        assert container.predict({"instances": [ROW]}).status == 200
        yield Watched(container)


@pytest.fixture
def unharmed(watched: Watched) -> Iterator[Watched]:
    """The container, which must answer afterwards as before, from the same worker, in little more memory."""
    before = watched.memory_mib()
    yield watched
    watched.check_unharmed()
    assert watched.memory_mib() - before < MOST_GROWTH_MIB
    assert [line for line in watched.container.log() if line["level"] == "error"] == []


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:40])[2:-1])
def test_a_body_that_is_not_rows_in_json_gets_400(unharmed: Watched, body: bytes) -> None:
    (answer,) = answers(unharmed.say(predict(body, JSON)))
    assert answer.status == 400
    assert len(answer.body) < 1000


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [b"Content-Type: text/plain"],
        [b"Content-Type: application/json; charset=utf-16"],
        [b"Content-Type: application/xml"],
        [b"Content-Type: " + b"a" * 20_000],
        [b"Content-Type: \xff\xfe"],
        [JSON, b"Content-Encoding: gzip"],
        [JSON, b"Content-Encoding: identity, br"],
    ],
)
def test_a_body_of_another_type_or_encoding_gets_415(unharmed: Watched, headers: list[bytes]) -> None:
    (answer,) = answers(unharmed.say(predict(GOOD, *headers)))
    assert answer.status == 415


@pytest.mark.parametrize(
    "text",
    [
        tensor(FLOATS[:-1], 120),
        tensor(FLOATS[:-1], 119),
        tensor(FLOATS + b"\0", 120),
        tensor(FLOATS, 119),
        tensor(FLOATS, 121),
        tensor(FLOATS, 0),
        tensor(FLOATS, -1),
        tensor(FLOATS, HUGE),
        tensor(FLOATS, 2**64),
        tensor(b"", 120),
        tensor(FLOATS, 120, shape=[HUGE, HUGE]),
        tensor(FLOATS, 120, shape=[2**32, 2**32]),
        tensor(FLOATS, 120, shape=[0, 30]),
        tensor(FLOATS, 120, shape=[-1, -30]),
        tensor(FLOATS, 120, shape=[1, 30] + [1] * 5_000),
        tensor(FLOATS, 120, datatype="BYTES"),
        tensor(FLOATS, 120, datatype="FP64"),
        tensor(np.full(30, np.nan, np.float32).tobytes(), 120),
        tensor(np.full(30, np.inf, np.float32).tobytes(), 120),
        *(tensor(FLOATS, 120, length=length) for length in (b"0", b"-1", b"1", b"99999", b"1e2", b"9" * 5000, b"\xb2")),
    ],
    ids=lambda text: repr(text[-160:-125])[2:-1],
)
def test_a_binary_tensor_that_is_not_what_it_says_gets_400(unharmed: Watched, text: bytes) -> None:
    (answer,) = answers(unharmed.say(text))
    assert answer.status == 400


def test_the_tensor_that_those_are_made_from_is_good(unharmed: Watched) -> None:
    (answer,) = answers(unharmed.say(tensor(FLOATS, 120)))
    assert answer.status == 200


def test_more_than_is_taken_is_refused_before_it_is_held(unharmed: Watched) -> None:
    mebibyte = 1_048_576
    megabytes = b"a" * 8 * mebibyte
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    for text, status in (
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * mebibyte + b"\r\n\r\n", 431),
        (head + b"Content-Length: %d\r\n\r\n" % len(megabytes) + megabytes, 413),
        (head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(megabytes) + megabytes, 413),
        (head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * MAX_BODY_BYTES * 2, 413),
        (head + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + megabytes, 431),
    ):
        (answer,) = answers(unharmed.say(text))
        assert answer.status == status


def test_a_hundred_thousand_requests_in_one_go_are_all_answered(unharmed: Watched) -> None:
    asked = 100_000
    with unharmed.connect() as client:
        received: list[bytes] = []
        reader = threading.Thread(target=lambda: received.append(read_to_end(client)))
        reader.start()
        client.sendall(GET * (asked - 1) + LAST)
        reader.join(PATIENCE_SECONDS)
    (text,) = received
    assert text.count(b"HTTP/1.1 200 OK\r\n") == asked
    assert text.count(b"HTTP/1.1 ") == asked


def test_clients_that_ask_much_and_never_read_take_little_memory(unharmed: Watched) -> None:
    before = unharmed.memory_mib()
    asked, readers = 1500, 100
    request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"
    (page,) = answers(unharmed.say(request[:-2] + b"Connection: close\r\n\r\n"))
    with ExitStack() as clients:
        for _ in range(readers):
            client = clients.enter_context(unharmed.connect())
            client.sendall(request * asked)
        unharmed.check_unharmed()
        growth_mib = unharmed.memory_mib() - before
    assert growth_mib < MOST_GROWTH_MIB < len(page.body) * asked * readers / 2**20 / 10


def test_slow_bodies_are_cut_off_while_others_are_answered(unharmed: Watched) -> None:
    with ExitStack() as clients:
        slow = [clients.enter_context(unharmed.connect()) for _ in range(200)]
        for client in slow:
            client.sendall(predict(GOOD, JSON)[:-1])
        unharmed.check_unharmed()
        for client in slow:
            (answer,) = answers(read_to_end(client))
            assert answer.status == 408


def test_more_clients_than_are_taken_get_503_and_room_again_once_others_leave(unharmed: Watched) -> None:
    before = unharmed.sockets()
    with ExitStack() as clients:
        for _ in range(MAX_CONNECTIONS):
            clients.enter_context(unharmed.connect()).sendall(b"GET /")
        statuses = [answers(unharmed.say(b""))[0].status for _ in range(20)]
        assert statuses == [503] * 20
    unharmed.check_forgotten(before)


def test_a_flood_of_connections_that_are_reset_leaves_nothing_behind(unharmed: Watched) -> None:
    before = unharmed.sockets()
    for number in range(3000):
        with unharmed.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            if number % 3:
                client.sendall(predict(GOOD, JSON)[: 40 * (number % 3)])
    unharmed.check_forgotten(before)


def test_clients_that_only_send_still_get_their_answers(unharmed: Watched) -> None:
    with unharmed.connect() as client:
        client.sendall(predict(GOOD, JSON))
        client.shutdown(socket.SHUT_WR)
        (answer,) = answers(read_to_end(client))
    assert answer.status == 200


def test_clients_that_leave_in_the_middle_of_an_answer_are_forgotten(unharmed: Watched) -> None:
    before = unharmed.sockets()
    for _ in range(100):
        with unharmed.connect() as client:
            client.sendall(GET * 100)
            client.recv(1)
    unharmed.check_forgotten(before)
