"""The HTTP server by the bytes on its wire: order, limits, deadlines, ambiguity refused, and a drain without a loss."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.serving.engine_server import CLOSE, LIMITS, Running, later, request, status_of
from tests.serving.wire import PATIENCE_SECONDS, read_to_end


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    server = Running()
    yield server
    server.stop()


def test_pipelined_requests_are_answered_in_their_order(running: Running) -> None:
    answer = running.say(request(b"first") + request(b"second") + request(b"third", CLOSE))
    assert [part.rpartition(b"\r\n\r\n")[2][:6] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"first",
        b"second",
        b"third",
    ]


def test_what_is_pipelined_behind_an_answer_that_takes_its_time_waits_for_its_turn(running: Running) -> None:
    with running.connect() as client:
        client.sendall(later(b"first ") + request(b"second") + later(b"third ") + request(b"fourth", CLOSE))
        running.later.say(b"after all")
        assert status_of(client.recv(17, socket.MSG_PEEK)) == 200
        running.later.say(b"too")
        answer = read_to_end(client)
    assert [part.rpartition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [
        b"first after all",
        b"second",
        b"third too",
        b"fourth",
    ]


def test_others_are_answered_while_one_waits(running: Running) -> None:
    with running.connect() as client:
        client.sendall(later(b"", CLOSE))
        assert running.say(request(b"meanwhile", CLOSE)).endswith(b"meanwhile")
        running.later.say(b"")
        assert status_of(read_to_end(client)) == 409


def test_an_answer_that_takes_too_long_is_given_up(running: Running) -> None:
    running.later.cancelled.clear()
    answer = running.say(later(b"", CLOSE))
    assert (status_of(answer), b'"code":"timeout"' in answer) == (504, True)
    assert running.later.cancelled.is_set()
    running.later.asked.get(timeout=PATIENCE_SECONDS)


def test_nobody_works_on_for_a_client_that_hung_up(running: Running) -> None:
    running.later.cancelled.clear()
    with running.connect() as client:
        client.sendall(later(b""))
        running.later.asked.get(timeout=PATIENCE_SECONDS)
    assert running.later.cancelled.wait(PATIENCE_SECONDS)
    assert running.say(request(b"on it goes", CLOSE)).endswith(b"on it goes")
    assert ("POST", "/later", 499, "client_closed_request") in running.observed


def test_a_draining_server_waits_for_the_answers_it_owes() -> None:
    running = Running()
    with running.connect() as client:
        client.sendall(later(b"owed "))
        asked = running.later.asked.get(timeout=PATIENCE_SECONDS)
        running.later.asked.put(asked)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        running.later.say(b"and paid")
        answer = read_to_end(client)
    stopping.join(PATIENCE_SECONDS)
    assert answer.endswith(b"owed and paid")
    assert b"connection: close\r\n" in answer


def test_a_request_may_come_byte_by_byte(running: Running) -> None:
    with running.connect() as client:
        for byte in request(b"slowly", CLOSE):
            client.sendall(bytes([byte]))
        assert read_to_end(client).endswith(b"slowly")


def test_a_chunked_body_is_put_together(running: Running) -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert running.say(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").endswith(b"abcde")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET /echo HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 5000 + b"\r\n\r\n", 431),
        (b"GET /echo HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(30)) + b"\r\n", 431),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + b"a" * 2000, 413),
        (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ],
)
def test_what_is_ambiguous_malformed_or_too_large_is_refused_and_the_connection_closed(
    running: Running, text: bytes, status: int
) -> None:
    answer = running.say(text)
    assert status_of(answer) == status
    assert answer.count(b"HTTP/1.1 %d " % status) == 1
    assert b"connection: close\r\n" in answer


def test_slow_heads_and_slow_bodies_are_cut_off(running: Running) -> None:
    assert status_of(running.say(b"POST /echo HTTP/1.1\r\nHost: a\r\n")) == 408
    assert status_of(running.say(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")) == 408


def test_an_idle_connection_is_closed_without_a_word(running: Running) -> None:
    with running.connect() as client:
        client.sendall(request(b"kept"))
        answer = read_to_end(client)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" not in answer


def test_more_connections_than_are_taken_get_503_with_a_time_to_come_back(running: Running) -> None:
    clients = [running.connect() for _ in range(LIMITS.max_connections)]
    try:
        for client in clients:
            client.sendall(request(b"here"))
            assert status_of(client.recv(4096)) == 200
        answer = running.say(b"")
        assert status_of(answer) == 503
        assert b"retry-after: 1\r\n" in answer
    finally:
        for client in clients:
            client.close()


def test_paths_with_named_parts_refusals_and_methods(running: Running) -> None:
    assert running.say(request(b"", CLOSE, method=b"GET", path=b"/models/a%20b")).endswith(b"a b")
    answer = running.say(request(b"", CLOSE, method=b"GET", path=b"/refused"))
    assert status_of(answer) == 409
    assert b"x-why: because\r\n" in answer
    assert answer.endswith(b'{"error":{"code":"no","message":"not this one","field":"here"}}')
    answer = running.say(request(b"", CLOSE, method=b"DELETE"))
    assert (status_of(answer), b"allow: POST, GET, HEAD\r\n" in answer) == (405, True)
    assert running.say(request(b"", CLOSE, method=b"GET", path=b"/echo?x=1")).endswith(b"\r\n\r\nx=1")


def test_head_is_get_without_the_body(running: Running) -> None:
    answer = running.say(request(b"", CLOSE, method=b"HEAD", path=b"/models/abc"))
    assert b"content-length: 3\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_client_that_waits_for_leave_to_send_gets_it(running: Running) -> None:
    with running.connect() as client:
        client.sendall(request(b"hello", CLOSE, b"Expect: 100-continue")[: -len(b"hello")])
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert read_to_end(client).endswith(b"hello")


def test_every_answer_is_observed_once_by_its_route_and_never_by_its_path() -> None:
    running = Running()
    running.say(request(b"", CLOSE, method=b"GET", path=b"/models/secret"))
    running.say(request(b"", CLOSE, method=b"GET", path=b"/secret"))
    running.say(b"nonsense\r\n\r\n")
    running.stop()
    assert running.observed == [
        ("GET", "/models/{name}", 200, ""),
        ("GET", "other", 404, "not_found"),
        ("GET", "other", 400, "invalid_http"),
    ]


def test_many_clients_that_come_at_once_are_all_taken_and_those_that_wait_at_the_end_too() -> None:
    running = Running(replace(LIMITS, max_connections=500, keep_alive_seconds=10))
    clients = [running.connect() for _ in range(300)]
    for client in clients[:150]:
        client.sendall(request(b"here"))
    assert {status_of(client.recv(4096)) for client in clients[:150]} == {200}
    stopping = threading.Thread(target=running.stop)
    for client in clients[150:]:
        client.sendall(request(b"last"))
    stopping.start()
    answers = [read_to_end(client) for client in clients[150:]]
    stopping.join(PATIENCE_SECONDS)
    assert {status_of(answer) for answer in answers} == {200}
    for client in clients:
        client.close()
    with pytest.raises(ConnectionRefusedError):
        running.connect()


def test_a_draining_server_answers_and_tells_its_clients_to_go() -> None:
    running = Running()
    with running.connect() as client:
        client.sendall(request(b"before"))
        assert b"connection: close" not in client.recv(4096)
        running.drain()
        client.sendall(request(b"during"))
        answer = read_to_end(client)
    assert status_of(answer) == 200
    assert b"connection: close\r\n" in answer
    running.stop()
