"""One input of a model filled from rows of Python values: its type in JSON, its array, and where rows do not fit it.

Packing a row checks its length and the range of every value on the way. Only rows that fail are searched for the value
at fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, starmap
from typing import Any, NamedTuple

import numpy as np

from contract.metadata import TensorSpec
from serving import packing
from serving.model import NUMPY_TYPES, Array

MISFITS = (*packing.MISFITS, ValueError, TypeError)
"""What `RowTensor.array` raises for rows that do not fit."""

# A tuple's type has a node for each value. Longer rows are read as lists, which takes a few percent longer.
_MAX_TUPLE_VALUES = 1024


class Fault(NamedTuple):
    """Why rows do not fit: the place within a row, as one index for each list on the way, and how a sentence goes on
    that begins with the place.
    """

    row: int
    place: tuple[int, ...]
    code: str
    says: str

    @property
    def path(self) -> str:
        return "".join(f"[{index}]" for index in self.place)


class _Misplaced(NamedTuple):
    """A fault within one row."""

    place: tuple[int, ...]
    code: str
    says: str


class RowTensor:
    """Rows of one input, each nested as deep as the shape is long without its first dimension."""

    def __init__(self, spec: TensorSpec) -> None:
        self.name = spec.name
        self.dtype = np.dtype(NUMPY_TYPES[spec.datatype]).newbyteorder(packing.BYTE_ORDER)
        self.value_type: Any = packing.json_type(self.dtype)
        """Of one value, for msgspec."""
        self._datatype = spec.datatype
        self._sizes = spec.shape[1:]
        self._innermost = self._sizes[-1] if self._sizes else -1
        self._letter = packing.letter_of(self.dtype)
        # Packs an innermost list, where that has a fixed size.
        self._pack = packing.packer(self._innermost, self._letter) if self._letter and self._innermost > 0 else None

    def row_type(self, *, exact: bool) -> Any:
        """The type of one row for msgspec; `exact` also has the length of the innermost lists, which is faster."""
        row = self.value_type
        for depth, size in enumerate(reversed(self._sizes)):
            fixed = exact and depth == 0 and 0 < size <= _MAX_TUPLE_VALUES
            row = tuple[(row,) * size] if fixed else list[row]
        return row

    @property
    def packs_rows(self) -> bool:
        """Whether a row is a list of numbers, each of which is checked as it is packed."""
        return self._pack is not None and len(self._sizes) == 1

    def array(self, rows: Sequence[Any]) -> Array:
        """One row or more, of values of the right type, as an array of the input's type; raise one of MISFITS."""
        pack = self._pack
        if pack is None or len(self._sizes) > 1:
            return self._nested(rows)
        data = pack(*rows[0]) if len(rows) == 1 else b"".join(starmap(pack, rows))
        return np.ndarray((len(rows), self._innermost), self.dtype, data)

    def fault(self, rows: Sequence[Any]) -> Fault | None:
        """The first list of a wrong length or, where all lengths are right, the first value out of range."""
        sizes = self._sizes_by(rows[0])
        return _first(rows, lambda row: self._wrong_length(row, sizes)) or _first(
            rows, lambda row: self._out_of_range(row, len(sizes))
        )

    def _nested(self, rows: Sequence[Any]) -> Array:
        shape, values = [len(rows)], rows
        for size in self._sizes[:-1]:
            shape.append(_common_length(values, size))
            values = list(chain.from_iterable(values))
        if self._sizes:
            shape.append(_common_length(values, self._innermost))
        else:
            values = [values]
        if self._letter:
            pack = self._pack or packing.packer(shape[-1], self._letter)
            return np.ndarray(shape, self.dtype, b"".join(starmap(pack, values)))
        array = np.empty(sum(map(len, values)), dtype=self.dtype)
        array[:] = list(chain.from_iterable(values))
        return array.reshape(shape)

    def _sizes_by(self, row: Any) -> tuple[int, ...]:
        """What every row must have: where the shape leaves a size free, that of the first row."""
        sizes: list[int] = []
        for size in self._sizes:
            sizes.append(len(row) if size == -1 else size)
            row = row[0] if row else ()
        return tuple(sizes)

    def _wrong_length(self, values: Any, sizes: tuple[int, ...]) -> _Misplaced | None:
        if not sizes:
            return None
        if len(values) != sizes[0] or not values:
            free = self._sizes[-len(sizes)] == -1
            takes = "it must be as long as in the first row, and not empty" if free else f"the model takes {sizes[0]}"
            code = "wrong_columns" if len(self._sizes) == 1 else "wrong_shape"
            return _Misplaced((), code, f"has {len(values)} values, {takes}")
        return _within(values, lambda value: self._wrong_length(value, sizes[1:])) if len(sizes) > 1 else None

    def _out_of_range(self, value: Any, depth: int) -> _Misplaced | None:
        if depth:
            return _within(value, lambda inner: self._out_of_range(inner, depth - 1))
        if not self._letter:
            return None
        try:
            packing.packer(1, self._letter)(value)
        except packing.MISFITS:
            return _Misplaced((), "out_of_range", f"does not fit {self._datatype}, the type of the input")
        return None


def _common_length(lists: Sequence[Any], size: int) -> int:
    lengths = set(map(len, lists))
    length = lengths.pop()
    if lengths or length < 1 or size not in (-1, length):
        raise ValueError("lists of another length than the shape has")
    return length


def _within(values: Sequence[Any], look: Callable[[Any], _Misplaced | None]) -> _Misplaced | None:
    for index, value in enumerate(values):
        found = look(value)
        if found is not None:
            return found._replace(place=(index, *found.place))
    return None


def _first(rows: Sequence[Any], look: Callable[[Any], _Misplaced | None]) -> Fault | None:
    found = _within(rows, look)
    return None if found is None else Fault(found.place[0], found.place[1:], found.code, found.says)
