"""Whether a model answers each row as if it were alone: only then may requests of several clients be joined.

It does not where something is computed over all rows at once: a model with dynamic quantisation scales every row by the
largest value of the whole run, so a client's answer would depend on who else is asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from contract.metadata import ModelMetadata, TensorSpec
from serving.execution.batches import Outputs
from serving.model import NUMPY_TYPES, Array, InferenceFailed, array_of

# A neighbour so much larger shows whatever is shared between rows.
_FACTORS = (1.0, 1000.0)
# Of the largest value of the row: sums in another order differ by far less, shared scales by more.
_TOLERANCE = 1e-3
_HALF_PRECISION_TOLERANCE = 1e-2


def rows_are_independent(metadata: ModelMetadata, predict: Callable[[Mapping[str, Array]], Outputs]) -> bool:
    """Compare the answer to two unlike rows together with the answers to each alone; False where it cannot be said."""
    inputs = {spec.name: _unlike_rows(spec, metadata) for spec in metadata.inputs}
    rows = len(_FACTORS)
    try:
        together = predict(inputs)
        alone = [predict({name: array[row : row + 1] for name, array in inputs.items()}) for row in range(rows)]
    except InferenceFailed:
        return False
    return all(
        array.ndim > 0 and len(array) == rows and all(_same(array[row], alone[row][name]) for row in range(rows))
        for name, array in together.items()
    )


def _unlike_rows(spec: TensorSpec, metadata: ModelMetadata) -> Array:
    sample = None if metadata.sample is None else metadata.sample.inputs.get(spec.name)
    dtype = np.dtype(NUMPY_TYPES[spec.datatype])
    shape = tuple(1 if size == -1 else size for size in spec.shape[1:])
    if dtype.kind == "f":
        base: Array = array_of(spec, sample[:1])[0] if sample else np.linspace(-1.0, 1.0, int(np.prod(shape)))
        return np.stack([(base * factor).reshape(base.shape if sample else shape) for factor in _FACTORS]).astype(dtype)
    if sample and len(sample) >= len(_FACTORS):
        return array_of(spec, [sample[0], sample[-1]])
    # Numbers of categories and words: the least that a model must know.
    filled: list[Any] = ["0", "1"] if dtype.kind == "O" else [0, 1]
    return np.stack([np.full(shape, value, dtype=dtype) for value in filled])


def _same(row: Array, alone: Array) -> bool:
    if len(alone) != 1 or row.shape != alone[0].shape:
        return False
    if row.dtype.kind != "f":
        return bool(np.array_equal(row, alone[0]))
    tolerance = _HALF_PRECISION_TOLERANCE if row.dtype.itemsize < 4 else _TOLERANCE
    scale = float(np.max(np.abs(row[np.isfinite(row)]), initial=1e-6))
    return bool(np.allclose(row, alone[0], rtol=0, atol=tolerance * scale, equal_nan=True))
