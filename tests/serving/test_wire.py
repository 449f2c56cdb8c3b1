"""Rows of every type of input, and models that rows do not fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import Version
from serving.model import NUMPY_TYPES, ModelRefused
from serving.wire import InvalidRequest, RowFormat


def rows_of(datatype: str, *shapes: tuple[int, ...], outputs: tuple[str, ...] = ("label",)) -> RowFormat:
    metadata = ModelMetadata(
        name="any",
        version=Version(1, 0, 0),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        framework="none",
        inputs=tuple(
            TensorSpec(name=f"input{index}", datatype=datatype, shape=shape) for index, shape in enumerate(shapes)
        ),
        outputs=tuple(TensorSpec(name=name, datatype="FP32", shape=(-1,)) for name in outputs),
    )
    return RowFormat(metadata, max_rows=10)


@pytest.mark.parametrize(
    ("datatype", "row"),
    [
        ("FP32", [1.5, 2]),
        ("FP64", [1e300, -0.0]),
        ("INT64", [2**63 - 1, -(2**63)]),
        ("UINT8", [0, 255]),
        ("BOOL", [True, False]),
        ("BYTES", ["red", ""]),
    ],
)
def test_rows_become_an_array_of_the_input_s_type(datatype: str, row: list[Any]) -> None:
    array = rows_of(datatype, (-1, 2)).read(json.dumps({"instances": [row, row]}).encode())
    assert array.dtype == NUMPY_TYPES[datatype]
    assert array.tolist() == [row, row]


@pytest.mark.parametrize(
    ("datatype", "value", "code"),
    [
        ("UINT8", 256, "out_of_range"),
        ("UINT8", -1, "out_of_range"),
        ("INT64", 2**63, "out_of_range"),
        ("INT64", 1.5, "wrong_type"),
        ("BOOL", 1, "wrong_type"),
        ("BYTES", 1, "wrong_type"),
    ],
)
def test_a_value_that_the_type_cannot_hold_is_named(datatype: str, value: Any, code: str) -> None:
    good = {"BOOL": True, "BYTES": "red"}.get(datatype, 0)
    with pytest.raises(InvalidRequest) as raised:
        rows_of(datatype, (-1, 2)).read(json.dumps({"instances": [[good, good], [good, value]]}).encode())
    assert (raised.value.code, raised.value.field) == (code, "instances[1][1]")


@pytest.mark.parametrize("shapes", [((-1,),), ((-1, -1),), ((-1, 2, 2),), ((-1, 2), (-1, 2))])
def test_a_model_that_rows_do_not_fit_is_refused_when_it_is_loaded(shapes: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ModelRefused, match=r"one input of shape \[-1, columns\]"):
        rows_of("FP32", *shapes)


def test_a_single_output_is_the_predictions_alone() -> None:
    body = rows_of("FP32", (-1, 2)).write({"label": np.array([1, 0])})
    assert json.loads(body) == {"model_name": "any", "model_version": "1.0.0", "predictions": [1, 0]}


def test_what_is_no_number_is_answered_as_null() -> None:
    body = rows_of("FP32", (-1, 2)).write({"score": np.array([np.nan, np.inf, 0.5])})
    assert json.loads(body)["predictions"] == [None, None, 0.5]
