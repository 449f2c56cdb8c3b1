"""Clients that end early, never end, ask too much or never read: each is answered or cut off, and others go on."""

from __future__ import annotations

import gc
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from serving.engine.connection import Connection
from tests.serving.http_cases import (
    CHUNKED,
    GET,
    SENTINEL,
    get,
    head,
)
from tests.serving.wire import LARGE_BYTES, PATIENCE_SECONDS, WireServer, answers, read_to_end


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    running = WireServer()
    yield running
    running.stop()
    assert running.failures == []


def test_a_client_that_ends_its_side_gets_its_answer(server: WireServer) -> None:
    with server.connect() as client:
        client.sendall(head(b"Content-Length: 5"))
        client.shutdown(socket.SHUT_WR)
        (answer,) = answers(read_to_end(client))
    assert answer.seen["body"] == "hello"


def test_a_connection_that_ended_leaves_nothing_for_the_collector(server: WireServer) -> None:
    def connections() -> int:
        # isinstance would ask each object for its class, and some answer by importing things.
        return sum(type(found) is Connection for found in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = connections()
        for _ in range(20):
            assert answers(server.say(get(b"/seen") + SENTINEL))
        until = time.monotonic() + PATIENCE_SECONDS
        while connections() > before and time.monotonic() < until:
            time.sleep(0.01)
        assert connections() <= before
    finally:
        gc.enable()


def test_a_body_that_never_ends_and_a_head_that_never_ends_are_cut_off_with_408(server: WireServer) -> None:
    texts = (CHUNKED + b"5\r\nhello\r\n", CHUNKED + b"0\r\nX: y\r\n", head(b"Content-Length: 9"), GET + b"X:", b"G")
    with ExitStack() as clients:
        connected = [clients.enter_context(server.connect()) for _ in texts]
        for client, text in zip(connected, texts, strict=True):
            client.sendall(text)
        for client in connected:
            (answer,) = answers(read_to_end(client))
            assert (answer.status, answer.headers[b"connection"]) == (408, b"close")


def test_a_client_that_asks_much_and_reads_nothing_is_not_answered_further_and_then_cut_off(server: WireServer) -> None:
    before = server.answered
    asked = 1500
    with server.connect() as client:
        client.sendall(get(b"/large") * asked)
        hung_up = select.poll()
        hung_up.register(client, select.POLLERR)
        assert hung_up.poll(PATIENCE_SECONDS * 1000)
    in_memory = (server.answered - before) * LARGE_BYTES
    assert 0 < in_memory < asked * LARGE_BYTES / 5


def test_a_long_pipeline_behind_an_answer_that_takes_its_time_is_answered_whole(server: WireServer) -> None:
    asked = 3_000
    server.leave.clear()
    with server.connect() as client:
        text = b"POST /later HTTP/1.1\r\nHost: test\r\n\r\n" + b"".join(get(b"/seen?%d" % n) for n in range(asked))
        sending = threading.Thread(target=client.sendall, args=(text + SENTINEL,))
        sending.start()
        server.leave.set()
        first, *found, _ = answers(read_to_end(client))
        sending.join()
    assert first.seen["path"] == "/later"
    assert [answer.seen["query"] for answer in found] == [str(n) for n in range(asked)]


def test_others_are_answered_while_one_client_keeps_the_server_busy(server: WireServer) -> None:
    asked = 5_000
    with server.connect() as busy, server.connect() as other:
        sending = threading.Thread(target=busy.sendall, args=(get(b"/slow") * asked + SENTINEL,))
        reading = threading.Thread(target=read_to_end, args=(busy,))
        sending.start()
        reading.start()
        other.sendall(SENTINEL)
        (answer,) = answers(read_to_end(other))
        assert (answer.status, server.slow_answers < asked) == (200, True)
        reading.join()
        sending.join()
    assert server.slow_answers == asked


def test_a_fault_of_the_server_itself_is_answered_with_500_and_ends_the_connection() -> None:
    running = WireServer()
    received = running.say(get(b"/broken") + SENTINEL)
    running.stop()
    assert answers(received)[0].status == 500
    assert received.count(b"HTTP/1.1 ") == 1
    assert running.failures == ["GET /broken"]
