"""One version's side of the protocol: a request checked against the inputs it takes, and its answer written.

Whatever is the same for every request of a version is prepared once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from contract.metadata import ModelMetadata, TensorSpec
from serving.model import Array
from serving.oip import binary, json_codec
from serving.oip.datatypes import bad_request, dtype_of
from serving.oip.json_codec import NO_DATA, DataReader, Extensions, InferRequest, Input, encode
from serving.oip.tensors import InputShape, Named, unsupported


class Inference(NamedTuple):
    """A request that may go to the model, and what its answer should hold."""

    inputs: dict[str, Array]
    outputs: list[tuple[OutputFormat, bool]]
    """Each with whether it goes out as binary data, in the order to answer."""
    id: str | None


class Answer(NamedTuple):
    body: bytes
    header_length: int | None
    """Bytes of JSON before the binary tensors; None where there are none."""


class InferenceFormat:
    """Reads requests to one version and writes its answers."""

    def __init__(self, metadata: ModelMetadata, *, max_rows: int) -> None:
        self.metadata = metadata
        self._inputs = Named("input", [InputFormat(spec, max_rows) for spec in metadata.inputs])
        self._outputs = Named("output", [OutputFormat(spec) for spec in metadata.outputs])
        self._all_json = [(output, False) for output in self._outputs.all]
        self._all_binary = [(output, True) for output in self._outputs.all]
        version = str(metadata.version)
        self._start = encode({"model_name": metadata.name, "model_version": version})[:-1]

    def read(self, body: bytes, header_length: bytes | None) -> Inference:
        """Raise Refused for whatever the version does not take; `header_length` is the extension's header."""
        end_of_json = binary.header_length(header_length, body)
        request = json_codec.read_request(body if end_of_json == len(body) else memoryview(body)[:end_of_json])
        arrays = self._read_inputs(request.inputs, body, end_of_json)
        return Inference(arrays, self._wanted(request), request.id)

    def write(self, inference: Inference, values: Mapping[str, Array]) -> Answer:
        parts = [self._start]
        if inference.id is not None:
            parts += (b',"id":', encode(inference.id))
        separator, tail = b',"outputs":[', list[bytes]()
        for output, as_binary in inference.outputs:
            parts.append(separator)
            separator = b","
            output.write(values[output.name], parts, tail if as_binary else None)
        parts.append(b"]}")
        head = b"".join(parts)
        if not tail:
            return Answer(head, None)
        return Answer(b"".join((head, *tail)), len(head))

    def _read_inputs(self, given: list[Input], body: bytes, start: int) -> dict[str, Array]:
        arrays: dict[str, Array] = {}
        for index, tensor in enumerate(given):
            expected = self._inputs.find(tensor.name, arrays, index)
            arrays[tensor.name], start = expected.read(tensor, index, body, start)
        self._inputs.check_complete(arrays)
        if start != len(body):
            raise bad_request("the body goes on after its last tensor: binary_data_size is too small")
        return arrays

    def _wanted(self, request: InferRequest) -> list[tuple[OutputFormat, bool]]:
        binary_by_default = request.parameters is not None and request.parameters.binary_data_output is True
        if not request.outputs:
            return self._all_binary if binary_by_default else self._all_json
        wanted: dict[str, tuple[OutputFormat, bool]] = {}
        for index, asked in enumerate(request.outputs):
            output = self._outputs.find(asked.name, wanted, index)
            as_binary = binary_by_default
            if asked.parameters is not None:
                _refuse_extensions(asked.parameters, f"outputs[{index}]")
                if asked.parameters.binary_data is not None:
                    as_binary = asked.parameters.binary_data
            wanted[asked.name] = (output, as_binary)
        return list(wanted.values())


class InputFormat(InputShape):
    """Checks one input's description, and makes an array of its data."""

    def __init__(self, spec: TensorSpec, max_rows: int) -> None:
        super().__init__(spec, max_rows)
        self._reader = DataReader(self.dtype, len(spec.shape))

    def read(self, tensor: Input, index: int, body: bytes, start: int) -> tuple[Array, int]:
        """The array, and where in the body the next binary tensor begins; raise Refused."""
        count = self.count(tensor.datatype, tensor.shape, index)
        size = None
        if tensor.parameters is not None:
            _refuse_extensions(tensor.parameters, f"inputs[{index}]")
            size = tensor.parameters.binary_data_size
        if size is None:
            return self._from_json(tensor, count, index), start
        where = f"inputs[{index}]"
        if tensor.data is not NO_DATA and bytes(tensor.data) != b"null":
            raise bad_request(f"{where} has both data and binary_data_size: send one of them")
        flat = binary.read_tensor(body, start, size, self.dtype, count, where)
        return flat.reshape(tensor.shape), start + size

    def _from_json(self, tensor: Input, count: int, index: int) -> Array:
        where = f"inputs[{index}].data"
        if tensor.data is NO_DATA:
            raise bad_request(f"inputs[{index}] has neither data nor binary_data_size")
        return self._reader.read(tensor.data, tensor.shape, count, where)


class OutputFormat:
    """Writes one output of a version."""

    def __init__(self, spec: TensorSpec) -> None:
        self.name = spec.name
        self._dtype = dtype_of(spec.datatype)
        self._start = encode({"name": spec.name, "datatype": spec.datatype})[:-1] + b',"shape":'

    def write(self, array: Array, parts: list[bytes], tail: list[bytes] | None) -> None:
        """Append the description to `parts`, with the data in it or, where there is a `tail`, as bytes to that."""
        parts += (self._start, encode(array.shape))
        if tail is None:
            # NaN and infinity become null, as JSON has no word for them.
            parts += (b',"data":', encode(array.ravel().tolist()), b"}")
            return
        data = binary.write_tensor(array, self._dtype)
        tail.append(data)
        parts.append(b',"parameters":{"binary_data_size":%d}}' % len(data))


def _refuse_extensions(parameters: Extensions, where: str) -> None:
    for name in Extensions.__struct_fields__:
        if getattr(parameters, name) is not NO_DATA:
            raise unsupported(where, name)
