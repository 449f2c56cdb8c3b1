"""Inference over gRPC: tensors raw and typed, what comes back, and what is refused by which words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from serving.rpc import open_inference_pb2 as pb
from tests.serving.oip_versions import MAX_ROWS, Echo, dtype, metadata_of, raw, raw_values, spec
from tests.serving.rpc_server import RpcServing, infer_request, tensor
from tests.serving.test_oip_infer import EXTREMES, MARKER

FEATURES = spec("features", "FP32", -1, 2)
TWO_ROWS = [tensor("b", "INT64", [2]), tensor("a", "FP32", [2, 2])]
TWO_RAW = [raw([7, 8], "INT64"), raw([1, 2, 3, 4], "FP32")]
ROW, ROW_RAW = tensor("features", "FP32", [1, 2]), raw([1.5, 2], "FP32")
FIELDS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


@pytest.fixture(scope="module")
def every_type() -> Iterator[tuple[RpcServing, dict[str, Echo]]]:
    """A model for each datatype, called like it, that takes rows of two."""
    echoes = {name: Echo(metadata_of(spec("x", name, -1, 2), name=name)) for name, _ in EXTREMES}
    with RpcServing(*echoes.values()) as serving:
        yield serving, echoes


@pytest.fixture(scope="module")
def serving() -> Iterator[RpcServing]:
    """The models `echo`, of one input, and `two`, of two."""
    two = metadata_of(spec("a", "FP32", -1, 2), spec("b", "INT64", -1), name="two")
    with RpcServing(Echo(metadata_of(FEATURES)), Echo(two)) as started:
        yield started


def refused(serving: RpcServing, message: Any) -> str:
    """The words of a request that is the client's mistake."""
    code, said, _ = serving.refusal("ModelInfer", message)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    return said


def raw_outputs(answer: pb.ModelInferResponse) -> dict[str, Any]:
    assert len(answer.raw_output_contents) == len(answer.outputs)
    pairs = zip(answer.outputs, answer.raw_output_contents, strict=True)
    return {output.name: raw_values(data, output.datatype).reshape(output.shape) for output, data in pairs}


@pytest.mark.parametrize(("datatype", "row"), EXTREMES)
def test_raw_tensors_of_every_datatype_come_through_with_their_extreme_values(
    every_type: tuple[RpcServing, dict[str, Echo]], datatype: str, row: list[Any]
) -> None:
    serving, echoes = every_type
    values = np.array([row, row[::-1]], dtype=dtype(datatype))
    message = infer_request(tensor("x", datatype, [2, 2]), raw=[raw(values, datatype)], model_name=datatype)
    answer, _ = serving.call("ModelInfer", message)
    np.testing.assert_array_equal(echoes[datatype].given["x"], values)
    assert (answer.outputs[0].datatype, answer.outputs[0].HasField("contents")) == (datatype, False)
    np.testing.assert_array_equal(raw_outputs(answer)["same_x"], values)


@pytest.mark.parametrize(("datatype", "row"), [pair for pair in EXTREMES if pair[0] != "FP16"])
def test_typed_tensors_of_every_datatype_that_has_a_field_come_through_and_are_answered_typed(
    every_type: tuple[RpcServing, dict[str, Echo]], datatype: str, row: list[Any]
) -> None:
    serving, echoes = every_type
    values = row + row[::-1]
    sent = [text.encode() for text in values] if datatype == "BYTES" else values
    message = infer_request(tensor("x", datatype, [2, 2], **{FIELDS[datatype]: sent}), model_name=datatype)
    answer, _ = serving.call("ModelInfer", message)
    expected = np.array(values, dtype=dtype(datatype)).reshape(2, 2)
    given = echoes[datatype].given["x"]
    assert given.dtype == expected.dtype
    np.testing.assert_array_equal(given, expected)
    assert (list(answer.outputs[0].shape), len(answer.raw_output_contents)) == ([2, 2], 0)
    back = list(getattr(answer.outputs[0].contents, FIELDS[datatype]))
    np.testing.assert_array_equal(np.array(back, dtype(datatype)), np.array(sent, dtype(datatype)))


def test_half_precision_goes_raw_alone(every_type: tuple[RpcServing, dict[str, Echo]]) -> None:
    said = refused(every_type[0], infer_request(tensor("x", "FP16", [1, 2], fp32_contents=[1, 2]), model_name="FP16"))
    assert said == "inputs[0] is FP16, which goes as raw_input_contents alone"


def test_an_answer_with_half_precision_in_it_is_raw_whatever_the_request_was() -> None:
    outputs = (spec("same_x", "FP32", -1, 1), spec("half", "FP16", -1, 1))

    class Halved(Echo):
        def predict(self, inputs: Any) -> Any:
            return {**super().predict(inputs), "half": (inputs["x"] / 2).astype(np.float16)}

    with RpcServing(Halved(metadata_of(spec("x", "FP32", -1, 1), outputs=outputs))) as serving:
        typed = tensor("x", "FP32", [1, 1], fp32_contents=[3])
        both = raw_outputs(serving.call("ModelInfer", infer_request(typed))[0])
        assert {name: array.tolist() for name, array in both.items()} == {"same_x": [[3]], "half": [[1.5]]}
        named = [pb.ModelInferRequest.InferRequestedOutputTensor(name="same_x")]
        alone, _ = serving.call("ModelInfer", infer_request(typed, outputs=named))
        assert list(alone.outputs[0].contents.fp32_contents) == [3]


def test_an_answer_names_the_version_and_echoes_the_id(serving: RpcServing) -> None:
    answer, trailers = serving.call("ModelInfer", infer_request(ROW, raw=[ROW_RAW], id="my id"))
    assert (answer.model_name, answer.model_version, answer.id) == ("echo", "1.0.0", "my id")
    assert trailers["x-model-version"] == "1.0.0"
    assert raw_outputs(answer)["same_features"].tolist() == [[1.5, 2]]
    without, _ = serving.call("ModelInfer", infer_request(ROW, raw=[ROW_RAW], model_version="1.0.0"))
    assert without.id == ""


def test_without_a_model_s_name_the_default_one_answers(serving: RpcServing) -> None:
    assert serving.call("ModelInfer", infer_request(ROW, raw=[ROW_RAW], model_name=""))[0].model_name == "echo"


def test_inputs_are_told_apart_by_name_and_outputs_come_as_asked_for(serving: RpcServing) -> None:
    two: dict[str, Any] = {"raw": TWO_RAW, "model_name": "two"}
    everything = raw_outputs(serving.call("ModelInfer", infer_request(*TWO_ROWS, **two))[0])
    assert {name: array.tolist() for name, array in everything.items()} == {
        "same_a": [[1, 2], [3, 4]],
        "same_b": [7, 8],
    }
    names = [pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in ("same_b", "same_a")]
    asked = raw_outputs(serving.call("ModelInfer", infer_request(*TWO_ROWS, outputs=names, **two))[0])
    assert list(asked) == ["same_b", "same_a"]


def parameter(**choice: Any) -> pb.InferParameter:
    return pb.InferParameter(**choice)


def test_parameters_that_are_not_known_are_read_past(serving: RpcServing) -> None:
    row = tensor("features", "FP32", [1, 2])
    row.parameters["content_type"].string_param = "np"
    message = infer_request(row, raw=[ROW_RAW], parameters={"priority": parameter(uint64_param=3)})
    assert raw_outputs(serving.call("ModelInfer", message)[0])["same_features"].tolist() == [[1.5, 2]]


REFUSED: list[tuple[Any, str]] = [
    (infer_request(ROW, raw=[ROW_RAW[:-1]]), "inputs[0] has 7 bytes of raw contents, its shape and datatype need 8"),
    (infer_request(ROW, raw=[ROW_RAW + b"0"]), "inputs[0] has 9 bytes of raw contents"),
    (infer_request(ROW, raw=[b""]), "inputs[0] has 0 bytes of raw contents"),
    (infer_request(ROW, raw=[raw([np.nan, 1], "FP32")]), "inputs[0] holds NaN or an infinite value"),
    (infer_request(ROW, raw=[raw([np.inf, 1], "FP32")]), "inputs[0] holds NaN or an infinite value"),
    (infer_request(ROW, raw=[ROW_RAW, ROW_RAW]), "raw_input_contents has 2 tensors and inputs has 1"),
    (infer_request(raw=[ROW_RAW]), "raw_input_contents has 1 tensors and inputs has 0"),
    (infer_request(ROW), "inputs[0].contents.fp32_contents has 0 values, its shape needs 2"),
    (infer_request(), "inputs lacks the model's input 'features'"),
    (infer_request(ROW, ROW, raw=[ROW_RAW] * 2), "inputs[1] names an input that was given before"),
    (
        infer_request(tensor(MARKER, "FP32", [1, 2]), raw=[ROW_RAW]),
        "inputs[0] names no input of this model: it takes 'features'",
    ),
    (infer_request(tensor("features", "FP64", [1, 2]), raw=[ROW_RAW]), "inputs[0].datatype must be FP32"),
    (infer_request(tensor("features", MARKER, [1, 2]), raw=[ROW_RAW]), "inputs[0].datatype must be FP32"),
    (infer_request(tensor("features", "FP32", [2, 1]), raw=[ROW_RAW]), "inputs[0].shape must be [-1, 2]"),
    (infer_request(tensor("features", "FP32", [2]), raw=[ROW_RAW]), "inputs[0].shape must be [-1, 2]"),
    (infer_request(tensor("features", "FP32", []), raw=[ROW_RAW]), "inputs[0].shape must be [-1, 2]"),
    (infer_request(tensor("features", "FP32", [0, 2]), raw=[b""]), "inputs[0].shape must be [-1, 2]"),
    (infer_request(tensor("features", "FP32", [-1, 2]), raw=[ROW_RAW]), "inputs[0].shape must be [-1, 2]"),
    (
        infer_request(tensor("features", "FP32", [2**62, 2]), raw=[ROW_RAW]),
        f"inputs[0].shape has more rows than the {MAX_ROWS} allowed",
    ),
    (
        infer_request(tensor("features", "FP32", [1, 2], fp32_contents=[1, 2]), raw=[ROW_RAW]),
        "inputs[0] has contents besides raw_input_contents",
    ),
    (
        infer_request(tensor("features", "FP32", [1, 2], fp64_contents=[1, 2])),
        "inputs[0].contents.fp32_contents has 0 values",
    ),
    (
        infer_request(tensor("features", "FP32", [1, 2], fp32_contents=[1, 2], int_contents=[1])),
        "inputs[0].contents.fp32_contents is not the only field",
    ),
    (
        infer_request(tensor("features", "FP32", [1, 2], fp32_contents=[1, float("nan")])),
        "inputs[0].contents.fp32_contents holds NaN or an infinite value",
    ),
    (
        infer_request(ROW, raw=[ROW_RAW], outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name=MARKER)]),
        "outputs[0] names no output of this model: it has 'same_features'",
    ),
    (
        infer_request(
            ROW, raw=[ROW_RAW], outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="same_features")] * 2
        ),
        "outputs[1] names an output that was named before",
    ),
    (
        infer_request(
            ROW,
            raw=[ROW_RAW],
            outputs=[
                pb.ModelInferRequest.InferRequestedOutputTensor(
                    name="same_features", parameters={"classification": parameter(int64_param=3)}
                )
            ],
        ),
        "outputs[0] has the parameter classification, which is not supported",
    ),
    (
        infer_request(
            pb.ModelInferRequest.InferInputTensor(
                name="features",
                datatype="FP32",
                shape=[1, 2],
                parameters={"shared_memory_region": parameter(string_param="r")},
            )
        ),
        "inputs[0] has the parameter shared_memory_region, which is not supported",
    ),
    (b"\xff\xff", "the call's bytes are no ModelInferRequest"),
    (infer_request(ROW, raw=[ROW_RAW]).SerializeToString()[:-1], "the call's bytes are no ModelInferRequest"),
]


@pytest.mark.parametrize(("message", "said"), REFUSED)
def test_what_the_model_does_not_take_is_an_invalid_argument_that_names_the_place(
    serving: RpcServing, message: Any, said: str
) -> None:
    words = refused(serving, message)
    assert words.startswith(said)
    assert MARKER not in words


@pytest.mark.parametrize(
    ("datatype", "values"), [("INT8", [0, 128]), ("INT16", [0, -(2**15) - 1]), ("UINT8", [0, 256])]
)
def test_a_number_beyond_its_datatype_is_refused(
    every_type: tuple[RpcServing, dict[str, Echo]], datatype: str, values: list[int]
) -> None:
    message = infer_request(tensor("x", datatype, [1, 2], **{FIELDS[datatype]: values}), model_name=datatype)
    assert refused(every_type[0], message).endswith(f"holds a number beyond the range of {datatype}")


@pytest.mark.parametrize(
    ("datatype", "data", "said"),
    [
        ("BOOL", b"\x01\x02", "inputs[0] holds a byte that is neither 0 nor 1"),
        ("BYTES", b"\x01\x00\x00\x00a", "inputs[0] does not hold exactly the elements of its shape"),
        ("BYTES", b"\x01\x00\x00\x00a\xff\xff\xff\xffb", "inputs[0] does not hold exactly the elements of its shape"),
        ("BYTES", b"\x01\x00\x00\x00a\x01\x00", "inputs[0] does not hold exactly the elements of its shape"),
        ("BYTES", b"\x01\x00\x00\x00a\x01\x00\x00\x00\xff", "inputs[0][1] is not UTF-8"),
        ("FP16", raw([np.nan, 0], "FP16"), "inputs[0] holds NaN or an infinite value"),
    ],
)
def test_raw_bytes_that_are_no_such_tensor_are_refused(
    every_type: tuple[RpcServing, dict[str, Echo]], datatype: str, data: bytes, said: str
) -> None:
    message = infer_request(tensor("x", datatype, [1, 2]), raw=[data], model_name=datatype)
    assert refused(every_type[0], message).startswith(said)


def test_typed_bytes_that_are_not_utf_8_are_refused(every_type: tuple[RpcServing, dict[str, Echo]]) -> None:
    message = infer_request(tensor("x", "BYTES", [1, 2], bytes_contents=[b"a", b"\xff"]), model_name="BYTES")
    assert refused(every_type[0], message).startswith("inputs[0].contents.bytes_contents[1] is not UTF-8")


def test_rows_must_be_as_many_in_every_input(serving: RpcServing) -> None:
    message = infer_request(
        tensor("b", "INT64", [1]), TWO_ROWS[1], raw=[raw([7], "INT64"), TWO_RAW[1]], model_name="two"
    )
    assert refused(serving, message).startswith("inputs[1].shape has another number of rows")
    left_out = infer_request(TWO_ROWS[0], raw=TWO_RAW[:1], model_name="two")
    assert refused(serving, left_out) == "inputs lacks the model's input 'a'"


def test_a_model_that_fails_is_an_internal_error_without_its_words_and_the_next_call_is_answered() -> None:
    echo = Echo(metadata_of(FEATURES))
    with RpcServing(echo) as serving:
        echo.broken = True
        code, said, trailers = serving.refusal("ModelInfer", infer_request(ROW, raw=[ROW_RAW]))
        assert (code, said.startswith("the model could not answer")) == (grpc.StatusCode.INTERNAL, True)
        assert trailers["x-model-version"] == "1.0.0"
        echo.broken = False
        serving.call("ModelInfer", infer_request(ROW, raw=[ROW_RAW]))
        assert serving.counted.outcomes == [("1.0.0", "failed"), ("1.0.0", "ok")]


def test_an_output_that_is_not_finite_stays_what_it_is_in_both_forms() -> None:
    class Divided(Echo):
        def predict(self, inputs: Any) -> Any:
            return {"same_features": np.array([[np.nan, np.inf]], dtype=np.float32)}

    with RpcServing(Divided(metadata_of(FEATURES))) as serving:
        as_raw, _ = serving.call("ModelInfer", infer_request(ROW, raw=[ROW_RAW]))
        np.testing.assert_array_equal(raw_outputs(as_raw)["same_features"], [[np.nan, np.inf]])
        typed, _ = serving.call("ModelInfer", infer_request(tensor("features", "FP32", [1, 2], fp32_contents=[1, 2])))
        np.testing.assert_array_equal(list(typed.outputs[0].contents.fp32_contents), [np.nan, np.inf])
