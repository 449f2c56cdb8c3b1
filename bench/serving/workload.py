"""The requests: rows that the model has not seen, as each server wants them written, and the answers they must get."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import onnxruntime

from ops.demo_model import INPUT, DemoModel

Rows = list[list[float]]
JSON_HEADERS: Mapping[str, str] = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Prediction:
    """What a server said about some rows."""

    label: list[int]
    probabilities: Rows


@dataclass(frozen=True)
class Dialect:
    """How a server wants to be asked, and how it answers."""

    path: str
    write: Callable[[Rows], bytes]
    read: Callable[[Any], Prediction]


def batches(rows: Rows, rows_per_request: int, count: int) -> list[Rows]:
    """`count` different runs of neighbouring rows, wrapping around: no server gains by remembering an answer."""
    return [
        [rows[(start + offset) % len(rows)] for offset in range(rows_per_request)]
        for start in range(min(count, len(rows)))
    ]


def instances(rows: Rows) -> bytes:
    return json.dumps({"instances": rows}).encode()


def open_inference(rows: Rows) -> bytes:
    """The Open Inference Protocol's JSON: one tensor, its values in one flat list."""
    data = [value for row in rows for value in row]
    tensor = {"name": INPUT, "datatype": "FP32", "shape": [len(rows), len(rows[0])], "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


def read_plain(answer: Any) -> Prediction:
    return Prediction(answer["label"], answer["probabilities"])


def read_ours(answer: Any) -> Prediction:
    return read_plain(answer["outputs"])


def read_kserve(answer: Any) -> Prediction:
    return Prediction(answer["predictions"], answer["probabilities"])


def read_open_inference(answer: Any) -> Prediction:
    tensors = {tensor["name"]: tensor for tensor in answer["outputs"]}
    flat, width = tensors["probabilities"]["data"], tensors["probabilities"]["shape"][1]
    return Prediction(tensors["label"]["data"], [flat[at : at + width] for at in range(0, len(flat), width)])


class Oracle:
    """ONNX Runtime itself, with one thread like every server: more threads add up in another order."""

    def __init__(self, model: DemoModel) -> None:
        runtime = cast(Any, onnxruntime)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = runtime.InferenceSession(model.onnx, options, providers=["CPUExecutionProvider"])

    def fault(self, rows: Rows, said: Prediction) -> str | None:
        """What is wrong with a server's answer, or None when it is right to the last bit."""
        array = np.asarray(rows, dtype=np.float32)
        label, probabilities = self._session.run(["label", "probabilities"], {INPUT: array})
        if said.label != label.tolist():
            return f"it answers the labels {said.label[:5]}, ONNX Runtime {label[:5].tolist()}"
        if not np.array_equal(np.asarray(said.probabilities, dtype=np.float32), probabilities):
            return f"it answers the probabilities {said.probabilities[:1]}, ONNX Runtime {probabilities[:1].tolist()}"
        return None
