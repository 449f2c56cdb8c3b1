"""Connections as RFC 9112 has them: which request is the last, what is pipelined, and what is not taken up."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.serving.http_cases import CHUNKED, GET, POST, SENTINEL, case, get, head
from tests.serving.wire import WireServer, answers, read_to_end


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    running = WireServer()
    yield running
    running.stop()
    assert running.failures == []


@pytest.mark.parametrize(
    "text",
    [
        GET + b"Connection: close\r\n\r\n",
        GET + b"Connection: CLOSE\r\n\r\n",
        GET + b"Connection: x, close\r\n\r\n",
        GET + b"Connection: close, keep-alive\r\n\r\n",
        GET + b"Connection: keep-alive\r\nConnection: close\r\n\r\n",
        b"GET /seen HTTP/1.0\r\n\r\n",
        b"GET /seen HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n",
    ],
    ids=case,
)
def test_behind_the_last_request_of_a_connection_nothing_is_answered(server: WireServer, text: bytes) -> None:
    (answer,) = answers(server.say(text + SENTINEL))
    assert (answer.status, answer.headers[b"connection"]) == (200, b"close")


@pytest.mark.parametrize("offer", [b"Connection: Upgrade, close\r\n", b"Connection: Upgrade\r\nConnection: close\r\n"])
def test_the_last_request_may_offer_another_protocol_and_have_a_body(server: WireServer, offer: bytes) -> None:
    (answer,) = answers(server.say(POST + offer + b"Upgrade: h2c\r\nContent-Length: 5\r\n\r\nhello" + SENTINEL))
    assert (answer.seen["body"], answer.headers[b"connection"]) == ("hello", b"close")


@pytest.mark.parametrize("offer", [b"websocket", b"h2c", b"TLS/1.2", b"HTTP/3.0, h2c"])
def test_another_protocol_is_not_taken_up_and_the_request_answered_once(server: WireServer, offer: bytes) -> None:
    text = GET + b"Connection: Upgrade\r\nUpgrade: " + offer + b"\r\nHTTP2-Settings: AAAA\r\n\r\n"
    found = answers(server.say(text * 3 + SENTINEL))
    assert [answer.status for answer in found] == [200] * 4
    assert all(b"upgrade" not in answer.headers for answer in found)


def test_leave_to_send_is_given_once_and_only_to_http_1_1(server: WireServer) -> None:
    waits = b"Host: test\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n"
    with server.connect() as client:
        client.sendall(b"POST /seen HTTP/1.1\r\n" + waits)
        assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello" + SENTINEL)
        first, _ = answers(read_to_end(client))
    assert first.seen["body"] == "hello"
    received = server.say(b"POST /seen HTTP/1.0\r\n" + waits + b"hello")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_error_in_a_pipeline_is_answered_in_its_turn_and_ends_it(server: WireServer) -> None:
    found = answers(server.say(GET + b"\r\n" + get(b"/none") + b"nonsense\r\n\r\n" + SENTINEL))
    assert [answer.status for answer in found] == [200, 404, 400]


@pytest.mark.parametrize("wrong", [b"nonsense\r\n\r\n", head(b"Content-Length: 1001"), get(b"#")])
def test_an_error_behind_an_answer_that_takes_its_time_waits_for_its_turn(server: WireServer, wrong: bytes) -> None:
    server.leave.clear()
    with server.connect() as client:
        later = b"POST /later HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
        client.sendall(later + later + wrong + SENTINEL)
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(10)
        server.leave.set()
        found = answers(read_to_end(client))
    assert [answer.status for answer in found[:2]] == [200, 200]
    assert [answer.seen["body"] for answer in found[:2]] == ["hello", "hello"]
    assert (len(found), found[2].status // 100, found[2].headers[b"connection"]) == (3, 4, b"close")


def test_leave_to_send_is_not_given_before_the_answers_that_are_owed(server: WireServer) -> None:
    server.leave.clear()
    with server.connect() as client:
        client.sendall(
            b"POST /later HTTP/1.1\r\nHost: test\r\n\r\n" + head(b"Expect: 100-continue", b"Content-Length: 5")
        )
        server.leave.set()
        client.sendall(SENTINEL)
        received = read_to_end(client)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert [answer.status for answer in answers(received)] == [200, 200, 200]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_where_the_bytes_are_cut_makes_no_difference(server: WireServer, size: int) -> None:
    text = (
        head(b"Content-Length: 5", b"X: \t a \t", b"X: b")
        + CHUNKED
        + b"5;x=y\r\nhello\r\n0\r\nTrailer: z\r\n\r\n"
        + GET
        + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
        + head(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: 5")
        + head(b"Connection: Upgrade", b"Upgrade: h2c", b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
        + SENTINEL
    )
    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(text), size):
            client.sendall(text[start : start + size])
        received = read_to_end(client)
    found = answers(received)
    assert [(answer.status, answer.seen["body"]) for answer in found] == [
        (200, "hello"),
        (200, "hello"),
        (200, ""),
        (200, "hello"),
        (200, "hello"),
        (200, ""),
    ]
    assert found[0].seen["headers"]["x"] == "a, b"
