"""The binary tensor extension: raw tensors after the JSON, in requests and answers, alone and mixed with JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from serving.model import NUMPY_TYPES, Array, Model
from tests.serving.oip_versions import (
    Echo,
    Server,
    binary_tensor,
    dtype,
    error_of,
    metadata_of,
    raw,
    spec,
    tensor,
    tensors_of,
)
from tests.serving.test_oip_infer import EXTREMES, FEATURES, MARKER, ROW, TWO

ONE_ROW = raw([[1.5, 2]], "FP32")
HEADER = b"inference-header-content-length"
BINARY_OUT = {"parameters": {"binary_data_output": True}}


def ask(data: bytes, size: int | None = None, /, **change: Any) -> dict[str, Any]:
    return {"inputs": [{**binary_tensor("features", "FP32", [1, 2], len(data) if size is None else size), **change}]}


@pytest.mark.parametrize(("datatype", "row"), EXTREMES)
def test_every_datatype_comes_through_as_bytes(datatype: str, row: list[Any]) -> None:
    echo = Echo(metadata_of(spec("x", datatype, -1, 2)))
    data = raw([row, row[::-1]], datatype)
    asked = {"inputs": [binary_tensor("x", datatype, [2, 2], len(data))], **BINARY_OUT}
    response = Server(echo).infer(asked, data)
    np.testing.assert_array_equal(echo.given["x"], np.array([row, row[::-1]], dtype=dtype(datatype)))
    np.testing.assert_array_equal(tensors_of(response)["same_x"], echo.given["x"])
    assert response.body.endswith(data)


def test_an_answer_with_bytes_tells_where_its_json_ends() -> None:
    response = Server(Echo(metadata_of(FEATURES))).infer({**ask(ONE_ROW), **BINARY_OUT}, ONE_ROW)
    end = int(dict(response.headers)[HEADER])
    assert json.loads(response.body[:end])["outputs"] == [
        {"name": "same_features", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    ]
    assert response.body[end:] == ONE_ROW
    assert response.content_type == b"application/octet-stream"


def test_bytes_and_json_may_be_mixed_in_a_request_and_in_its_answer() -> None:
    asked = {
        "inputs": [tensor("b", "INT64", [1], [7]), binary_tensor("a", "FP32", [1, 2], 8)],
        "outputs": [{"name": "same_a"}, {"name": "same_b", "parameters": {"binary_data": True}}],
    }
    response = Server(Echo(metadata_of(*TWO))).infer(asked, ONE_ROW)
    assert {name: array.tolist() for name, array in tensors_of(response).items()} == {
        "same_a": [[1.5, 2]],
        "same_b": [7],
    }
    assert response.body.endswith(b"]}" + raw([7], "INT64"))


def test_tensors_follow_each_other_in_the_order_of_the_inputs() -> None:
    asked = {"inputs": [binary_tensor("b", "INT64", [1], 8), binary_tensor("a", "FP32", [1, 2], 8)]}
    answer = tensors_of(Server(Echo(metadata_of(*TWO))).infer(asked, raw([7], "INT64"), ONE_ROW))
    assert (answer["same_a"].tolist(), answer["same_b"].tolist()) == ([[1.5, 2]], [7])


def test_an_output_s_own_wish_goes_before_that_of_the_request() -> None:
    wishes = [{"name": "same_a", "parameters": {"binary_data": False}}, {"name": "same_b"}]
    asked = {"inputs": [tensor("a", "FP32", [1, 2], [1, 2]), tensor("b", "INT64", [1], [7])], "outputs": wishes}
    response = Server(Echo(metadata_of(*TWO))).infer({**asked, **BINARY_OUT})
    head = json.loads(response.body[: int(dict(response.headers)[HEADER])])
    assert ["data" in output for output in head["outputs"]] == [True, False]


def test_numbers_share_the_memory_of_the_body_and_are_aligned() -> None:
    echo = Echo(metadata_of(FEATURES))
    shared = 0
    for padding in range(8):
        # The id shifts where the tensor begins by a byte at a time.
        response = Server(echo).infer({**ask(ONE_ROW), "id": "x" * padding}, ONE_ROW)
        assert response.status == 200
        array = echo.given["features"]
        assert array.flags.aligned
        shared += array.base is not None and not array.flags.writeable
    assert shared >= 1


@pytest.mark.parametrize(
    ("asked", "data", "said"),
    [
        (ask(ONE_ROW), ONE_ROW[:-1], "inputs[0] has fewer bytes in the body than its binary_data_size"),
        (ask(ONE_ROW), ONE_ROW + b"\0", "the body goes on after its last tensor"),
        (ask(ONE_ROW, 7), ONE_ROW, "inputs[0] has a binary_data_size of 7, its shape and datatype need 8"),
        (ask(ONE_ROW * 2), ONE_ROW * 2, "inputs[0] has a binary_data_size of 16, its shape and datatype need 8"),
        (ask(ONE_ROW, 0), ONE_ROW, "inputs[0] has a binary_data_size of 0, its shape and datatype need 8"),
        (ask(ONE_ROW, -8), ONE_ROW, "inputs[0].parameters.binary_data_size is beyond the range"),
        (ask(ONE_ROW, 2**62), ONE_ROW, "inputs[0] has fewer bytes in the body"),
        (ask(ONE_ROW, 2**80), ONE_ROW, "inputs[0].parameters.binary_data_size is beyond the range"),
        (ask(ONE_ROW, shape=[2, 2]), ONE_ROW, "inputs[0] has a binary_data_size of 8, its shape and datatype need 16"),
        (ask(ONE_ROW, data=[1, 2]), ONE_ROW, "inputs[0] has both data and binary_data_size"),
        (ask(ONE_ROW, parameters={"binary_data_size": "8"}), ONE_ROW, "inputs[0].parameters.binary_data_size: exp"),
        (ask(raw([1, np.nan], "FP32")), raw([1, np.nan], "FP32"), "inputs[0] holds NaN or an infinite value"),
        (ask(raw([1, -np.inf], "FP32")), raw([1, -np.inf], "FP32"), "inputs[0] holds NaN or an infinite value"),
        ({"inputs": [ROW]}, ONE_ROW, "the body goes on after its last tensor"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(asked: Any, data: bytes, said: str) -> None:
    status, message = error_of(Server(Echo(metadata_of(FEATURES))).infer(asked, data))
    assert status == 400
    assert message.startswith(said)


@pytest.mark.parametrize(("datatype", "large"), [("FP16", 60000), ("FP32", 3e38), ("FP64", 1.7e308)])
def test_a_finite_value_whose_square_is_not_is_taken_and_one_that_is_infinite_refused(
    datatype: str, large: float
) -> None:
    for values, status in (([large, -large], 200), ([large, np.inf], 400), ([np.nan, large], 400)):
        data = raw(values, datatype)
        asked = {"inputs": [binary_tensor("x", datatype, [1, 2], len(data))]}
        assert Server(Echo(metadata_of(spec("x", datatype, -1, 2)))).infer(asked, data).status == status


def test_one_infinite_value_among_many_is_found() -> None:
    values = np.zeros((1, 10_000), np.float32)
    server = Server(Echo(metadata_of(spec("x", "FP32", -1, 10_000))))
    asked = {"inputs": [binary_tensor("x", "FP32", [1, 10_000], values.nbytes)]}
    assert server.infer(asked, values.tobytes()).status == 200
    values[0, 7777] = -np.inf
    assert error_of(server.infer(asked, values.tobytes()))[1].startswith("inputs[0] holds NaN or an infinite value")


@pytest.mark.parametrize(
    "header", [b"", b"-1", b"+5", b" 5", b"1e2", b"0x10", b"999", b"9999999", b"9" * 5000, b"\xb2"]
)
def test_a_length_of_the_json_that_is_none_is_refused(header: bytes) -> None:
    response = Server(Echo(metadata_of(FEATURES))).infer(ask(ONE_ROW), ONE_ROW, headers={HEADER: header})
    status, message = error_of(response)
    assert (status, message.startswith("Inference-Header-Content-Length must be")) == (400, True)


def test_bytes_without_the_length_of_the_json_are_refused_with_a_word_on_it() -> None:
    body = json.dumps(ask(ONE_ROW)).encode() + ONE_ROW
    status, message = error_of(Server(Echo(metadata_of(FEATURES))).infer(body))
    assert (status, "Inference-Header-Content-Length" in message) == (400, True)


def text(length: int, data: bytes) -> bytes:
    return length.to_bytes(4, "little") + data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (text(3, b"red"), "does not hold exactly the elements"),
        (text(3, b"red") + text(9, b"green"), "does not hold exactly the elements"),
        (text(3, b"red") + text(2**32 - 1, b"green"), "does not hold exactly the elements"),
        (text(3, b"red") + b"\5\0\0", "does not hold exactly the elements"),
        (text(3, b"red") + text(0, b"") + text(0, b""), "does not hold exactly the elements"),
        (text(3, b"red") + text(2, b"\xff\xfe"), "[1] is not UTF-8"),
        (b"", "does not hold exactly the elements"),
    ],
)
def test_texts_that_do_not_fit_their_lengths_are_refused(data: bytes, said: str) -> None:
    server = Server(Echo(metadata_of(spec("x", "BYTES", -1, 2))))
    status, message = error_of(server.infer({"inputs": [binary_tensor("x", "BYTES", [1, 2], len(data))]}, data))
    assert status == 400
    assert message.startswith("inputs[0]")
    assert said in message


def test_a_byte_that_is_no_truth_value_is_refused() -> None:
    server = Server(Echo(metadata_of(spec("x", "BOOL", -1, 2))))
    status, message = error_of(server.infer({"inputs": [binary_tensor("x", "BOOL", [1, 2], 2)]}, b"\1\2"))
    assert (status, "neither 0 nor 1" in message) == (400, True)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_request_spoilt_anywhere_is_answered_or_refused_and_never_breaks(data: st.DataObject) -> None:
    document = {
        "id": MARKER,
        "inputs": [binary_tensor("b", "INT64", [2], 16), tensor("a", "FP32", [2, 2], [1, 2, 3, 4])],
    }
    body = bytearray(json.dumps({**document, **BINARY_OUT}).encode())
    header = str(len(body)).encode()
    body += raw([7, 8], "INT64")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        cut = data.draw(st.integers(0, 3))
        body[at : at + cut] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"[", b"]", b"-", b"9", b'"', b"null"])
        )
    header = data.draw(st.just(header) | st.integers(0, 300).map(lambda n: str(n).encode()))
    response = Server(Echo(metadata_of(*TWO))).infer(bytes(body), headers={HEADER: header})
    assert response.status in (200, 400)
    if response.status == 400:
        assert MARKER not in error_of(response)[1]


@given(
    rows=st.lists(
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
        min_size=1,
        max_size=10,
    )
)
@settings(max_examples=100, deadline=None)
def test_json_and_bytes_give_the_model_the_same_array(rows: list[list[float]]) -> None:
    echo = Echo(metadata_of(FEATURES))
    server, shape, data = Server(echo), [len(rows), 2], raw(rows, "FP32")
    assert server.infer({"inputs": [tensor("features", "FP32", shape, rows)]}).status == 200
    from_json = echo.given["features"]
    assert server.infer({"inputs": [binary_tensor("features", "FP32", shape, len(data))]}, data).status == 200
    assert echo.given["features"].tobytes() == from_json.tobytes() == data


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A real model with an input and an output of every datatype that a version may have."""
    types = {"FP16": "FLOAT16", "FP32": "FLOAT", "FP64": "DOUBLE", "BYTES": "STRING"}
    tensors = {
        name: [
            helper.make_tensor_value_info(prefix + name, TensorProto.DataType.Value(types.get(name, name)), ["rows", 2])
            for prefix in ("", "same_")
        ]
        for name in NUMPY_TYPES
    }
    nodes = [helper.make_node("Identity", [name], [f"same_{name}"]) for name in tensors]
    graph = helper.make_graph(nodes, "identity", [t[0] for t in tensors.values()], [t[1] for t in tensors.values()])
    path = tmp_path_factory.mktemp("identity") / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return Model.load(metadata_of(*(spec(name, name, -1, 2) for name in NUMPY_TYPES)), Path(path))


@pytest.mark.parametrize("padding", range(8))
def test_the_runtime_takes_the_arrays_of_every_datatype_wherever_they_begin(identity: Model, padding: int) -> None:
    class Served(Echo):
        def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
            return identity.predict(inputs)

    rows = {name: [row] for name, row in EXTREMES}
    data = {name: raw(row, name) for name, row in rows.items()}
    asked = {
        "id": "x" * padding,
        "inputs": [binary_tensor(name, name, [1, 2], len(data[name])) for name in rows],
        **BINARY_OUT,
    }
    answer = tensors_of(Server(Served(identity.metadata)).infer(asked, *data.values()))
    for name, row in rows.items():
        np.testing.assert_array_equal(answer[f"same_{name}"], np.array(row, dtype=dtype(name)))
