"""Whether the converted model answers as the original: labels equal, numbers as near as their precision allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from contract.metadata import TensorSpec
from ops.models.frameworks.job import Comparison, RowsFrom
from ops.models.frameworks.refusal import NotTaken
from serving.model import Array

TOLERANCES: Mapping[str, float] = {"FP16": 1e-2, "FP32": 1e-4, "FP64": 1e-9}
"""By the output's type: of the value itself, or of the output's root mean square where that is more, since a small
sum of large terms has the rounding of the terms."""
_LEAST = 1e-6
TIE = 1e-6
"""Two probabilities that lie no further apart are equal: which class is named then is a matter of rounding."""
_REMEDY = "the converter does not render this model: export it where it was trained and publish the .onnx"


def compare(
    outputs: Sequence[TensorSpec], answers: Mapping[str, Array], originals: Sequence[Array], rows_from: RowsFrom
) -> Comparison:
    """Hold each output against the original's answer in its place; raise NotTaken with figures, never with values."""
    if len(outputs) != len(originals):
        raise NotTaken(
            f"the converted model has {len(outputs)} outputs, the original gives {len(originals)} to compare: {_REMEDY}"
        )
    undecided = _undecided(originals)
    largest = [
        _difference(spec, answers[spec.name], _shaped(answers[spec.name], original), undecided, rows_from)
        for spec, original in zip(outputs, originals, strict=True)
    ]
    # Where there are labels, they come first.
    labels = answers[outputs[0].name]
    first = _shaped(labels, originals[0])
    other = _rows(labels != first) if _is_label(outputs[0], first) else np.zeros(len(first), dtype=bool)
    return Comparison(
        rows=len(originals[0]),
        rows_from=rows_from,
        outputs=tuple(spec.name for spec in outputs),
        largest_difference=max(largest),
        undecided=int(other.sum()),
    )


def _shaped(answer: Array, original: Array) -> Array:
    """The original's answer in the shape of the converted model's, where both hold the same."""
    if answer.size == original.size and len(answer) == len(original):
        return original.reshape(answer.shape)
    raise NotTaken(f"the converted model answers {list(answer.shape)}, the original {list(original.shape)}: {_REMEDY}")


def _undecided(originals: Sequence[Array]) -> Array:
    """Rows in which the original's two most probable classes are equally so, as near as rounding tells."""
    if len(originals) != 2 or originals[1].ndim != 2 or originals[1].shape[1] < 2:
        return np.zeros(len(originals[0]), dtype=bool)
    ranked = np.sort(originals[1].astype(np.float64), axis=1)
    return ranked[:, -1] - ranked[:, -2] <= TIE


def _difference(spec: TensorSpec, answer: Array, expected: Array, undecided: Array, rows_from: RowsFrom) -> float:
    """The largest one, of an output that agrees."""
    if _is_label(spec, expected):
        apart = _rows(answer != expected) & ~undecided
        if apart.any():
            raise NotTaken(f"{_disagreement(spec, apart, rows_from)}: {_REMEDY}")
        return 0.0
    tolerance = TOLERANCES[spec.datatype]
    expected = expected.astype(np.float64)
    found = answer.astype(np.float64)
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    # Of the same infinities there is no difference.
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(found - expected))
    finite = expected[np.isfinite(expected)]
    scale = float(np.sqrt(np.mean(np.square(finite)))) if finite.size else 0.0
    allowed = np.maximum(tolerance * np.maximum(np.abs(np.nan_to_num(expected)), scale), _LEAST)
    # Written so that no number at all is a disagreement too.
    apart = ~(difference <= allowed)
    if apart.any():
        worst = float(difference[apart].max())
        raise NotTaken(
            f"{_disagreement(spec, _rows(apart), rows_from)}, by up to {worst:.3g} where {tolerance:g} of the value is "
            f"allowed: {_REMEDY}"
        )
    return float(difference.max())


def _is_label(spec: TensorSpec, expected: Array) -> bool:
    return spec.datatype not in TOLERANCES or expected.dtype.kind not in "fiub"


def _rows(apart: Array) -> Array:
    return np.any(np.asarray(apart, dtype=bool).reshape(len(apart), -1), axis=1, keepdims=False)


def _disagreement(spec: TensorSpec, apart: Array, rows_from: RowsFrom) -> str:
    source = "sample" if rows_from is RowsFrom.SAMPLE else "made-up"
    return (
        f"{spec.name!r} of the converted model differs from the original on {int(apart.sum())} of {len(apart)} "
        f"{source} rows"
    )
