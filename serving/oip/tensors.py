"""What both bindings of the protocol check alike: which tensors a version has, and an input's datatype and shape.

How a tensor's values are written is each binding's own.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from math import prod
from typing import Generic, Literal, Protocol, TypeVar

from contract.metadata import TensorSpec
from serving.messages import Refused
from serving.model import Array
from serving.oip.datatypes import bad_request, dtype_of


class HasName(Protocol):
    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=HasName)


class Named(Generic[T]):
    """The inputs or the outputs of a version, looked up by the names in a request."""

    def __init__(self, kind: Literal["input", "output"], formats: Iterable[T]) -> None:
        self._kind = kind
        self._formats = {made.name: made for made in formats}
        self.all: Sequence[T] = tuple(self._formats.values())

    def find(self, name: str, before: Container[str], index: int) -> T:
        """The one that the request names at `index`; raise Refused if there is none, or it was named `before`."""
        found = self._formats.get(name)
        if found is None or name in before:
            raise self._refusal(index, again=found is not None)
        return found

    def check_complete(self, arrays: Mapping[str, Array]) -> None:
        """Raise Refused unless every input is there, each with as many rows as the others."""
        if len(arrays) != len(self._formats):
            missing = next(name for name in self._formats if name not in arrays)
            raise bad_request(f"inputs lacks the model's input {missing!r}")
        if len(arrays) > 1:
            rows = [len(array) for array in arrays.values()]
            for index, count in enumerate(rows):
                if count != rows[0]:
                    raise bad_request(f"inputs[{index}].shape has another number of rows than the inputs before it")

    def _refusal(self, index: int, *, again: bool) -> Refused:
        where = f"{self._kind}s[{index}]"
        if again:
            return bad_request(f"{where} names an {self._kind} that was {_SAID_BEFORE[self._kind]} before")
        names = ", ".join(map(repr, self._formats))
        return bad_request(f"{where} names no {self._kind} of this model: it {_HAS[self._kind]} {names}")


_HAS = {"input": "takes", "output": "has"}
_SAID_BEFORE = {"input": "given", "output": "named"}


class InputShape:
    """Checks one input's description against what the model takes."""

    def __init__(self, spec: TensorSpec, max_rows: int) -> None:
        self.name = spec.name
        self.datatype = spec.datatype
        self.dtype = dtype_of(spec.datatype)
        self._shape = list(spec.shape)
        self._max_rows = max_rows
        self._row_shape = self._shape[1:]
        self._values_per_row = spec.values_per_row

    def count(self, datatype: str, shape: list[int], index: int) -> int:
        """How many values a tensor of that description holds; raise Refused for one that the model does not take."""
        if datatype != self.datatype:
            raise bad_request(f"inputs[{index}].datatype must be {self.datatype}, as the model takes")
        if shape and shape[1:] == self._row_shape and self._values_per_row is not None:
            count = shape[0] * self._values_per_row
        elif len(shape) == len(self._shape) and all(
            given > 0 if size == -1 else given == size for given, size in zip(shape[1:], self._row_shape, strict=True)
        ):
            count = prod(shape)
        else:
            raise self._wrong(index)
        if shape[0] < 1:
            raise self._wrong(index)
        if shape[0] > self._max_rows:
            raise bad_request(f"inputs[{index}].shape has more rows than the {self._max_rows} allowed")
        return count

    def _wrong(self, index: int) -> Refused:
        return bad_request(
            f"inputs[{index}].shape must be {self._shape} with a number from 1 up for each -1, as the model takes"
        )


def unsupported(where: str, parameter: str) -> Refused:
    """Of an extension that changes what is computed: ignoring it would answer wrongly."""
    return bad_request(f"{where} has the parameter {parameter}, which is not supported")
