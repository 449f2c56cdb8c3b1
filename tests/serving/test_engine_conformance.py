"""HTTP/1.1 as RFC 9110 and 9112 have it, seen on the wire: what is read in one way alone, and what is refused.

Behind each case comes a request that closes the connection. It is answered behind what was accepted, so one byte too
many or too few of a body shows; and never behind what was refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serving.http_cases import (
    AMBIGUOUS_LENGTHS,
    CHUNKED,
    GET,
    LAST,
    MALFORMED_CHUNKS,
    MALFORMED_HEADS,
    SENTINEL,
    case,
    get,
    head,
)
from tests.serving.wire import LIMITS, WireServer, answers


@pytest.fixture(scope="module")
def server() -> Iterator[WireServer]:
    running = WireServer()
    yield running
    running.stop()
    assert running.failures == []


@pytest.mark.parametrize("text", [*AMBIGUOUS_LENGTHS, *MALFORMED_CHUNKS, *MALFORMED_HEADS], ids=case)
def test_what_could_be_read_in_two_ways_gets_400_and_nothing_behind_it_is_answered(
    server: WireServer, text: bytes
) -> None:
    (answer,) = answers(server.say(text + SENTINEL))
    assert (answer.status, answer.headers[b"connection"]) == (400, b"close")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"GET /seen HTTP/2.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n", 505),
        (b"GET /seen HTTP/2.0\r\nHost: test\r\n\r\n", 505),
        (head(b"Expect: 200-ok", b"Content-Length: 5"), 417),
        (head(b"Expect: 100-continue, 100-continue", b"Content-Length: 5"), 417),
        (get(b"/" + b"a" * LIMITS.max_head_bytes), 431),
        (GET + b"X: " + b"a" * 2_000_000 + b"\r\n\r\n", 431),
        (GET + b"X" * 2_000_000 + b": y\r\n\r\n", 431),
        (GET + b"X: y\r\n" * 100_000 + b"\r\n", 431),
        (GET + b"".join(b"X%d: y\r\n" % n for n in range(100_000)) + b"\r\n", 431),
        (b"\r\n" * 1_000_000, 431),
        (head(b"Content-Length: 1001"), 413),
        (head(b"Content-Length: 18446744073709551615"), 413),
        (CHUNKED + b"1\r\na\r\n" * 1001 + LAST, 413),
        (CHUNKED + b"3e9\r\n" + b"a" * 1001 + b"\r\n" + LAST, 413),
        (CHUNKED + b"ffffffffffffffff\r\n" + b"a" * 1001, 413),
        (CHUNKED + b"5;" + b"x" * 2_000_000 + b"\r\nhello\r\n" + LAST, 431),
        (CHUNKED + b"0" * 2_000_000 + b"5\r\nhello\r\n" + LAST, 431),
        (CHUNKED + b"5\r\nhello\r\n0\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n", 431),
    ],
    ids=lambda value: case(value) if isinstance(value, bytes) else str(value),
)
def test_what_is_too_much_or_not_offered_is_refused_and_nothing_behind_it_is_answered(
    server: WireServer, text: bytes, status: int
) -> None:
    (answer,) = answers(server.say(text + SENTINEL))
    assert (answer.status, answer.headers[b"connection"]) == (status, b"close")


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (head(b"Content-Length: 5"), "hello"),
        (head(b"Content-Length:5"), "hello"),
        (head(b"Content-Length: \t 5 \t"), "hello"),
        (head(b"Content-Length: 0005"), "hello"),
        (head(b"CONTENT-LENGTH: 5"), "hello"),
        (head(b"Content-Length: 0", body=b""), ""),
        (head(body=b""), ""),
        (head(b"Content_Length: 5", body=b""), ""),
        (head(b"Content-Length: 5", b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings"), "hello"),
        (head(b"Content-Length: 5", b"Upgrade: h2c", b"Connection: keep-alive, upgrade", body=b"GET /"), "GET /"),
        (head(b"Content-Length: 0", b"Upgrade: h2c", b"Connection: upgrade", body=b""), ""),
        (
            head(
                b"Transfer-Encoding: chunked",
                b"Connection: upgrade",
                b"Upgrade: h2c",
                body=b"5\r\nhello\r\n0\r\nHost: x\r\n\r\n",
            ),
            "hello",
        ),
        (head(b"Transfer-Encoding:\tCHUNKED ", body=b"5\r\nhello\r\n" + LAST), "hello"),
        (CHUNKED + b"5\r\nhello\r\n" + LAST, "hello"),
        (CHUNKED + b"2\r\nhe\r\n3\r\nllo\r\n00\r\n\r\n", "hello"),
        (CHUNKED + b"A\r\n0123456789\r\n" + LAST, "0123456789"),
        (CHUNKED + b"a\r\n0123456789\r\n" + LAST, "0123456789"),
        (CHUNKED + b'5;name;name=value;name="a \\" value"\r\nhello\r\n0;last\r\n\r\n', "hello"),
        (CHUNKED + b"0" * 2000 + b"5\r\nhello\r\n" + LAST, "hello"),
        (CHUNKED + b"5\r\n0\r\n\r\n\r\n" + LAST, "0\r\n\r\n"),
        (CHUNKED + b"1\r\na\r\n" * 1000 + LAST, "a" * 1000),
        (CHUNKED + LAST, ""),
        (b"\r\n" + head(b"Content-Length: 5"), "hello"),
        (b"\r\n\r\n" + head(b"Content-Length: 5") + b"\r\n", "hello"),
    ],
    ids=lambda value: case(value) if isinstance(value, bytes) else None,
)
def test_a_body_is_exactly_what_its_framing_says_and_the_next_request_begins_behind_it(
    server: WireServer, text: bytes, body: str
) -> None:
    first, last = answers(server.say(text + SENTINEL))
    assert (first.status, first.seen["body"]) == (200, body)
    assert (last.status, last.seen["path"]) == (200, "/models/sentinel")


def test_requests_on_one_connection_see_nothing_of_each_other(server: WireServer) -> None:
    first, second, _ = answers(server.say(head(b"Content-Length: 5", b"X: y") + GET + b"\r\n" + SENTINEL))
    assert (first.seen["body"], first.seen["headers"]["x"]) == ("hello", "y")
    assert (second.seen["body"], second.seen["headers"]) == ("", {"host": "test"})


def test_trailers_are_read_past_and_are_no_headers(server: WireServer) -> None:
    trailers = (b"Authorization: key", b"Host: other", b"Host: another", b"X-Request-ID: chosen", b"Expect: more")
    text = CHUNKED + b"5\r\nhello\r\n0\r\n" + b"".join(trailer + b"\r\n" for trailer in trailers) + b"\r\n"
    first, last = answers(server.say(text + SENTINEL))
    assert first.seen["headers"] == {"host": "test", "transfer-encoding": "chunked"}
    assert first.headers[b"x-request-id"] != b"chosen"
    assert last.seen["headers"] == {"host": "test", "connection": "close"}


def test_blanks_around_a_value_are_no_part_of_it_and_values_of_one_name_are_a_list(server: WireServer) -> None:
    text = GET + b"X: \t a b \t \r\nY:\r\nx: c\r\nZ: \xe4\xff\r\n\r\n"
    first, _ = answers(server.say(text + SENTINEL))
    assert first.seen["headers"] == {"host": "test", "x": "a b, c", "y": "", "z": "\xe4\xff"}


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/seen", "/seen", ""),
        (b"/seen?a=1?b=/c", "/seen", "a=1?b=/c"),
        (b"http://other/seen?a", "/seen", "a"),
        (b"HTTP://other:8000/seen", "/seen", ""),
        (b"https://[::1]:8000/seen", "/seen", ""),
    ],
)
def test_a_target_is_a_path_or_a_url_whose_host_counts_for_nothing(
    server: WireServer, target: bytes, path: str, query: str
) -> None:
    first, _ = answers(server.say(get(target) + SENTINEL))
    assert (first.status, first.seen["path"], first.seen["query"]) == (200, path, query)


@pytest.mark.parametrize(
    "target",
    [
        *(b"/", b"/SEEN", b"/seen/", b"//seen", b"/./seen", b"/x/../seen", b"/%73een", b"/seen%2F", b"/seen%00"),
        *(b"/seen;x", b"/models/", b"/models", b"/models/a/b", b"/%", b"/%zz", b"/\\seen", b"http://test"),
        b"/" + b"a" * 3000,
    ],
)
def test_a_path_is_taken_as_it_is_written(server: WireServer, target: bytes) -> None:
    first, last = answers(server.say(get(target) + SENTINEL))
    assert (first.status, last.status) == (404, 200)


@pytest.mark.parametrize("host", [b"a", b"A.b-c_d", b"a:", b"a:80", b"127.0.0.1:8000", b"[::1]", b"[::1]:80", b"%41"])
def test_a_host_is_a_name_or_an_address_with_or_without_a_port(server: WireServer, host: bytes) -> None:
    first, _ = answers(server.say(b"GET /seen HTTP/1.1\r\nHost: " + host + b"\r\n\r\n" + SENTINEL))
    assert (first.status, first.seen["headers"]["host"]) == (200, host.decode())


@pytest.mark.parametrize("method", [b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"QUERY", b"M-SEARCH"])
def test_a_method_that_a_path_does_not_take_gets_405_and_says_which_it_takes(server: WireServer, method: bytes) -> None:
    text = method + b" /seen HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
    first, last = answers(server.say(text + SENTINEL), [method])
    assert (first.status, first.headers[b"allow"]) == (405, b"GET, POST, HEAD")
    assert b"hello" not in first.body
    assert last.status == 200


def test_the_server_as_a_whole_may_be_asked_for_its_options(server: WireServer) -> None:
    first, last = answers(server.say(b"OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n" + SENTINEL), [b"OPTIONS"])
    assert (first.status, first.body, last.status) == (200, b"", 200)


@pytest.mark.parametrize("target", [b"/seen", b"/large", b"/none"])
def test_head_has_the_length_of_the_body_that_it_leaves_out(server: WireServer, target: bytes) -> None:
    asked = b"%b " + target + b" HTTP/1.1\r\nHost: test\r\n\r\n"
    first, second, last = answers(server.say(asked % b"HEAD" + asked % b"GET" + SENTINEL), [b"HEAD", b"GET"])
    assert (first.status, first.body) == (second.status, b"")
    if target != b"/seen":
        assert int(first.headers[b"content-length"]) == len(second.body)
    assert last.status == 200
