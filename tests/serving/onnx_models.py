"""Small ONNX models made by hand, with the metadata that describes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from contract.metadata import ModelMetadata, Sample
from tests.serving.oip_versions import metadata_of, spec

COLUMNS = 16
ROWS = 4


def save(graph: Any, path: Path) -> Path:
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def linear(directory: Path, datatype: str = "FP32") -> tuple[Path, ModelMetadata]:
    """One matrix: rows of COLUMNS in, a score a row out; with a sample, computed in double precision."""
    random = np.random.default_rng(7)
    dtype, element = {"FP32": (np.float32, TensorProto.FLOAT), "FP16": (np.float16, TensorProto.FLOAT16)}[datatype]
    weights = random.standard_normal((COLUMNS, 1)).astype(dtype)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["score"])],
        "linear",
        [helper.make_tensor_value_info("x", element, ["rows", COLUMNS])],
        [helper.make_tensor_value_info("score", element, ["rows", 1])],
        [numpy_helper.from_array(weights, "weights")],
    )
    rows = random.standard_normal((ROWS, COLUMNS)).astype(dtype)
    score = rows.astype(np.float64) @ weights.astype(np.float64)
    metadata = metadata_of(spec("x", datatype, -1, COLUMNS), outputs=(spec("score", datatype, -1, 1),), name="linear")
    sample = Sample(inputs={"x": rows.tolist()}, outputs={"score": score.tolist()})
    return save(graph, directory / "linear.onnx"), replace(metadata, sample=sample)


def neighbours(directory: Path) -> tuple[Path, ModelMetadata]:
    """Values less the mean of all rows, so that each depends on the others."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "mean"], ["y"]),
    ]
    return _of_two_columns(directory, nodes, [], [[-1.0, -1.0], [1.0, 1.0]])


def first_row_only(directory: Path) -> tuple[Path, ModelMetadata]:
    """The first row, however many there are: an output whose first dimension counts no rows."""
    nodes = [helper.make_node("Compress", ["x", "chosen"], ["y"], axis=0)]
    return _of_two_columns(directory, nodes, [numpy_helper.from_array(np.array([True]), "chosen")], [[1.0, 2.0]])


def _of_two_columns(directory: Path, nodes: Any, constants: Any, outputs: Any) -> tuple[Path, ModelMetadata]:
    graph = helper.make_graph(
        nodes,
        "columns",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 2])],
        constants,
    )
    metadata = metadata_of(spec("x", "FP32", -1, 2), outputs=(spec("y", "FP32", -1, 2),))
    sample = Sample(inputs={"x": [[1.0, 2.0], [3.0, 4.0]]}, outputs={"y": outputs})
    return save(graph, directory / "columns.onnx"), replace(metadata, sample=sample)
