"""What the fuzzer begins with for each reader, and what such bytes are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.fuzz import readers
from bench.fuzz.readers import MODELS
from contract import access, metadata


@dataclass(frozen=True, kw_only=True)
class Target:
    """`run` takes any bytes, and raises for a finding; `words` are what such bytes are made of."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes]


def _tensor(name: str, datatype: str, shape: list[int], **rest: object) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape, **rest}


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _binary(which: int, document: object, tail: bytes) -> bytes:
    body = _json(document)
    return bytes([which]) + b"%d\n" % len(body) + body + tail


_POST = b"\x3fPOST /predict HTTP/1.1\r\nHost: a\r\n"
_KEYS = access.render([access.issue(user_id="ada", scopes=["*"], now=1.0, expires_at=9, requests_per_minute=5)[1]])
_HTTP_WORDS = (
    *(b"Content-Length: ", b"Transfer-Encoding: chunked", b"chunked", b"Connection: close", b"Connection: Upgrade"),
    *(
        b"Upgrade: h2c",
        b"Expect: 100-continue",
        b"Host: a",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"\r\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
    ),
    *(
        b"GET / ",
        b"POST / ",
        b"CONNECT a:1 ",
        b"OPTIONS * ",
        b"http://a",
        b"5;x=y\r\n",
        b"%00",
        b"\n",
        b"\r",
        b"\t",
        b" : ",
    ),
)
_JSON_WORDS = (
    *(
        b'"instances"',
        b'"entities"',
        b'"age"',
        b'"in:come"',
        b'"n"',
        b'"text"',
        b"null",
        b"true",
        b"1e999",
        b"-0",
        b"NaN",
    ),
    *(
        b"18446744073709551616",
        b'"inputs"',
        b'"outputs"',
        b'"shape"',
        b'"datatype"',
        b'"data"',
        b'"parameters"',
        b'"id"',
    ),
    *(
        b'"binary_data_size"',
        b'"binary_data_output"',
        b'"FP32"',
        b'"INT8"',
        b'"BYTES"',
        b"\\ud800",
        b"\xef\xbb\xbf",
        b"[[",
        b"]]",
    ),
)

TARGETS: Mapping[str, Target] = {
    "connection": Target(
        run=readers.connection,
        seeds=[
            _POST + b"Content-Length: 5\r\n\r\nhelloGET /seen?a=b HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n",
            _POST + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.0\r\n\r\n",
            _POST
            + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            _POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            b"\x05GET http://a:80/x?y HTTP/1.1\r\nHost: b\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
        ],
        words=_HTTP_WORDS,
    ),
    "rows": Target(
        run=readers.rows,
        seeds=[
            b"\0" + _json({"instances": [[1.5, 2]]}),
            b"\0" + _json({"instances": [{"age": 1, "in:come": 2}]}),
            b"\1" + _json({"instances": [[[1, 2], [3, 4]]]}),
            b"\2" + _json({"instances": [{"n": 1, "text": ["a"]}, {"n": -128, "text": ["\x00"]}]}),
            b"\3" + _json({"instances": [{"u": [2**64 - 1], "b": [True, False], "h": [1, 65504]}]}),
            b"\4" + _json({"entities": {"customer": [1], "shop": ["a"]}}),
        ],
        words=_JSON_WORDS,
    ),
    "inference": Target(
        run=readers.inference,
        seeds=[
            b"\0\n" + _json({"inputs": [_tensor("x", "FP32", [1, 2], data=[1.5, 2])], "id": "a"}),
            b"\1\n" + _json({"inputs": [_tensor("x", "FP64", [1, 2, 1], data=[[[1], [2]]])]}),
            _binary(0, {"inputs": [_tensor("x", "FP32", [1, 2], parameters={"binary_data_size": 8})]}, bytes(8)),
            _binary(
                2,
                {
                    "inputs": [
                        _tensor("n", "INT8", [1], data=[1]),
                        _tensor("text", "BYTES", [1, 2], parameters={"binary_data_size": 10}),
                    ],
                    "outputs": [{"name": "output", "parameters": {"binary_data": True}}],
                },
                b"\1\0\0\0a\1\0\0\0b",
            ),
        ],
        words=_JSON_WORDS,
    ),
    "entities": Target(
        run=readers.entities, seeds=[_json({"customer": [1, 2], "shop": ["a", "b"]})], words=_JSON_WORDS
    ),
    "trace_context": Target(
        run=readers.trace_context,
        seeds=[
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"a=1,b@c=2",
            b"cc-" + b"1" * 32 + b"-" + b"2" * 16 + b"-03-x",
        ],
        words=(b"00-", b"ff-", b"-01", b"=", b",", b"\t"),
    ),
    "stored_value": Target(
        run=readers.stored_value,
        seeds=[
            b"\x29" + bytes(8),
            b"\x35" + bytes(4),
            b"\x12\x01a",
            b"\x18\x01",
            b"\x20\xff\xff\xff\xff\x0f",
            b"\x38\1",
            b"\x98\1\0",
        ],
        words=(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80", b"\x7f\xf0", b"\x98\1\0"),
    ),
    "model_metadata": Target(
        run=readers.model_metadata,
        seeds=[metadata.render(model) for model in MODELS],
        words=(b"null", b"NaN", b"[", b"{", b"1e999"),
    ),
    "keys": Target(run=readers.keys, seeds=[_KEYS], words=(b"null", b"NaN", b"[", b"{", b'"scopes"', b'"@operator"')),
}
