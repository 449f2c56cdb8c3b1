"""Rows as objects: columns and inputs by name, entities in their place, and bodies spoilt anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.wire import Entities, InvalidRequest
from tests.serving.oip_versions import spec
from tests.serving.row_formats import MARKER, NAMED, SEVERAL, fault, read, rows_of


def test_columns_may_be_given_by_name_in_any_order() -> None:
    asked = {"instances": [{"mean radius": 1, "größe": 2}, {"größe": 4, "mean radius": 3}]}
    assert read(NAMED, asked)["x"].tolist() == [[1, 2], [3, 4]]
    assert read(NAMED, {"instances": [[1, 2], [3, 4]]})["x"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ('{"mean radius": 1}', "missing_field", "instances[1].größe"),
        ("{}", "missing_field", "instances[1].mean radius"),
        (f'{{"mean radius": 1, "größe": 2, "{MARKER}": 3}}', "unknown_field", "instances[1]"),
        ('{"mean radius": 1, "größe": 2, "größe": 3}', "repeated_field", "instances[1].größe"),
        ('{"mean radius": 1, "gr\\u00f6\\u00dfe": 2, "größe" : 2}', "repeated_field", "instances[1].größe"),
        ('{"mean radius": [1], "größe": 2}', "wrong_type", "instances[1].mean radius"),
        ("[1, 2]", "wrong_type", "instances[1]"),
        ("7", "wrong_type", "instances[1]"),
    ],
)
def test_a_row_of_named_columns_holds_each_name_once_and_no_other(row: str, code: str, field: str) -> None:
    body = f'{{"instances": [{{"mean radius": 1, "größe": 2}}, {row}]}}'.encode()
    assert fault(NAMED, body) == (code, field)


def test_an_object_after_a_list_of_values_is_refused() -> None:
    asked = {"instances": [[1, 2], {"mean radius": 1, "größe": 2}]}
    assert fault(NAMED, asked) == ("wrong_type", "instances[1]")


def test_columns_without_names_cannot_be_given_by_name() -> None:
    assert fault(rows_of(spec("x", "FP32", -1, 2)), {"instances": [{"a": 1, "b": 2}]}) == ("wrong_type", "instances[0]")


@pytest.mark.parametrize("datatype", ["FP32", "BYTES"])
def test_colons_in_names_and_values_hide_no_name_that_is_given_twice(datatype: str) -> None:
    value = '"a:b"' if datatype == "BYTES" else "1"
    columns = rows_of(spec("x", datatype, -1, 2), columns=("a:b", "c"))
    # Written with an escape, the name has a colon less, and the name that comes twice one more.
    twice = f'{{"instances": [{{"a\\u003ab": {value}, "c": {value}, "c": {value}}}]}}'.encode()
    assert fault(columns, twice) == ("repeated_field", "instances[0].c")
    once = f'{{"instances": [{{"a\\u003ab": {value}, "c": {value}}}]}}'.encode()
    assert read(columns, once)["x"].tolist() == [[json.loads(value)] * 2]


def test_instances_given_twice_are_refused_where_names_are_counted() -> None:
    row = '[{"mean radius": 1, "größe": 2}]'
    assert fault(NAMED, f'{{"instances": {row}, "instances": {row}}}'.encode()) == ("repeated_field", "instances")


def test_several_inputs_are_an_object_a_row() -> None:
    asked = [{"tokens": [1, 2], "weight": 0.5, "label": ["a"]}, {"label": ["b"], "weight": 2, "tokens": [3, 4]}]
    inputs = read(SEVERAL, {"instances": asked})
    assert {name: array.tolist() for name, array in inputs.items()} == {
        "tokens": [[1, 2], [3, 4]],
        "weight": [0.5, 2],
        "label": [["a"], ["b"]],
    }


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"tokens": [1, 2, 3]}, "wrong_columns", "instances[1].tokens"),
        ({"tokens": [1, 2.5]}, "wrong_type", "instances[1].tokens[1]"),
        ({"weight": 1e39}, "out_of_range", "instances[1].weight"),
        ({"weight": [1]}, "wrong_type", "instances[1].weight"),
        ({"label": []}, "wrong_columns", "instances[1].label"),
        ({MARKER: 1}, "unknown_field", "instances[1]"),
    ],
)
def test_a_fault_in_one_of_several_inputs_names_row_and_input(change: Any, code: str, field: str) -> None:
    row = {"tokens": [1, 2], "weight": 0.5, "label": ["a"]}
    assert fault(SEVERAL, {"instances": [row, row | change]}) == (code, field)


def test_an_input_left_out_or_given_twice_is_named() -> None:
    row = {"tokens": [1, 2], "weight": 0.5, "label": ["a:b"]}
    assert fault(SEVERAL, {"instances": [{"tokens": [1], "weight": 1}]}) == ("missing_field", "instances[0].label")
    twice = json.dumps({"instances": [row]}).replace('"weight": 0.5', '"weight": 0.5, "weight": 0.5').encode()
    assert fault(SEVERAL, twice) == ("repeated_field", "instances[0].weight")
    assert fault(SEVERAL, {"instances": [[1, 2]]}) == ("wrong_type", "instances[0]")


def test_entities_come_raw_where_they_are_looked_up_and_are_an_unknown_field_elsewhere() -> None:
    body = b'{"entities": {"customer_id": [17, 42]}}'
    columns = spec("x", "FP32", -1, 2)
    entities = rows_of(columns, entities=True).read(body)
    assert isinstance(entities, Entities)
    assert bytes(entities.raw) == b'{"customer_id": [17, 42]}'
    assert fault(rows_of(columns), body) == ("unknown_field", None)


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"instances": [[1, 2]], "entities": {}}, "unknown_field", "entities"),
        ({}, "missing_field", "instances"),
        ({"instances": [[1, 2]], MARKER: 1}, "unknown_field", None),
        ({"instances": [[1]]}, "wrong_columns", "instances[0]"),
        (b'{"entities": {', "invalid_json", None),
    ],
)
def test_a_body_holds_instances_or_entities(body: Any, code: str, field: str | None) -> None:
    rows = rows_of(spec("x", "FP32", -1, 2), entities=True)
    assert fault(rows, body) == (code, field)
    assert read(rows, {"instances": [[1, 2]]})["x"].tolist() == [[1, 2]]


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_body_spoilt_anywhere_is_read_or_refused_and_never_breaks(data: st.DataObject) -> None:
    rows, document = data.draw(
        st.sampled_from(
            [
                (NAMED, {"instances": [[1, 2.5], [3, -4e5]]}),
                (NAMED, {"instances": [{"mean radius": 1, "größe": 2}] * 2}),
                (SEVERAL, {"instances": [{"tokens": [1, 2], "weight": 0.5, "label": ["a:b"]}] * 2}),
            ]
        )
    )
    body = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        pieces = st.binary(max_size=3) | st.sampled_from(
            [b"[", b"]", b"9" * 400, b'"', b"null", b":", b"{}", b"\\u003a"]
        )
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(pieces)
    try:
        inputs = rows.read(bytes(body))
    except InvalidRequest:
        return
    assert isinstance(inputs, dict)
    assert len({len(array) for array in inputs.values()}) == 1
