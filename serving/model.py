"""A model in memory: its metadata and an ONNX Runtime session that answers arrays. Knows neither HTTP nor S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt
import onnxruntime

from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import MODEL_FILE

Array = npt.NDArray[Any]

NUMPY_TYPES: Mapping[str, type[np.generic]] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
# ONNX Runtime's names of the element types that differ from `tensor(<numpy name>)`.
_ONNX_TYPES = {"FP32": "tensor(float)", "FP64": "tensor(double)", "BYTES": "tensor(string)"}

WARM_UP_ROWS = 2
# Another processor may round the last bits of a single-precision sum differently than the one that trained.
SAMPLE_RELATIVE_TOLERANCE = 1e-4
SAMPLE_ABSOLUTE_TOLERANCE = 1e-6


class ModelRefused(Exception):
    """The file is no model, or not the one its metadata describes; the message says in what they differ."""


class InferenceFailed(Exception):
    """The model could not answer these arrays. The cause may quote values, so it is for no log and no client."""


class _Tensor(Protocol):
    name: str
    type: str
    shape: Sequence[int | str | None]


class _Session(Protocol):
    def run(self, output_names: Sequence[str], input_feed: Mapping[str, Array]) -> Sequence[Array]: ...

    def get_inputs(self) -> Sequence[_Tensor]: ...

    def get_outputs(self) -> Sequence[_Tensor]: ...


class Model:
    """A version that was loaded, checked against its metadata and its sample, and warmed up."""

    def __init__(self, metadata: ModelMetadata, session: _Session) -> None:
        self.metadata = metadata
        self.version = str(metadata.version)
        self._session = session
        self._output_names = [output.name for output in metadata.outputs]

    @classmethod
    def load(cls, metadata: ModelMetadata, path: Path, *, threads: int = 1) -> Model:
        """Open the ONNX file; raise ModelRefused when it is not what the metadata says or misses its sample."""
        session = _open(path, threads)
        _check_tensors("input", metadata.inputs, session.get_inputs())
        _check_tensors("output", metadata.outputs, session.get_outputs())
        model = cls(metadata, session)
        try:
            model.predict({spec.name: _zeros(spec, WARM_UP_ROWS) for spec in metadata.inputs})
        except InferenceFailed as error:
            raise ModelRefused(f"{MODEL_FILE} of {metadata.name} {model.version} cannot answer: {error}") from error
        model._check_sample()
        return model

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name, in the order of the metadata; the first dimension of each array counts rows."""
        try:
            values = self._session.run(self._output_names, inputs)
        except Exception as error:
            # ONNX Runtime raises classes of its own that share no base below Exception.
            raise InferenceFailed(f"ONNX Runtime raised {type(error).__name__}") from error
        return dict(zip(self._output_names, values, strict=True))

    def _check_sample(self) -> None:
        sample = self.metadata.sample
        if sample is None:
            return
        named = f"the sample of {self.metadata.name} {self.version}"
        try:
            answers = self.predict(
                {spec.name: array_of(spec, sample.inputs[spec.name]) for spec in self.metadata.inputs}
            )
        except (KeyError, ValueError, OverflowError, InferenceFailed) as error:
            raise ModelRefused(f"{named} does not fit the model's inputs: {type(error).__name__}") from error
        for name, expected in sample.outputs.items():
            if name not in answers or not _same(answers[name], np.asarray(expected)):
                raise ModelRefused(f"{MODEL_FILE} does not answer {named} with the output {name!r} that it promises")


def array_of(spec: TensorSpec, rows: list[Any]) -> Array:
    """The rows as the input's type; raise ValueError or OverflowError where they have another shape or range."""
    array = np.asarray(rows, dtype=NUMPY_TYPES[spec.datatype])
    if len(array.shape) != len(spec.shape):
        raise ValueError(f"the input {spec.name!r} has {len(spec.shape)} dimensions, given were {len(array.shape)}")
    return array


def _open(path: Path, threads: int) -> _Session:
    options = cast(Any, onnxruntime).SessionOptions()
    # One request is one small computation: more threads than asked for would only wait for each other.
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelRefused(f"ONNX Runtime does not open {path.name}: {type(error).__name__}") from error
    return cast(_Session, session)


def _check_tensors(kind: str, promised: Sequence[TensorSpec], found: Sequence[_Tensor]) -> None:
    has = {tensor.name: tensor for tensor in found}
    if set(has) != {spec.name for spec in promised}:
        raise ModelRefused(
            f"{MODEL_FILE} has the {kind}s {sorted(has)}, its metadata names {[spec.name for spec in promised]}"
        )
    for spec in promised:
        tensor = has[spec.name]
        onnx_type = _ONNX_TYPES.get(spec.datatype, f"tensor({spec.datatype.lower()})")
        if tensor.type != onnx_type:
            raise ModelRefused(
                f"{MODEL_FILE} has type {tensor.type} for the {kind} {spec.name!r}, its metadata says {spec.datatype}"
            )
        if not _shapes_agree(spec.shape, tensor.shape):
            raise ModelRefused(
                f"{MODEL_FILE} has shape {list(tensor.shape)} for the {kind} {spec.name!r}, "
                f"its metadata says {list(spec.shape)}"
            )


def _shapes_agree(promised: Sequence[int], found: Sequence[int | str | None]) -> bool:
    # A size that ONNX leaves open is a name or None; some converters leave out the whole shape of an output.
    if not found:
        return True
    return len(promised) == len(found) and all(
        not isinstance(size, int) or size == wanted for wanted, size in zip(promised, found, strict=True)
    )


def _zeros(spec: TensorSpec, rows: int) -> Array:
    shape = [rows, *(1 if size == -1 else size for size in spec.shape[1:])]
    if spec.datatype == "BYTES":
        return np.full(shape, "", dtype=object)
    return np.zeros(shape, dtype=NUMPY_TYPES[spec.datatype])


def _same(answer: Array, expected: Array) -> bool:
    if answer.shape != expected.shape:
        return False
    if np.issubdtype(answer.dtype, np.floating):
        return np.allclose(answer, expected, rtol=SAMPLE_RELATIVE_TOLERANCE, atol=SAMPLE_ABSOLUTE_TOLERANCE)
    return bool(np.array_equal(answer, expected))
