"""Small models of each library, the rows that they were trained on, and pickles that do something when opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
from onnx import TensorProto, helper

from ops.models.frameworks.job import Job, Limits
from ops.models.frameworks.kinds import Kind

COLUMNS = 4
NAMES = ("age", "income", "visits", "score")
_random = np.random.default_rng(11)
ROWS = _random.standard_normal((200, COLUMNS)).astype(np.float32)
BINARY = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0).astype(int)
THREE = np.digitize(ROWS[:, 0], [-0.5, 0.5])
TARGET = ROWS[:, 0] * 30_000 + ROWS[:, 1]


class Exec:
    """Unpickling it runs the code."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self._code,)


def pickled(model: Any, path: Path) -> Path:
    joblib.dump(model, path)
    return path


def job(path: Path, kind: Kind = Kind.PICKLE, **fields: Any) -> Job:
    given: dict[str, Any] = {"name": "m", "framework": None, "feature_names": None, "sample": None, "limits": Limits()}
    return Job(file=str(path), kind=kind, **given | fields)


def onnx_file(
    path: Path,
    *,
    operator: str = "Relu",
    domain: str = "",
    inputs: dict[str, tuple[int, list[Any]]] | None = None,
    outputs: dict[str, tuple[int, list[Any]]] | None = None,
    opset: int = 17,
    ir_version: int = 8,
) -> Path:
    """One operator from all inputs to all outputs, FP32 rows of COLUMNS unless said otherwise."""
    rows = (TensorProto.FLOAT, [None, COLUMNS])
    inputs, outputs = inputs or {"x": rows}, outputs or {"y": rows}
    graph = helper.make_graph(
        [helper.make_node(operator, list(inputs), list(outputs), domain=domain)],
        "g",
        [helper.make_tensor_value_info(name, *value) for name, value in inputs.items()],
        [helper.make_tensor_value_info(name, *value) for name, value in outputs.items()],
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=ir_version, producer_name="by hand"), str(path))
    return path
