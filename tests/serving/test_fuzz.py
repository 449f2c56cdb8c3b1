"""Every reader of untrusted bytes on generated input: requests that are nearly right, and documents changed here and
there. `python -m bench.fuzz` runs the same functions guided by coverage, for as long as one likes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.fuzz.exchange import Exchange, check, read_by_h11
from bench.fuzz.targets import TARGETS

FIXED = settings(derandomize=True, deadline=None, database=None)
SOME = settings(FIXED, max_examples=150)
MANY = settings(FIXED, max_examples=300)

SENT_BY_CLIENTS = ("rows", "inference", "entities", "trace_context")

METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"DELETE"])
TARGET_BYTES = st.text("abz09/.%-_~?&=;:@", max_size=20).map(lambda text: b"/" + text.encode())
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n", b"\r\n", b"5\r\nhello\r\n0\r\n\r\n"]),
)
NAMES = st.text("abcXYZ-_09!#~", min_size=1, max_size=12).map(lambda text: b"x" + text.encode())
VALUES = st.text("".join(map(chr, range(32, 127))) + "\t", max_size=30).map(str.encode)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
ODD_LINES = st.sampled_from(
    [
        *(
            b"Content-Length: 5",
            b"Content-Length: 05",
            b"Content-Length: +5",
            b"Content-Length: 5 ",
            b"content-length:0",
        ),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding: chunked, identity"),
        *(b"Transfer-Encoding:\tchunked", b"Transfer-Encoding: xchunked", b" Transfer-Encoding: chunked", b"\tfolded"),
        *(b"Host: b", b"Host:", b"Expect: 100-continue", b"Connection: close", b"Connection: upgrade\r\nUpgrade: h2c"),
        *(b"X: a\rContent-Length: 5", b"X: a\nContent-Length: 5", b"X\x00: a", b"X: \x00", b": a", b"no colon", b""),
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request as it should be, with its body in one piece or in chunks."""
    method, target, body = draw(METHODS), draw(TARGET_BYTES), draw(BODIES)
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: a", *(b"%b: %b" % header for header in draw(HEADERS))]
    if draw(st.integers(0, 3)) == 0:
        lines += [b"Connection: upgrade", b"Upgrade: h2c"]
    if draw(st.booleans()):
        sizes = draw(st.lists(st.integers(1, 9), max_size=5))
        framed = b""
        for size in [*sizes, len(body)]:
            chunk, body = body[:size], body[size:]
            framed += b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b""
        return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""]) + framed + b"0\r\n\r\n"
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", b""]) + body


@st.composite
def odd_requests(draw: st.DrawFn) -> bytes:
    """A request with a line that should not be there, or with a few bytes changed."""
    text = draw(requests())
    if draw(st.booleans()):
        before, line_end, behind = text.partition(b"\r\n")
        return before + line_end + draw(ODD_LINES) + line_end + behind
    return draw(changed(text))


def changed(text: bytes) -> st.SearchStrategy[bytes]:
    """The text with parts of it replaced, doubled or left out."""
    place = st.integers(0, len(text))
    pieces = st.one_of(
        st.binary(max_size=3),
        st.sampled_from([b"\r\n", b"\n", b" ", b"0", b"[", b'"', b"-1", b"1e999", b"null", b"{}"]),
    )

    def change(edits: Sequence[tuple[int, int, bytes]]) -> bytes:
        result = text
        for start, length, piece in edits:
            result = result[:start] + piece + result[start + length :]
        return result

    return st.lists(st.tuples(place, st.integers(0, 8), pieces), min_size=1, max_size=4).map(change)


@MANY
@given(st.lists(requests(), min_size=1, max_size=4), st.integers(1, 40))
def test_a_pipeline_of_good_requests_is_read_whole_and_as_h11_reads_it(texts: list[bytes], cut: int) -> None:
    text = b"".join(texts)
    check(text, cut)
    exchange = Exchange([text])
    assert (exchange.refused, len(exchange.requests)) == (None, len(texts))
    assert [seen.body for seen in exchange.requests] == [seen.body for seen in read_by_h11(text)]


@MANY
@given(st.lists(st.one_of(requests(), odd_requests()), min_size=1, max_size=4), st.integers(1, 40))
def test_whatever_is_wrong_with_a_request_no_other_is_read_than_h11_reads(texts: list[bytes], cut: int) -> None:
    check(b"".join(texts), cut)


@SOME
@given(st.binary(max_size=200), st.integers(1, 40))
def test_any_bytes_are_read_or_refused(text: bytes, cut: int) -> None:
    check(text, cut)


WORDS = (
    *("instances", "inputs", "outputs", "name", "shape", "datatype", "data", "parameters", "id", "age", "n", "text"),
    *("binary_data_size", "customer", "shop", "keys", "scopes", "features", "variants", "sample"),
)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=8),
        st.sampled_from(["FP32", "INT8", "BYTES", "x", "n", "text", "a"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


def documents(target: str) -> st.SearchStrategy[bytes]:
    """Seeds of a target changed by bytes, and changed by values of their JSON."""
    seeds = TARGETS[target].seeds
    return st.one_of(
        st.sampled_from(seeds).flatmap(changed),
        st.sampled_from(seeds).flatmap(_with_values_replaced),
        st.binary(max_size=60),
    )


def _with_values_replaced(seed: bytes) -> st.SearchStrategy[bytes]:
    start = seed.find(b"{")
    end = seed.rfind(b"}") + 1
    try:
        document = json.loads(seed[start:end])
    except ValueError:
        return changed(seed)
    places = [*_places(document)]

    def replaced(edit: tuple[int, Any]) -> bytes:
        index, value = edit
        fresh = json.loads(seed[start:end])
        places = [*_places(fresh)]
        holder, key = places[index]
        holder[key] = value
        return seed[:start] + json.dumps(fresh).encode() + seed[end:]

    return st.tuples(st.integers(0, len(places) - 1), JSON_VALUES).map(replaced)


def _places(value: Any) -> Any:
    """Each list or object with each of its indices or names."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def _runs(target: str) -> Callable[[], None]:
    @SOME
    @given(documents(target))
    def run(data: bytes) -> None:
        TARGETS[target].run(data)

    return run


@pytest.mark.parametrize("target", [*SENT_BY_CLIENTS, "stored_value", "model_metadata", "keys"])
def test_a_document_is_read_as_what_it_says_or_refused_by_the_error_for_it(target: str) -> None:
    for seed in TARGETS[target].seeds:
        TARGETS[target].run(seed)
    _runs(target)()


@pytest.mark.parametrize("target", [*SENT_BY_CLIENTS, "model_metadata", "keys"])
@pytest.mark.parametrize("opening", [b"[", b'{"keys":', b'{"instances":', b'{"inputs":[{"name":"x","data":', b'{"a":'])
def test_a_document_that_is_nested_too_deep_is_refused(target: str, opening: bytes) -> None:
    for before in (b"", b"\0", b"\0\n"):
        TARGETS[target].run(before + opening * 30_000)
