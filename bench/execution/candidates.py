"""The models that are tried: the demonstration's trees, and multi-layer perceptrons of random weights."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import onnx
import onnxruntime

from contract.metadata import ModelMetadata
from contract.objects import Version
from ops import demo_model
from serving.execution.batches import Outputs
from serving.execution.cost import MEASURED_ROWS
from serving.execution.queued import Predict
from serving.model import Array
from serving.timing import Timing

COLUMNS = 30
SIZES = ((256, 3), (512, 3), (1024, 4))
"""Width and layers: 0.1, 0.5 and 3.2 million weights."""

_FP32 = 1  # onnx.TensorProto.FLOAT


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model as `choose` sees it."""

    name: str
    metadata: ModelMetadata
    predict: Predict
    timing: Timing
    batchable: bool = True

    @classmethod
    def of(cls, name: str, content: bytes, metadata: ModelMetadata) -> Candidate:
        options = cast(Any, onnxruntime).SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = cast(Any, onnxruntime).InferenceSession(content, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]

        def predict(inputs: Mapping[str, Array]) -> Outputs:
            return dict(zip(names, session.run(names, inputs), strict=True))

        row = _seconds(predict, 1)
        return cls(
            name=name,
            metadata=metadata,
            predict=predict,
            timing=Timing(row_seconds=row, batch_gain=row * MEASURED_ROWS / _seconds(predict, MEASURED_ROWS)),
        )


def candidates() -> list[Candidate]:
    demo = demo_model.train(Version(1, 0, 0))
    return [
        Candidate.of("gradient boosting", demo.onnx, demo.metadata),
        *(
            # Only the inputs matter here, and they are the same.
            Candidate.of(f"perceptron {layers} x {width}", _perceptron(width, layers), demo.metadata)
            for width, layers in SIZES
        ),
    ]


def _perceptron(width: int, layers: int) -> bytes:
    """A multi-layer perceptron with random weights, as ONNX."""
    helper, numpy_helper = cast(Any, onnx).helper, cast(Any, onnx).numpy_helper
    generator = np.random.default_rng(7)
    nodes: list[Any] = []
    weights: list[Any] = []
    last, size = demo_model.INPUT, COLUMNS
    for layer in range(layers):
        values = (generator.standard_normal((size, width)) / np.sqrt(size)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"weights-{layer}"))
        nodes.append(helper.make_node("MatMul", [last, f"weights-{layer}"], [f"sums-{layer}"]))
        last, size = f"layer-{layer}", width
        nodes.append(helper.make_node("Relu", [f"sums-{layer}"], [last]))
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info(demo_model.INPUT, _FP32, [None, COLUMNS])],
        [helper.make_tensor_value_info(last, _FP32, [None, width])],
        weights,
    )
    opset = helper.make_opsetid("", demo_model.TARGET_OPSET)
    # The format's version that came with that set of operators.
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def _seconds(predict: Predict, rows: int, times: int = 50) -> float:
    inputs = {demo_model.INPUT: np.random.default_rng(rows).standard_normal((rows, COLUMNS)).astype(np.float32)}
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        predict(inputs)
        took.append(time.perf_counter() - began)
    return statistics.median(took)
