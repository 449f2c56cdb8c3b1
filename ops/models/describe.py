"""What a model takes and returns, read from the ONNX file and from what it answers, in the contract's words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from contract.metadata import DATATYPES, TensorSpec
from ops.models.frameworks.refusal import NotTaken, in_one_line
from serving.model import NUMPY_TYPES, Array
from serving.runtime import Run, Runtime, SessionRefused, Tensor, open_session

_NAMES = {"tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(string)": "BYTES"}
_DATATYPES = _NAMES | {f"tensor({name.lower()})": name for name in DATATYPES}
_TOO_NEW = {
    r"Unsupported model IR version: (\d+), max supported IR version: (\d+)": "IR version",
    r"Opset (\d+) is under development.* till opset (\d+)": "opset",
}
_PREAMBLE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
# Two counts: a size that stays the same is one of the model's, a size that follows is the rows'.
_TRIED_ROWS = (2, 3)


@dataclass(frozen=True, kw_only=True)
class Described:
    """An open model with what it takes and returns."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    run: Run

    def answers(self, rows: Mapping[str, Array]) -> dict[str, Array]:
        """Every output by name; raise NotTaken where the model fails, without the values."""
        names = [output.name for output in self.outputs]
        return dict(zip(names, _answers(self.run, names, rows, "the rows of the sample"), strict=True))


def describe(path: Path) -> Described:
    """Open the file as the server does and describe it; raise NotTaken for what the contract has no words for."""
    try:
        session = open_session(path, Runtime(device="cpu"))
    except SessionRefused as error:
        raise NotTaken(_not_opened(path, error.__cause__)) from error
    if not session.inputs or not session.outputs:
        raise NotTaken(f"{path.name} has no inputs or no outputs: there is nothing to ask it")
    inputs = tuple(_input(tensor) for tensor in session.inputs)
    declared = [_datatype("output", tensor) for tensor in session.outputs]
    names = [tensor.name for tensor in session.outputs]
    seen = [
        _answers(session.run, names, {spec.name: _zeros(spec, rows) for spec in inputs}, f"{rows} rows of zeros")
        for rows in _TRIED_ROWS
    ]
    outputs = tuple(
        _output(tensor, datatype, [np.shape(answers[index]) for answers in seen])
        for index, (tensor, datatype) in enumerate(zip(session.outputs, declared, strict=True))
    )
    return Described(inputs=inputs, outputs=outputs, run=session.run)


def _not_opened(path: Path, cause: BaseException | None) -> str:
    version: str = onnxruntime.__version__
    said = str(cause)
    where = f"{path.name} is not opened by ONNX Runtime {version}, which the server runs"
    for pattern, what in _TOO_NEW.items():
        if (found := re.search(pattern, said)) is not None:
            given, known = found.groups()
            return f"{where}: it has {what} {given}, known is up to {known}: export it for {what} {known} or older"
    if "not a registered function" in said or "No Op registered" in said:
        return f"{where}: it needs operators that are not ONNX's ({_reason(said, path)}): export it with ONNX's own"
    return f"{where} ({_reason(said, path)}): give a model that was exported to ONNX"


def _reason(said: str, path: Path) -> str:
    """The library's message without its own code and place, nor the folder of the file."""
    return in_one_line(_PREAMBLE.sub("", said).replace(str(path), path.name))


def _input(tensor: Tensor) -> TensorSpec:
    datatype = _datatype("input", tensor)
    if not tensor.shape:
        raise NotTaken(f"the input {tensor.name!r} has no shape: export it with [rows, ...]")
    return TensorSpec(name=tensor.name, datatype=datatype, shape=_shape("input", tensor.name, tensor.shape))


def _output(tensor: Tensor, datatype: str, seen: Sequence[tuple[int, ...]]) -> TensorSpec:
    ranks = {len(shape) for shape in seen}
    if 0 in ranks or len(ranks) > 1 or [shape[0] for shape in seen] != list(_TRIED_ROWS):
        raise NotTaken(
            f"the output {tensor.name!r} does not have one entry for each row: leave it out of the export, or shape it "
            "[rows, ...]"
        )
    if tensor.shape:
        return TensorSpec(name=tensor.name, datatype=datatype, shape=_shape("output", tensor.name, tensor.shape))
    # Some converters leave the shape out.
    sizes = (first if first == second else -1 for first, second in zip(seen[0][1:], seen[1][1:], strict=True))
    return TensorSpec(name=tensor.name, datatype=datatype, shape=(-1, *sizes))


def _shape(kind: str, name: str, declared: Sequence[int | str | None]) -> tuple[int, ...]:
    shape = tuple(size if isinstance(size, int) else -1 for size in declared)
    if shape[0] != -1:
        raise NotTaken(
            f"the {kind} {name!r} has shape {list(shape)}, fixed to {shape[0]} rows at a time: export it with a "
            "dynamic first dimension"
        )
    return shape


def _datatype(kind: str, tensor: Tensor) -> str:
    datatype = _DATATYPES.get(tensor.type)
    if datatype is None:
        remedy = f"use one of {', '.join(DATATYPES)}"
        if "map(" in tensor.type:
            remedy = "export the classifier with the option zipmap=False, so that it returns one array"
        raise NotTaken(f"the {kind} {tensor.name!r} has type {tensor.type}, which requests cannot hold: {remedy}")
    return datatype


def _zeros(spec: TensorSpec, rows: int) -> Array:
    shape = (rows, *(1 if size == -1 else size for size in spec.shape[1:]))
    if spec.datatype == "BYTES":
        return np.full(shape, "", dtype=object)
    return np.zeros(shape, dtype=NUMPY_TYPES[spec.datatype])


def _answers(run: Run, names: Sequence[str], rows: Mapping[str, Array], what: str) -> Sequence[Any]:
    try:
        return run(names, rows, None)
    except Exception as error:
        # ONNX Runtime raises classes of its own that share no base below Exception, and quotes values.
        raise NotTaken(
            f"the model cannot answer {what} (ONNX Runtime raised {type(error).__name__}), and the server tries rows "
            "before it takes a model: export one that answers them"
        ) from error
