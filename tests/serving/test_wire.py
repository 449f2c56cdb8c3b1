"""Rows for inputs of every type and shape, what is said of values that do not fit, and how answers are written."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import wire
from serving.model import NUMPY_TYPES
from serving.wire import Entities, InvalidRequest, RowFormat
from tests.serving.oip_versions import spec
from tests.serving.row_formats import MARKER, MAX_ROWS, fault, read, rows_of

TYPES: list[tuple[str, list[Any]]] = [
    ("FP16", [0.5, -65504]),
    ("FP32", [1.5, 2]),
    ("FP32", [3.4028235e38, -0.0]),
    ("FP64", [1e300, -0.0]),
    ("INT8", [-128, 127]),
    ("INT16", [-(2**15), 2**15 - 1]),
    ("INT32", [-(2**31), 2**31 - 1]),
    ("INT64", [2**63 - 1, -(2**63)]),
    ("UINT8", [0, 255]),
    ("UINT16", [0, 2**16 - 1]),
    ("UINT32", [0, 2**32 - 1]),
    ("UINT64", [0, 2**64 - 1]),
    ("BOOL", [True, False]),
    ("BYTES", ["red", ""]),
]


@pytest.mark.parametrize(("datatype", "row"), TYPES)
def test_rows_become_an_array_of_the_input_s_type(datatype: str, row: list[Any]) -> None:
    array = read(rows_of(spec("x", datatype, -1, 2)), {"instances": [row, row]})["x"]
    assert array.dtype == NUMPY_TYPES[datatype]
    np.testing.assert_array_equal(array, np.array([row, row], dtype=NUMPY_TYPES[datatype]))


@pytest.mark.parametrize(("datatype", "row"), TYPES)
def test_every_type_may_be_a_single_value_a_row_and_a_deeper_nest(datatype: str, row: list[Any]) -> None:
    dtype = NUMPY_TYPES[datatype]
    scalars = read(rows_of(spec("x", datatype, -1)), {"instances": row})["x"]
    np.testing.assert_array_equal(scalars, np.array(row, dtype=dtype), strict=True)
    nested = read(rows_of(spec("x", datatype, -1, 2, -1, 2)), {"instances": [[[row], [row]]] * 3})["x"]
    np.testing.assert_array_equal(nested, np.array([[[row], [row]]] * 3, dtype=dtype), strict=True)


@given(data=st.data(), shape=st.lists(st.integers(1, 4), min_size=0, max_size=3), rows=st.integers(1, MAX_ROWS))
@settings(max_examples=60, deadline=None)
def test_rows_are_what_numpy_makes_of_them_whatever_the_shape(data: st.DataObject, shape: list[int], rows: int) -> None:
    free = [data.draw(st.sampled_from([size, -1])) for size in shape]
    count = rows * int(np.prod(shape))
    floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
    values = np.array(data.draw(st.lists(floats, min_size=count, max_size=count)), dtype=np.float32)
    expected = values.reshape(rows, *shape)
    array = read(rows_of(spec("x", "FP32", -1, *free)), {"instances": expected.tolist()})["x"]
    np.testing.assert_array_equal(array, expected, strict=True)


def test_a_row_longer_than_a_tuple_type_holds_is_read_all_the_same() -> None:
    row = [float(i) for i in range(5000)]
    image = rows_of(spec("x", "FP32", -1, 5000))
    assert read(image, {"instances": [row, row]})["x"].tolist() == [row, row]
    assert fault(image, {"instances": [row, row[1:]]}) == ("wrong_columns", "instances[1]")


@pytest.mark.parametrize(
    ("datatype", "value", "code"),
    [
        ("UINT8", 256, "out_of_range"),
        ("UINT8", -1, "out_of_range"),
        ("INT64", 2**63, "out_of_range"),
        ("UINT64", 2**64, "out_of_range"),
        ("FP16", 65520, "out_of_range"),
        ("FP32", 3.4028236e38, "out_of_range"),
        ("FP32", -1e39, "out_of_range"),
        ("INT64", 1.5, "wrong_type"),
        ("BOOL", 1, "wrong_type"),
        ("BYTES", 1, "wrong_type"),
        ("FP32", True, "wrong_type"),
        ("FP32", None, "wrong_type"),
        ("FP32", MARKER, "wrong_type"),
    ],
)
def test_a_value_that_the_type_cannot_hold_is_named(datatype: str, value: Any, code: str) -> None:
    good = {"BOOL": True, "BYTES": "red"}.get(datatype, 0)
    columns = rows_of(spec("x", datatype, -1, 2), columns=("age", "income"))
    assert fault(columns, {"instances": [[good, good], [good, value]]}) == (code, "instances[1][1]")
    named = [{"age": good, "income": good}, {"income": value, "age": good}]
    assert fault(columns, {"instances": named}) == (code, "instances[1].income")
    assert fault(rows_of(spec("x", datatype, -1)), {"instances": [good, value]}) == (code, "instances[1]")
    deep = rows_of(spec("x", datatype, -1, 2, 2))
    assert fault(deep, {"instances": [[[good] * 2] * 2, [[good] * 2, [good, value]]]}) == (code, "instances[1][1][1]")


@pytest.mark.parametrize(
    ("shape", "rows", "code", "field"),
    [
        ((-1, 2), [[1, 2], [1]], "wrong_columns", "instances[1]"),
        ((-1, 2), [[1, 2], []], "wrong_columns", "instances[1]"),
        ((-1, 2), [[1, 2, 3]], "wrong_columns", "instances[0]"),
        ((-1, -1), [[1, 2], [1, 2, 3]], "wrong_columns", "instances[1]"),
        ((-1, -1), [[], []], "wrong_columns", "instances[0]"),
        ((-1, 2, 2), [[[1, 2], [3, 4]], [[1, 2], [3]]], "wrong_shape", "instances[1][1]"),
        ((-1, 2, 2), [[[1, 2]]], "wrong_shape", "instances[0]"),
        ((-1, -1, 2), [[[1, 2]], [[1, 2], [3, 4]]], "wrong_shape", "instances[1]"),
        ((-1, 2, -1), [[[1, 2], [3]]], "wrong_shape", "instances[0][1]"),
        ((-1, 2, 2), [[1, 2]], "wrong_type", "instances[0][0]"),
        ((-1,), [[1]], "wrong_type", "instances[0]"),
        ((-1,), [], "empty", "instances"),
        ((-1,), [1] * (MAX_ROWS + 1), "too_many_rows", "instances"),
    ],
)
def test_a_list_of_another_length_than_the_shape_has_is_named(
    shape: tuple[int, ...], rows: Any, code: str, field: str
) -> None:
    for datatype in ("FP32", "BYTES"):
        asked = json.loads(json.dumps(rows), parse_int=str if datatype == "BYTES" else int)
        assert fault(rows_of(spec("x", datatype, *shape)), {"instances": asked}) == (code, field)


def test_a_single_output_is_the_predictions_alone() -> None:
    body = rows_of(spec("x", "FP32", -1, 2)).write({"y": np.array([1, 0])})
    assert json.loads(body) == {"model_name": "any", "model_version": "1.0.0", "predictions": [1, 0]}


def test_several_outputs_come_by_name_whatever_their_names_are() -> None:
    rows = rows_of(spec("x", "FP32", -1, 2), outputs=("100%", "%b s"))
    body = rows.write({"100%": np.array([1, 0]), "%b s": np.array([["a"], ["b"]], dtype=object)})
    assert json.loads(body) == {
        "model_name": "any",
        "model_version": "1.0.0",
        "predictions": [1, 0],
        "outputs": {"100%": [1, 0], "%b s": [["a"], ["b"]]},
    }


def test_what_is_no_number_is_answered_as_null() -> None:
    body = rows_of(spec("x", "FP32", -1, 2)).write({"y": np.array([np.nan, np.inf, 0.5])})
    assert json.loads(body)["predictions"] == [None, None, 0.5]


def _outcome(rows: RowFormat, body: bytes) -> Any:
    try:
        found = rows.read(body)
    except InvalidRequest as error:
        return error.code, error.field
    assert not isinstance(found, Entities)
    return {name: (array.dtype, array.tolist()) for name, array in found.items()}


SPOILS = (
    [],
    [b"true"],
    [b"false"],
    [b"null"],
    [b'"1"'],
    [b"[1]"],
    [b"{}"],
    [b"1e39"],
    [b"-1e400"],
    [b"18446744073709551616"],
    [b"1.0"],
    [b"01"],
    [b"NaN"],
    [b"1", b"2"],
)


@pytest.mark.parametrize("datatype", ["FP32", "FP64", "FP16", "INT64", "UINT8"])
@pytest.mark.parametrize("spoil", SPOILS, ids=lambda values: b",".join(values).decode() or "nothing")
@pytest.mark.parametrize("more", [b"", b',"more":1', b',"instances":[[1,2]]', b"]"])
def test_large_bodies_are_read_as_small_ones_are(
    monkeypatch: pytest.MonkeyPatch, datatype: str, spoil: list[bytes], more: bytes
) -> None:
    rows = rows_of(spec("x", datatype, -1, 2))
    row = b"[" + b",".join([*spoil, b"7"][:3] if spoil else [b"3"]) + b"]"
    body = b'{"instances":[[1,2],' + row + b"," + b"[4,5]]" + more + b"}"
    monkeypatch.setattr(wire, "LARGE_BODY_BYTES", len(body))
    small = _outcome(rows, body)
    monkeypatch.setattr(wire, "LARGE_BODY_BYTES", 0)
    assert _outcome(rows, body) == small
