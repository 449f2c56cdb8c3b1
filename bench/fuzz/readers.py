"""What is fuzzed: for each reader of bytes a function that fails on all but the refusal it may raise."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
