"""Inference over gRPC: tensors raw and typed, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from serving.rpc import open_inference_pb2 as pb
from tests.serving.oip_versions import Echo, dtype, metadata_of, raw, raw_values, spec
from tests.serving.rpc_server import RpcServing, infer_request, tensor
from tests.serving.rpc_tensors import FEATURES, FIELDS, ROW, ROW_RAW, TWO_RAW, TWO_ROWS, parameter
from tests.serving.test_oip_infer import EXTREMES


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


def test_parameters_that_are_not_known_are_read_past(serving: RpcServing) -> None:
    row = tensor("features", "FP32", [1, 2])
    row.parameters["content_type"].string_param = "np"
    message = infer_request(row, raw=[ROW_RAW], parameters={"priority": parameter(uint64_param=3)})
    assert raw_outputs(serving.call("ModelInfer", message)[0])["same_features"].tolist() == [[1.5, 2]]


def test_an_output_that_is_not_finite_stays_what_it_is_in_both_forms() -> None:
    class Divided(Echo):
        def predict(self, inputs: Any) -> Any:
            return {"same_features": np.array([[np.nan, np.inf]], dtype=np.float32)}

    with RpcServing(Divided(metadata_of(FEATURES))) as serving:
        as_raw, _ = serving.call("ModelInfer", infer_request(ROW, raw=[ROW_RAW]))
        np.testing.assert_array_equal(raw_outputs(as_raw)["same_features"], [[np.nan, np.inf]])
        typed, _ = serving.call("ModelInfer", infer_request(tensor("features", "FP32", [1, 2], fp32_contents=[1, 2])))
        np.testing.assert_array_equal(list(typed.outputs[0].contents.fp32_contents), [np.nan, np.inf])
