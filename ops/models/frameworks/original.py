"""What every library's model is to the conversion: something with columns that converts itself and answers rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from serving.model import Array

INPUT = "features"
"""What the one input of a converted model is called: rows of FP32 columns."""


class Original(Protocol):
    """A model as its own library runs it."""

    framework: str
    version: str
    columns: int
    feature_names: tuple[str, ...] | None
    """As the model was trained with, or None where it does not know them."""

    notes: tuple[str, ...]
    """What a reader of the report should know of the conversion."""

    def to_onnx(self, name: str) -> Any:
        """The library's converter's model, of one FP32 input called INPUT; raises whatever the converter raises."""
        ...

    def answers(self, rows: Array) -> Sequence[Array]:
        """In the order of the converted model's outputs: what it predicts, and how sure it is where it says so."""
        ...


def labels_of(probabilities: Array) -> Array:
    """The class of each row, as the libraries choose it: the most probable one."""
    return probabilities.argmax(axis=1)


def names_or_none(names: Sequence[object] | None, columns: int, generic: str) -> tuple[str, ...] | None:
    """The feature names, or None where there are none, or the library made them up from `generic` and a number."""
    if names is None or len(names) != columns:
        return None
    said = tuple(str(name) for name in names)
    return None if said == tuple(f"{generic}{column}" for column in range(columns)) else said
