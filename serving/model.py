"""A model in memory: its metadata and an ONNX Runtime session that answers arrays. Knows neither HTTP nor S3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from contract.metadata import ModelMetadata, TensorSpec
from contract.objects import MODEL_FILE
from contract.variants import Variant
from serving.runtime import Array, DeviceAbsent, Runtime, Session, SessionRefused, Tensor, open_session

__all__ = ["NUMPY_TYPES", "Array", "InferenceFailed", "Model", "ModelRefused", "array_of"]

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
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
# ONNX Runtime's names of the element types that differ from `tensor(<numpy name>)`.
_ONNX_TYPES = {
    "FP16": "tensor(float16)",
    "FP32": "tensor(float)",
    "FP64": "tensor(double)",
    "BYTES": "tensor(string)",
}

WARM_UP_ROWS = (1, 2, 16)
"""A session allots memory for a shape when it first sees it."""

# Another processor may round the last bits of a single-precision sum differently than the one that trained.
SAMPLE_RELATIVE_TOLERANCE = 1e-4
SAMPLE_ABSOLUTE_TOLERANCE = 1e-6
SAMPLE_LAST_STEPS = 4


class ModelRefused(Exception):
    """The file is no model, or not the one its metadata describes; the message says in what they differ."""


class InferenceFailed(Exception):
    """The model could not answer these arrays. The cause may quote values, so it is for no log and no client."""


class Model:
    """A version that was loaded, checked against its metadata and its sample, and warmed up."""

    def __init__(self, metadata: ModelMetadata, session: Session, variant: Variant | None = None) -> None:
        self.metadata = metadata
        self.version = str(metadata.version)
        self.variant = variant
        """Which file of the version this is; None: its default."""
        self.batchable = True
        """Whether rows of several requests may run together: every output has a row for each, and none of them depends
        on its neighbours. Found out when the model is loaded, as far as it shows there."""
        self._run = session.run
        self._output_names = [output.name for output in metadata.outputs]

    @classmethod
    def load(
        cls, metadata: ModelMetadata, path: Path, *, variant: Variant | None = None, runtime: Runtime | None = None
    ) -> Model:
        """Open the ONNX file; raise ModelRefused when it is not what the metadata says or misses its sample.

        `variant` says which of the version's files `path` is, where that is not the default one.
        """
        try:
            session = open_session(path, runtime or Runtime())
        except (DeviceAbsent, SessionRefused) as error:
            raise ModelRefused(str(error)) from error
        file = variant.file if variant else MODEL_FILE
        _check_tensors(file, "input", metadata.inputs, session.inputs)
        _check_tensors(file, "output", metadata.outputs, session.outputs)
        model = cls(metadata, session, variant)
        model._warm_up(file)
        model._check_sample(file)
        return model

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name, in the order of the metadata; the first dimension of each array counts rows.

        The inputs must be those of the metadata, by name, type and shape.
        """
        try:
            values = self._run(self._output_names, inputs, None)
        except Exception as error:
            # ONNX Runtime raises classes of its own that share no base below Exception.
            raise InferenceFailed(f"ONNX Runtime raised {type(error).__name__}") from error
        return dict(zip(self._output_names, values, strict=True))

    def some_rows(self, rows: int) -> dict[str, Array]:
        """So many rows that the model takes: those of its sample over and over, or zeros where it has none."""
        sample = self.metadata.sample
        if sample is None:
            return {spec.name: _zeros(spec, rows) for spec in self.metadata.inputs}
        arrays = {spec.name: array_of(spec, sample.inputs[spec.name]) for spec in self.metadata.inputs}
        return {name: np.resize(array, (rows, *array.shape[1:])) for name, array in arrays.items()}

    def _warm_up(self, file: str) -> None:
        try:
            for rows in WARM_UP_ROWS:
                answers = self.predict({spec.name: _zeros(spec, rows) for spec in self.metadata.inputs})
                if any(not array.ndim or len(array) != rows for array in answers.values()):
                    self.batchable = False
        except InferenceFailed as error:
            raise ModelRefused(f"{file} of {self.metadata.name} {self.version} cannot answer: {error}") from error

    def _check_sample(self, file: str) -> None:
        sample = self.metadata.sample
        if sample is None:
            return
        named = f"the sample of {self.metadata.name} {self.version}"
        try:
            inputs = {spec.name: array_of(spec, sample.inputs[spec.name]) for spec in self.metadata.inputs}
            answers = self.predict(inputs)
            alone = self.predict({name: array[:1] for name, array in inputs.items()})
        except (KeyError, ValueError, OverflowError, InferenceFailed) as error:
            raise ModelRefused(f"{named} does not fit the model's inputs: {type(error).__name__}") from error
        tolerance = self.variant.tolerance if self.variant else None
        for name, expected in sample.outputs.items():
            if name not in answers or not _same(answers[name], np.asarray(expected), tolerance):
                raise ModelRefused(f"{file} does not answer {named} with the output {name!r} that it promises")
        if not all(_same(alone[name], answer[:1], tolerance) for name, answer in answers.items() if answer.ndim):
            self.batchable = False


def array_of(spec: TensorSpec, rows: list[Any]) -> Array:
    """The rows as the input's type; raise ValueError or OverflowError where they have another shape or range."""
    array = np.asarray(rows, dtype=NUMPY_TYPES[spec.datatype])
    if len(array.shape) != len(spec.shape):
        raise ValueError(f"the input {spec.name!r} has {len(spec.shape)} dimensions, given were {len(array.shape)}")
    return array


def _check_tensors(file: str, kind: str, promised: Sequence[TensorSpec], found: Sequence[Tensor]) -> None:
    has = {tensor.name: tensor for tensor in found}
    if set(has) != {spec.name for spec in promised}:
        raise ModelRefused(
            f"{file} has the {kind}s {sorted(has)}, its metadata names {[spec.name for spec in promised]}"
        )
    for spec in promised:
        tensor = has[spec.name]
        onnx_type = _ONNX_TYPES.get(spec.datatype, f"tensor({spec.datatype.lower()})")
        if tensor.type != onnx_type:
            raise ModelRefused(
                f"{file} has type {tensor.type} for the {kind} {spec.name!r}, its metadata says {spec.datatype}"
            )
        if not _shapes_agree(spec.shape, tensor.shape):
            raise ModelRefused(
                f"{file} has shape {list(tensor.shape)} for the {kind} {spec.name!r}, "
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


def _same(answer: Array, expected: Array, tolerance: float | None = None) -> bool:
    if answer.shape != expected.shape:
        return False
    if np.issubdtype(answer.dtype, np.floating):
        # Half precision has three digits: its last bits round as others' do.
        relative = max(SAMPLE_RELATIVE_TOLERANCE, SAMPLE_LAST_STEPS * float(np.finfo(answer.dtype).eps))
        return np.allclose(
            answer, expected, rtol=tolerance or relative, atol=tolerance or SAMPLE_ABSOLUTE_TOLERANCE, equal_nan=True
        )
    return bool(np.array_equal(answer, expected))
