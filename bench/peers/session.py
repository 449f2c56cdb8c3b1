# pyright: basic
# Runs in environments where this project's other requirements are absent.
"""The inference that every server here does: one thread, so that all round alike and two workers have a core each."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import onnxruntime

HOST = "127.0.0.1"
PORT = int(os.environ.get("BENCH_PORT", "0"))
WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
INPUT = "features"
OUTPUTS = ["label", "probabilities"]


def load() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(os.environ["BENCH_MODEL"], options, providers=["CPUExecutionProvider"])


def run(session: Any, rows: object) -> tuple[list[int], list[list[float]]]:
    """Labels and probabilities of the rows."""
    label, probabilities = session.run(OUTPUTS, {INPUT: np.asarray(rows, dtype=np.float32)})
    return label.tolist(), probabilities.tolist()
