"""What is fuzzed: for each reader of bytes a function that fails on all but the refusal it may raise, and seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import numpy as np

from bench.fuzz import exchange
from contract import access, metadata
from contract.features import Entity, FeatureColumn, Features, FeatureView
from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import Version
from serving.features import values
from serving.features.entities import read_entities
from serving.messages import Refused
from serving.model import Array
from serving.oip.inference import InferenceFormat
from serving.tracing import context
from serving.wire import Entities, RowFormat

MAX_ROWS = 8


@dataclass(frozen=True, kw_only=True)
class Target:
    """`run` takes any bytes, and raises for a finding; `words` are what such bytes are made of."""

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes]


def _spec(name: str, datatype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def _model(
    *inputs: TensorSpec, names: tuple[str, ...] | None = None, features: Features | None = None
) -> ModelMetadata:
    return ModelMetadata(
        name="fuzzed",
        version=Version(1, 0, 0),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        framework="none",
        inputs=inputs,
        outputs=(_spec("output", "FP32", -1),),
        feature_names=names,
        features=features,
    )


_LOOKED_UP = Features(
    project="shop",
    entities=(Entity(join_key="customer", value_type="INT64"), Entity(join_key="shop", value_type="STRING")),
    views=(FeatureView(name="view", join_keys=("customer", "shop")),),
    columns=(FeatureColumn(view="view", feature="a"), FeatureColumn(view="view", feature="b", default=1.0)),
)
MODELS = (
    _model(_spec("x", "FP32", -1, 2), names=("age", "in:come")),
    _model(_spec("x", "FP64", -1, 2, -1)),
    _model(_spec("n", "INT8", -1), _spec("text", "BYTES", -1, -1)),
    _model(_spec("u", "UINT64", -1, 1), _spec("b", "BOOL", -1, 2), _spec("h", "FP16", -1, 2)),
    _model(_spec("x", "FP32", -1, 2), features=_LOOKED_UP),
)
_ROWS = [RowFormat(model, max_rows=MAX_ROWS, entities=model.features is not None) for model in MODELS]
_INFERENCES = [InferenceFormat(model, max_rows=MAX_ROWS) for model in MODELS]


def connection(data: bytes) -> None:
    """The first byte says how the others are cut."""
    if data:
        exchange.check(data[1:], 1 + data[0] % 64)


def rows(data: bytes) -> None:
    """The first byte picks the model."""
    if not data:
        return
    which = data[0] % len(MODELS)
    try:
        read = _ROWS[which].read(data[1:])
    except Refused as refused:
        _check_refusal(refused)
        return
    if isinstance(read, Entities):
        assert MODELS[which].features is not None
        return
    json.loads(data[1:])
    _check_arrays(MODELS[which], read)


def inference(data: bytes) -> None:
    """The first byte picks the model, the first line is the length of the JSON."""
    if not data:
        return
    which = data[0] % len(MODELS)
    length, _, body = data[1:].partition(b"\n")
    try:
        read = _INFERENCES[which].read(body, length or None)
    except Refused as refused:
        _check_refusal(refused)
        return
    _check_arrays(MODELS[which], read.inputs)
    _INFERENCES[which].write(read, {"output": np.zeros(1, np.float32)})


def entities(data: bytes) -> None:
    try:
        read = read_entities(data, _LOOKED_UP, MAX_ROWS)
    except Refused as refused:
        _check_refusal(refused)
        return
    assert {0 < len(column) <= MAX_ROWS for column in read.values()} == {True}


def trace_context(data: bytes) -> None:
    parent = context.parse(data)
    assert parent is None or (len(parent.trace_id), len(parent.span_id), parent.flags < 256) == (32, 16, True)
    passed_on = context.passed_on(data)
    assert len(passed_on) <= context.MAX_STATE_BYTES
    assert context.passed_on(passed_on) == passed_on


def stored_value(data: bytes) -> None:
    found = values.read(data)
    assert isinstance(found, bool | int | float | str | values.Lack)
    if not isinstance(found, values.Lack):
        for datatype in ("FP32", "INT8", "UINT64", "BOOL", "BYTES"):
            values.fit(datatype)(found)


def model_metadata(data: bytes) -> None:
    try:
        read = metadata.parse(data)
    except metadata.InvalidMetadata:
        return
    assert metadata.parse(metadata.render(read)) == read


def keys(data: bytes) -> None:
    try:
        read = access.parse(data)
    except access.InvalidRecord:
        return
    assert access.parse(access.render(read)) == read


def _check_refusal(refused: Refused) -> None:
    assert 400 <= refused.status < 500, refused.message
    # It must fit into an answer.
    msgspec.json.encode([refused.code, refused.message, refused.field])


def _check_arrays(model: ModelMetadata, arrays: Mapping[str, Array]) -> None:
    assert list(arrays) == [spec.name for spec in model.inputs] or set(arrays) == {spec.name for spec in model.inputs}
    assert len({len(array) for array in arrays.values()}) == 1
    for spec in model.inputs:
        array = arrays[spec.name]
        assert 1 <= len(array) <= MAX_ROWS
        assert len(array.shape) == len(spec.shape)
        assert all(size in (-1, given) for size, given in zip(spec.shape, array.shape, strict=True))
        if array.dtype.kind == "f":
            assert np.isfinite(array).all()
        if array.dtype.kind == "O":
            assert all(isinstance(element, str) for element in array.ravel().tolist())


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
        run=connection,
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
        run=rows,
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
        run=inference,
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
    "entities": Target(run=entities, seeds=[_json({"customer": [1, 2], "shop": ["a", "b"]})], words=_JSON_WORDS),
    "trace_context": Target(
        run=trace_context,
        seeds=[
            b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"a=1,b@c=2",
            b"cc-" + b"1" * 32 + b"-" + b"2" * 16 + b"-03-x",
        ],
        words=(b"00-", b"ff-", b"-01", b"=", b",", b"\t"),
    ),
    "stored_value": Target(
        run=stored_value,
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
        run=model_metadata,
        seeds=[metadata.render(model) for model in MODELS],
        words=(b"null", b"NaN", b"[", b"{", b"1e999"),
    ),
    "keys": Target(run=keys, seeds=[_KEYS], words=(b"null", b"NaN", b"[", b"{", b'"scopes"', b'"@operator"')),
}
