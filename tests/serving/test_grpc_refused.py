"""Inference over gRPC that is refused: by which words, and that none of them is the caller's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
import pytest

from serving.rpc import open_inference_pb2 as pb
from tests.serving.oip_versions import MAX_ROWS, Echo, metadata_of, raw, spec
from tests.serving.rpc_server import RpcServing, infer_request, tensor
from tests.serving.rpc_tensors import FEATURES, FIELDS, ROW, ROW_RAW, TWO_RAW, TWO_ROWS, parameter
from tests.serving.test_oip_infer import EXTREMES, MARKER


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


def test_half_precision_goes_raw_alone(every_type: tuple[RpcServing, dict[str, Echo]]) -> None:
    said = refused(every_type[0], infer_request(tensor("x", "FP16", [1, 2], fp32_contents=[1, 2]), model_name="FP16"))
    assert said == "inputs[0] is FP16, which goes as raw_input_contents alone"


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
