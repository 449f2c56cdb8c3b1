"""Inference by the Open Inference Protocol with data in JSON: what comes back, and what is refused by which words."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from tests.serving.oip_versions import MAX_ROWS, Echo, Server, error_of, metadata_of, spec, tensor, tensors_of

FEATURES = spec("features", "FP32", -1, 2)
ROW = tensor("features", "FP32", [1, 2], [1.5, 2])
MARKER = "marker-4711"


def server(*specs: Any) -> Server:
    return Server(Echo(metadata_of(*specs or (FEATURES,))))


EXTREMES: list[tuple[str, list[Any]]] = [
    ("BOOL", [True, False]),
    ("UINT8", [0, 255]),
    ("UINT16", [0, 2**16 - 1]),
    ("UINT32", [0, 2**32 - 1]),
    ("UINT64", [0, 2**64 - 1]),
    ("INT8", [-128, 127]),
    ("INT16", [-(2**15), 2**15 - 1]),
    ("INT32", [-(2**31), 2**31 - 1]),
    ("INT64", [-(2**63), 2**63 - 1]),
    ("FP16", [0.5, -65504]),
    # As JSON writes the largest single-precision number in its fewest digits, which is a little above it.
    ("FP32", [3.4028235e38, -0.0]),
    ("FP64", [1e300, 5e-324]),
    ("BYTES", ["grün", ""]),
]


@pytest.mark.parametrize(("datatype", "row"), EXTREMES)
@pytest.mark.parametrize("nested", [True, False])
def test_every_datatype_comes_through_with_its_extreme_values(datatype: str, row: list[Any], nested: bool) -> None:
    echo = Echo(metadata_of(spec("x", datatype, -1, 2)))
    data = [row, row[::-1]] if nested else row + row[::-1]
    answer = tensors_of(Server(echo).infer({"inputs": [tensor("x", datatype, [2, 2], data)]}))["same_x"]
    assert echo.given["x"].shape == (2, 2)
    np.testing.assert_array_equal(answer, echo.given["x"])
    np.testing.assert_array_equal(answer, np.array([row, row[::-1]], dtype=answer.dtype))


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("UINT8", 256),
        ("UINT8", -1),
        ("INT8", 128),
        ("INT64", 2**63),
        ("UINT64", 2**64),
        ("UINT64", -1),
        ("FP16", 65520),
        ("FP32", 3.4028236e38),
        ("FP32", -1e39),
    ],
)
@pytest.mark.parametrize("nested", [True, False])
def test_a_number_beyond_its_datatype_is_refused(datatype: str, value: Any, nested: bool) -> None:
    data = [[0, 0], [0, value]] if nested else [0, 0, 0, value]
    asked = {"inputs": [tensor("x", datatype, [2, 2], data)]}
    status, message = error_of(server(spec("x", datatype, -1, 2)).infer(asked))
    assert status == 400
    assert message.startswith("inputs[0].data")
    assert message.endswith(("beyond the range of its type", "beyond 64 bits"))


@pytest.mark.parametrize(
    ("datatype", "value", "said"),
    [
        ("INT64", 1.5, "expected int, got float"),
        ("BOOL", 1, "expected bool, got int"),
        ("BYTES", 1, "expected str, got int"),
        ("FP32", True, "expected float, got bool"),
        ("FP32", None, "expected float, got null"),
        ("FP32", "1", "expected float, got str"),
        ("FP32", {}, "expected float, got object"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(datatype: str, value: Any, said: str) -> None:
    asked = {"inputs": [tensor("x", datatype, [1, 2], [value, value])]}
    assert error_of(server(spec("x", datatype, -1, 2)).infer(asked)) == (400, f"inputs[0].data[0]: {said}")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan"])
def test_what_is_no_number_is_no_json(number: str) -> None:
    body = json.dumps({"inputs": [ROW]}).replace("1.5", number).encode()
    status, message = error_of(server().infer(body))
    assert (status, "NaN and Infinity are not JSON" in message) == (400, True)


def test_an_answer_names_the_model_and_echoes_the_id() -> None:
    asking = server()
    response = asking.infer({"id": 'a "quoted" id', "inputs": [ROW]})
    assert json.loads(response.body) == {
        "model_name": "echo",
        "model_version": "1.0.0",
        "id": 'a "quoted" id',
        "outputs": [{"name": "same_features", "datatype": "FP32", "shape": [1, 2], "data": [1.5, 2.0]}],
    }
    assert response.content_type == b"application/json"
    assert response.headers == []
    assert asking.last.model_version == "1.0.0"
    assert asking.counted.outcomes == [("1.0.0", "ok")]


def test_without_an_id_none_is_made_up() -> None:
    assert "id" not in json.loads(server().infer({"inputs": [ROW]}).body)


def test_an_output_that_is_not_finite_is_null_in_json() -> None:
    class Divided(Echo):
        def predict(self, inputs: Any) -> dict[str, Any]:
            return {"same_features": np.array([[np.nan, np.inf]], dtype=np.float32)}

    asking = Server(Divided(metadata_of(FEATURES)))
    assert json.loads(asking.infer({"inputs": [ROW]}).body)["outputs"][0]["data"] == [None, None]


TWO = (spec("a", "FP32", -1, 2), spec("b", "INT64", -1))
TWO_ROWS = [tensor("b", "INT64", [2], [7, 8]), tensor("a", "FP32", [2, 2], [1, 2, 3, 4])]


def test_inputs_are_told_apart_by_name_in_any_order() -> None:
    answer = tensors_of(server(*TWO).infer({"inputs": TWO_ROWS}))
    assert {name: array.tolist() for name, array in answer.items()} == {"same_a": [[1, 2], [3, 4]], "same_b": [7, 8]}


def test_only_the_requested_outputs_come_in_the_order_asked_for() -> None:
    asking = server(*TWO)
    both = tensors_of(asking.infer({"inputs": TWO_ROWS, "outputs": [{"name": "same_b"}, {"name": "same_a"}]}))
    assert list(both) == ["same_b", "same_a"]
    assert list(tensors_of(asking.infer({"inputs": TWO_ROWS, "outputs": [{"name": "same_b"}]}))) == ["same_b"]
    assert list(tensors_of(asking.infer({"inputs": TWO_ROWS, "outputs": []}))) == ["same_a", "same_b"]


def test_an_input_of_one_free_inner_dimension_takes_any_length() -> None:
    echo = Echo(metadata_of(spec("tokens", "INT64", -1, -1)))
    response = Server(echo).infer({"inputs": [tensor("tokens", "INT64", [2, 3], [[1, 2, 3], [4, 5, 6]])]})
    assert tensors_of(response)["same_tokens"].tolist() == [[1, 2, 3], [4, 5, 6]]


@pytest.mark.parametrize("size", [0, -1, -3])
def test_a_free_inner_dimension_still_needs_a_size_from_one_up(size: int) -> None:
    # Two sizes of -1 multiply to one value.
    asked = {"inputs": [tensor("x", "INT64", [1, size, size], [1])]}
    status, message = error_of(server(spec("x", "INT64", -1, -1, -1)).infer(asked))
    assert (status, message.startswith("inputs[0].shape must be [-1, -1, -1]")) == (400, True)


def test_a_shape_with_more_values_than_could_be_counted_is_refused() -> None:
    # As many dimensions as NumPy has.
    asking = server(spec("x", "FP32", -1, *[-1] * 63))
    for size in (2**62, 10**4000):
        assert error_of(asking.infer({"inputs": [tensor("x", "FP32", [1, *[size] * 63], [1])]}))[0] == 400


def test_parameters_that_are_not_known_are_read_past() -> None:
    asked = {
        "model_name": "echo",
        "parameters": {"priority": 3, "content_type": "np"},
        "inputs": [{**ROW, "parameters": {"content_type": "np"}}],
        "outputs": [{"name": "same_features", "parameters": {"content_type": "np"}}],
    }
    assert tensors_of(server().infer(asked))["same_features"].tolist() == [[1.5, 2]]


def refused(change: dict[str, Any], **request: Any) -> Any:
    return {"inputs": [{**ROW, **change}], **request}


REFUSED: list[tuple[Any, str]] = [
    (refused({"shape": [1, 3]}), "inputs[0].shape must be [-1, 2]"),
    (refused({"shape": [2]}), "inputs[0].shape must be [-1, 2]"),
    (refused({"shape": []}), "inputs[0].shape must be [-1, 2]"),
    (refused({"shape": [1, 2, 1]}), "inputs[0].shape must be [-1, 2]"),
    (refused({"shape": [0, 2], "data": []}), "inputs[0].shape must be [-1, 2]"),
    (refused({"shape": [-1, 2]}), "inputs[0].shape must be [-1, 2]"),
    (refused({"shape": [-1, -2]}), "inputs[0].shape must be [-1, 2]"),
    (refused({"shape": [1.0, 2]}), "inputs[0].shape[0]: expected int, got float"),
    (refused({"shape": [True, 2]}), "inputs[0].shape[0]: expected int, got bool"),
    (refused({"shape": "1,2"}), "inputs[0].shape: expected array, got str"),
    (refused({"shape": [MAX_ROWS + 1, 2]}), f"inputs[0].shape has more rows than the {MAX_ROWS} allowed"),
    (refused({"shape": [2**62, 2]}), f"inputs[0].shape has more rows than the {MAX_ROWS} allowed"),
    (refused({"shape": [1, 2**63]}), "inputs[0].shape[1] is beyond the range of its type"),
    (refused({"shape": [2, 2]}), "inputs[0].data has 2 values, its shape needs 4"),
    (refused({"data": [1, 2, 3]}), "inputs[0].data has 3 values, its shape needs 2"),
    (refused({"data": []}), "inputs[0].data has 0 values, its shape needs 2"),
    (refused({"data": [[1, 2], [3, 4]]}), "inputs[0].data is nested otherwise than its shape says"),
    (refused({"data": [[1], [2]]}), "inputs[0].data is nested otherwise than its shape says"),
    (refused({"data": [[1, 2], [3]]}), "inputs[0].data is nested otherwise than its shape says"),
    (refused({"data": [[[1, 2]]]}), "inputs[0].data[0][0]: expected float, got array"),
    (refused({"data": [1, [2]]}), "inputs[0].data[1]: expected float, got array"),
    (refused({"data": 1}), "inputs[0].data: expected array, got int"),
    (refused({"data": None}), "inputs[0].data: expected array, got null"),
    (refused({"datatype": "FP64"}), "inputs[0].datatype must be FP32"),
    (refused({"datatype": "fp32"}), "inputs[0].datatype must be FP32"),
    (refused({"name": MARKER}), "inputs[0] names no input of this model: it takes 'features'"),
    ({"inputs": [ROW, ROW]}, "inputs[1] names an input that was given before"),
    ({"inputs": []}, "inputs lacks the model's input 'features'"),
    ({"inputs": {}}, "inputs: expected array, got object"),
    ({"inputs": [1]}, "inputs[0]: expected object, got int"),
    ({"inputs": [{k: v for k, v in ROW.items() if k != "data"}]}, "inputs[0] has neither data nor binary_data_size"),
    ({"inputs": [{k: v for k, v in ROW.items() if k != "shape"}]}, "inputs[0] lacks the field shape"),
    ({}, "the body lacks the field inputs"),
    ([], "the body: expected object, got array"),
    ({"inputs": [ROW], MARKER: 1}, "the body has a field that the protocol does not know"),
    (refused({MARKER: 1}), "inputs[0] has a field that the protocol does not know"),
    (refused({}, outputs=[{"name": MARKER}]), "outputs[0] names no output of this model: it has 'same_features'"),
    (
        refused({}, outputs=[{"name": "same_features"}, {"name": "same_features"}]),
        "outputs[1] names an output that was named before",
    ),
    (refused({}, outputs=[{}]), "outputs[0] lacks the field name"),
    (
        refused({}, outputs=[{"name": "same_features", "parameters": {"classification": 3}}]),
        "outputs[0] has the parameter classification, which is not supported",
    ),
    (
        refused({"parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 8}}),
        "inputs[0] has the parameter shared_memory_region, which is not supported",
    ),
    (refused({}, id=7), "id: expected str | null, got int"),
    (refused({}, parameters=[]), "parameters: expected object | null, got array"),
]


@pytest.mark.parametrize(("asked", "said"), REFUSED)
def test_what_the_model_does_not_take_is_refused_in_one_sentence_that_names_the_place(asked: Any, said: str) -> None:
    asking = server()
    status, message = error_of(asking.infer(asked))
    assert status == 400
    assert message.startswith(said)
    assert MARKER not in message
    assert asking.counted.outcomes == [("1.0.0", "invalid")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"inputs":[',
        b'{"inputs":[]} x',
        b"\xff",
        b'{"id":"\xff","inputs":[]}',
        b'{"inputs":' + b"[" * 100_000,
        b'{"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","data":' + b"[" * 100_000,
        b'{"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","data":[1,' + b"9" * 5000 + b"]}]}",
    ],
)
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert error_of(server().infer(body))[0] == 400


def test_rows_must_be_as_many_in_every_input() -> None:
    asked = {"inputs": [tensor("b", "INT64", [1], [7]), TWO_ROWS[1]]}
    status, message = error_of(server(*TWO).infer(asked))
    assert (status, message.startswith("inputs[1].shape has another number of rows")) == (400, True)


def test_an_input_left_out_is_named() -> None:
    assert error_of(server(*TWO).infer({"inputs": TWO_ROWS[:1]})) == (400, "inputs lacks the model's input 'a'")


def test_no_value_of_a_request_comes_back_in_an_error() -> None:
    planted = tensor("x", "BYTES", [1, 2], [MARKER, MARKER])
    for asked in (
        {"inputs": [{**planted, "datatype": "FP32"}]},
        {"inputs": [{**planted, "shape": [1, 3]}]},
        {"inputs": [{**planted, "data": [MARKER, 1]}]},
        {"inputs": [planted, {**planted, "name": MARKER}]},
        {"inputs": [planted], MARKER: {MARKER: MARKER}},
        {"inputs": [planted], "outputs": [{"name": MARKER}]},
        {"inputs": [planted], "parameters": MARKER},
        f'{{"inputs":[{MARKER}'.encode(),
    ):
        response = server(spec("x", "BYTES", -1, 2)).infer(asked)
        assert response.status == 400
        assert MARKER.encode() not in response.body
