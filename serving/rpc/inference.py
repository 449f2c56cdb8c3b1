"""One version's side of the protocol over gRPC: a message checked against the inputs it takes, and its answer written.

An answer's tensors are raw where the request's were, and typed where they were typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np

from contract.metadata import TensorSpec
from serving.answering import Question
from serving.loaded import LoadedVersion
from serving.messages import Request
from serving.model import Array
from serving.oip import binary
from serving.oip.datatypes import bad_request, dtype_of
from serving.oip.json_codec import Extensions
from serving.oip.tensors import InputShape, Named, unsupported
from serving.rpc.calls import Call
from serving.rpc.open_inference_pb2 import InferTensorContents, ModelInferRequest, ModelInferResponse

InputTensor = ModelInferRequest.InferInputTensor
OutputTensor = ModelInferResponse.InferOutputTensor

# By the comments of InferTensorContents, which has no field for FP16.
_FIELDS: Mapping[str, tuple[str, type[np.generic]]] = {
    "BOOL": ("bool_contents", np.bool_),
    "UINT8": ("uint_contents", np.uint32),
    "UINT16": ("uint_contents", np.uint32),
    "UINT32": ("uint_contents", np.uint32),
    "UINT64": ("uint64_contents", np.uint64),
    "INT8": ("int_contents", np.int32),
    "INT16": ("int_contents", np.int32),
    "INT32": ("int_contents", np.int32),
    "INT64": ("int64_contents", np.int64),
    "FP32": ("fp32_contents", np.float32),
    "FP64": ("fp64_contents", np.float64),
    "BYTES": ("bytes_contents", np.object_),
}
_REFUSED_PARAMETERS = Extensions.__struct_fields__


class Asked(NamedTuple):
    """What the answer to a request should hold."""

    outputs: list[OutputFormat]
    raw: bool
    id: str


class RpcFormat:
    """Reads the messages to one version and writes its answers."""

    def __init__(self, predictor: LoadedVersion, max_rows: int) -> None:
        metadata = predictor.metadata
        self._name, self._version = predictor.name, predictor.version
        self._inputs = Named("input", [InputFormat(spec, max_rows) for spec in metadata.inputs])
        self._outputs = Named("output", [OutputFormat(spec) for spec in metadata.outputs])

    def read(self, request: Request) -> Question:
        """Raise Refused for whatever the version does not take."""
        message = cast("Call[ModelInferRequest]", request).message
        raw = message.raw_input_contents
        if raw and len(raw) != len(message.inputs):
            raise bad_request(
                f"raw_input_contents has {len(raw)} tensors and inputs has {len(message.inputs)}: send one for each"
            )
        arrays: dict[str, Array] = {}
        for index, tensor in enumerate(message.inputs):
            expected = self._inputs.find(tensor.name, arrays, index)
            _refuse_extensions(tensor.parameters, f"inputs[{index}]")
            arrays[tensor.name] = expected.read(tensor, index, raw[index] if raw else None)
        self._inputs.check_complete(arrays)
        outputs = self._wanted(message)
        # All tensors of an answer are raw or none is, and some datatypes can only be raw.
        as_raw = bool(raw) or any(output.raw_only for output in outputs)
        return Question(arrays, Asked(outputs, as_raw, message.id))

    def write(self, question: Question, outputs: Mapping[str, Array]) -> ModelInferResponse:
        asked = cast(Asked, question.context)
        answer = ModelInferResponse(model_name=self._name, model_version=self._version, id=asked.id)
        for output in asked.outputs:
            output.write(outputs[output.name], answer, raw=asked.raw)
        return answer

    def flavour(self, request: Request) -> None:
        """Answers are messages, which are not kept."""

    def _wanted(self, message: ModelInferRequest) -> list[OutputFormat]:
        if not message.outputs:
            return list(self._outputs.all)
        wanted: dict[str, OutputFormat] = {}
        for index, asked in enumerate(message.outputs):
            wanted[asked.name] = self._outputs.find(asked.name, wanted, index)
            _refuse_extensions(asked.parameters, f"outputs[{index}]")
        return list(wanted.values())


class InputFormat(InputShape):
    """Checks one input's description, and makes an array of its data."""

    def read(self, tensor: InputTensor, index: int, raw: bytes | None) -> Array:
        shape = list(tensor.shape)
        count = self.count(tensor.datatype, shape, index)
        where = f"inputs[{index}]"
        if raw is None:
            return self._typed(tensor.contents, count, where).reshape(shape)
        if tensor.HasField("contents") and tensor.contents.ByteSize():
            raise bad_request(f"{where} has contents besides raw_input_contents: send one of them")
        if self.dtype.kind != "O" and len(raw) != count * self.dtype.itemsize:
            needed = count * self.dtype.itemsize
            raise bad_request(f"{where} has {len(raw)} bytes of raw contents, its shape and datatype need {needed}")
        return binary.read_tensor(raw, 0, len(raw), self.dtype, count, where).reshape(shape)

    def _typed(self, contents: InferTensorContents, count: int, where: str) -> Array:
        if self.datatype not in _FIELDS:
            raise bad_request(f"{where} is {self.datatype}, which goes as raw_input_contents alone")
        field, dtype = _FIELDS[self.datatype]
        where = f"{where}.contents.{field}"
        values = cast("list[Any]", getattr(contents, field))
        if len(values) != count:
            raise bad_request(f"{where} has {len(values)} values, its shape needs {count}")
        if len(contents.ListFields()) > 1:
            raise bad_request(f"{where} is not the only field of the contents, as {self.datatype} needs")
        if self.dtype.kind == "O":
            return _texts(values, where)
        wide = np.fromiter(values, dtype, count)
        array = wide.astype(self.dtype)
        if self.dtype.kind in "iu" and not np.array_equal(array, wide):
            raise bad_request(f"{where} holds a number beyond the range of {self.datatype}")
        # What else a datatype forbids, raw tensors are checked for.
        return binary.read_tensor(array.tobytes(), 0, array.nbytes, self.dtype, count, where)


class OutputFormat:
    """Writes one output of a version."""

    def __init__(self, spec: TensorSpec) -> None:
        self.name = spec.name
        self.raw_only = spec.datatype not in _FIELDS
        self._datatype = spec.datatype
        self._dtype = dtype_of(spec.datatype)
        self._field = None if self.raw_only else _FIELDS[spec.datatype][0]

    def write(self, array: Array, answer: ModelInferResponse, *, raw: bool) -> None:
        """Add the output to the answer."""
        tensor = answer.outputs.add(name=self.name, datatype=self._datatype, shape=array.shape)
        if raw or self._field is None:
            answer.raw_output_contents.append(binary.write_tensor(array, self._dtype))
            return
        values = array.ravel().tolist()
        if self._dtype.kind == "O":
            values = [text.encode() for text in values]
        getattr(tensor.contents, self._field).extend(values)


def _texts(values: list[bytes], where: str) -> Array:
    texts = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        try:
            texts[index] = value.decode()
        except UnicodeDecodeError:
            raise bad_request(f"{where}[{index}] is not UTF-8, which this model's BYTES are") from None
    return texts


def _refuse_extensions(parameters: Mapping[str, object], where: str) -> None:
    if not parameters:
        return
    for name in _REFUSED_PARAMETERS:
        if name in parameters:
            raise unsupported(where, name)
