"""Versions of the demonstration's model that should not be let through: each passes its sample, and fails its users.

One cannot answer some rows, one takes a hundred times as long, and one is confidently wrong now and then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from contract.metadata import Sample
from ops.demo_model import INPUT, DemoModel

FAILING_FEATURE = 0
"""Mean radius: the version fails on the largest tumours."""
FAILING_SHARE = 0.05
MATRIX_SIZE = 700
MATRIX_PRODUCTS = 4
"""Some tens of milliseconds, for a model whose answer takes microseconds."""
WRONG_FEATURE = 1
WRONG_SHARE = 0.08


def failing(model: DemoModel) -> DemoModel:
    """Raises inside the runtime for one row in twenty: an index that is out of bounds."""
    limit = _quantile(model, FAILING_FEATURE, 1 - FAILING_SHARE)
    nodes = [
        *_column("failing", FAILING_FEATURE),
        helper.make_node("Greater", ["failing_value", "failing_limit"], ["failing_over"]),
        helper.make_node("Cast", ["failing_over"], ["failing_index"], to=TensorProto.INT64),
        # One element: index 0 is there, index 1 is not.
        helper.make_node("Gather", ["failing_nothing", "failing_index"], ["failing_zero"]),
        helper.make_node("Add", [INPUT, "failing_zero"], ["failing_rows"]),
    ]
    constants = {
        "failing_limit": np.array(limit, np.float32),
        "failing_nothing": np.zeros(1, np.float32),
    }
    return _with(model, nodes, constants, rows="failing_rows")


def slow(model: DemoModel) -> DemoModel:
    """Multiplies large matrices before each answer, which it does not change."""
    nodes = [
        helper.make_node("ReduceMean", [INPUT], ["slow_mean"], keepdims=0),
        helper.make_node("Mul", ["slow_matrix", "slow_mean"], ["slow_0"]),
        *(
            helper.make_node("MatMul", [f"slow_{step}", "slow_matrix"], [f"slow_{step + 1}"])
            for step in range(MATRIX_PRODUCTS)
        ),
        helper.make_node("ReduceMax", [f"slow_{MATRIX_PRODUCTS}"], ["slow_max"], keepdims=0),
        helper.make_node("Mul", ["slow_max", "slow_nothing"], ["slow_zero"]),
        helper.make_node("Add", [INPUT, "slow_zero"], ["slow_rows"]),
    ]
    constants = {
        # Its products stay finite, whatever the rows.
        "slow_matrix": np.full((MATRIX_SIZE, MATRIX_SIZE), 1 / MATRIX_SIZE, np.float32),
        "slow_nothing": np.array(0, np.float32),
    }
    return _with(model, nodes, constants, rows="slow_rows")


def wrong(model: DemoModel) -> DemoModel:
    """Reads another's features for one row in twelve: it answers fast, without an error, and badly."""
    limit = _quantile(model, WRONG_FEATURE, 1 - WRONG_SHARE)
    nodes = [
        *_column("wrong", WRONG_FEATURE),
        helper.make_node("Greater", ["wrong_value", "wrong_limit"], ["wrong_over"]),
        helper.make_node("Neg", [INPUT], ["wrong_negative"]),
        helper.make_node("Where", ["wrong_over", "wrong_negative", INPUT], ["wrong_rows"]),
    ]
    return _with(model, nodes, {"wrong_limit": np.array(limit, np.float32)}, rows="wrong_rows")


def _quantile(model: DemoModel, feature: int, share: float) -> float:
    return float(np.quantile(np.asarray(model.holdout_rows, np.float32)[:, feature], share))


def _column(name: str, feature: int) -> list[Any]:
    """Nodes that make `<name>_value` one feature of each row, as a column."""
    # The index is an initializer that `_with` adds for every prefix.
    return [helper.make_node("Gather", [INPUT, f"{name}_feature_{feature}"], [f"{name}_value"], axis=1)]


def _with(model: DemoModel, nodes: list[Any], constants: dict[str, Any], *, rows: str) -> DemoModel:
    """The model behind these nodes, which turn its input into `rows`; sample and accuracy are what it answers now."""
    document = onnx.load_from_string(model.onnx)
    graph = document.graph
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == INPUT:
                node.input[index] = rows
    for node in nodes:
        for name in node.input:
            if "_feature_" in name:
                constants[name] = np.array([int(name.rpartition("_")[2])], np.int64)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    originals = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *originals])
    changed = document.SerializeToString()
    return _measured(model, changed)


def _measured(model: DemoModel, changed: bytes) -> DemoModel:
    """With a sample that the version answers, as whoever publishes a version has."""
    session = cast(Any, onnxruntime).InferenceSession(changed, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    sample = model.metadata.sample
    assert sample is not None
    kept: list[list[float]] = []
    for row in model.holdout_rows:
        try:
            session.run(names, {INPUT: np.asarray([row], np.float32)})
        except Exception:
            # ONNX Runtime raises classes of its own that share no base below Exception.
            continue
        kept.append(row)
        if len(kept) == len(sample.inputs[INPUT]):
            break
    answers = session.run(names, {INPUT: np.asarray(kept, np.float32)})
    outputs = {name: values.tolist() for name, values in zip(names, answers, strict=True)}
    metadata = replace(model.metadata, sample=Sample(inputs={INPUT: kept}, outputs=outputs))
    return replace(model, onnx=changed, metadata=metadata)
