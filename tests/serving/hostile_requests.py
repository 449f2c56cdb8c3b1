"""Requests that are not what they say they are, and the good ones that they are made from."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np

from ops.demo_model import INPUT

ROW = [1.0] * 30


def predict(body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST /predict HTTP/1.1", b"Host: a", b"Connection: close", *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, b"", b""]) + body


JSON = b"Content-Type: application/json"
GOOD = json.dumps({"instances": [ROW]}).encode()


def with_value(value: bytes) -> bytes:
    return GOOD.replace(b"1.0", value, 1)


BODIES = [
    b"",
    b"\x00",
    b"\xef\xbb\xbf" + GOOD,
    GOOD.decode().encode("utf-16"),
    b"[" * 60_000,
    b'{"instances":' * 4_000,
    b'{"instances":' + b"[" * 50_000,
    b'{"instances":' + b"[" * 25_000 + b"]" * 25_000 + b"}",
    b'{"instances": [{"' + b"a" * 60_000 + b'": 1}]}',
    b'{"instances": [], "instances": []}',
    b'{"instances": [[1]], "instances": ' + GOOD[14:],
    b'{"\xff": 1}',
    b'{"instances": "\xed\xa0\x80"}',
    b'{"instances": "\\ud800"}',
    *(with_value(value) for value in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e39", b"9" * 60_000)),
    *(
        with_value(value)
        for value in (b"01", b"+1", b"1.", b".5", b"1e", b"0x1", b"1_0", b"'1'", b"null", b"true", b"[1]")
    ),
    with_value(b"1" + b"0" * 60_000),
    with_value(b"0." + b"0" * 60_000 + b"1e60001x"),
    GOOD + b"x",
    GOOD + GOOD,
    GOOD[:-1],
    gzip.compress(GOOD, mtime=0),
]


def tensor(data: bytes, size: int, *, length: bytes | None = None, **change: Any) -> bytes:
    described = {
        "name": INPUT,
        "shape": [1, 30],
        "datatype": "FP32",
        "parameters": {"binary_data_size": size},
        **change,
    }
    document = json.dumps({"inputs": [described]}).encode()
    lines = [
        b"POST /v2/models/breast-cancer/infer HTTP/1.1",
        b"Host: a",
        b"Connection: close",
        b"Content-Type: application/octet-stream",
        b"Inference-Header-Content-Length: " + (b"%d" % len(document) if length is None else length),
        b"Content-Length: %d" % (len(document) + len(data)),
    ]
    return b"\r\n".join([*lines, b"", b""]) + document + data


FLOATS = np.ones(30, np.float32).tobytes()
HUGE = 2**63 - 1
