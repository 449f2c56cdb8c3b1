"""The JSON of `POST /predict`: rows in, predictions out, and errors that name the field at fault.

Request: `{"instances": [[1.5, 2, ...], ...]}`, one inner array for each row, one value for each column.
Answer: `{"model_name": ..., "model_version": ..., "predictions": [...]}` with one prediction for each row. A model
with several outputs answers all of them by name under `outputs`, and `predictions` is the first; NaN becomes null.
Error: `{"error": {"code": ..., "message": ..., "field": ...}}`, where `field` reads `instances[3][7]` or is null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec
import numpy as np

from contract.metadata import ModelMetadata
from serving.model import NUMPY_TYPES, Array, ModelRefused

INSTANCES = "instances"


class InvalidRequest(Exception):
    """A body that is not what the model takes.

    `code` is for programs, the message for people; neither quotes a value.
    """

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class _Numbers(msgspec.Struct, forbid_unknown_fields=True):
    instances: list[list[float]]


class _Integers(msgspec.Struct, forbid_unknown_fields=True):
    instances: list[list[int]]


class _Truths(msgspec.Struct, forbid_unknown_fields=True):
    instances: list[list[bool]]


class _Texts(msgspec.Struct, forbid_unknown_fields=True):
    instances: list[list[str]]


class _Answer(msgspec.Struct, omit_defaults=True):
    model_name: str
    model_version: str
    predictions: list[Any]
    outputs: dict[str, list[Any]] | msgspec.UnsetType = msgspec.UNSET


class _Fault(msgspec.Struct):
    code: str
    message: str
    field: str | None


class _Error(msgspec.Struct):
    error: _Fault


_BODY_OF_KIND: Mapping[str, type[_Numbers | _Integers | _Truths | _Texts]] = {
    "f": _Numbers,
    "i": _Integers,
    "u": _Integers,
    "b": _Truths,
    "O": _Texts,
}
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_ENCODER = msgspec.json.Encoder()


def error_body(code: str, message: str, field: str | None = None) -> bytes:
    return _ENCODER.encode(_Error(_Fault(code, message, field)))


class RowFormat:
    """Reads rows for the one input of a model and writes its outputs; made once for each version."""

    def __init__(self, metadata: ModelMetadata, *, max_rows: int) -> None:
        spec = metadata.inputs[0]
        if len(metadata.inputs) != 1 or len(spec.shape) != 2 or spec.values_per_row is None:
            shapes = {tensor.name: list(tensor.shape) for tensor in metadata.inputs}
            raise ModelRefused(f"rows need a model with one input of shape [-1, columns], this one has {shapes}")
        self._name = metadata.name
        self._version = str(metadata.version)
        self._columns = spec.values_per_row
        self._max_rows = max_rows
        self._datatype = spec.datatype
        self._dtype = np.dtype(NUMPY_TYPES[spec.datatype])
        self._decoder = msgspec.json.Decoder(_BODY_OF_KIND[self._dtype.kind])

    def read(self, body: bytes) -> Array:
        """The rows as an array of the input's type, shape (rows, columns); raise InvalidRequest."""
        rows = self._decode(body)
        if not rows:
            raise InvalidRequest("empty", "instances is empty: send at least one row", INSTANCES)
        if len(rows) > self._max_rows:
            raise InvalidRequest(
                "too_many_rows", f"instances has {len(rows)} rows, at most {self._max_rows} are allowed", INSTANCES
            )
        for index, row in enumerate(rows):
            if len(row) != self._columns:
                raise InvalidRequest(
                    "wrong_columns",
                    f"row {index} has {len(row)} values, the model takes {self._columns}",
                    f"{INSTANCES}[{index}]",
                )
        return self._array(rows)

    def write(self, outputs: Mapping[str, Array]) -> bytes:
        """The answer's body; `outputs` in the order of the metadata."""
        values = {name: array.tolist() for name, array in outputs.items()}
        predictions = next(iter(values.values()))
        return _ENCODER.encode(
            _Answer(self._name, self._version, predictions, values if len(values) > 1 else msgspec.UNSET)
        )

    def _decode(self, body: bytes) -> list[Any]:
        try:
            return self._decoder.decode(body).instances
        except msgspec.ValidationError as error:
            raise _fault_of(str(error)) from None
        except (ValueError, RecursionError):
            # Malformed JSON, bad UTF-8, an integer of thousands of digits: the parser's message may quote the body.
            raise InvalidRequest(
                "invalid_json", "the body is not a JSON document in UTF-8; NaN and Infinity are not JSON"
            ) from None

    def _array(self, rows: list[Any]) -> Array:
        try:
            with np.errstate(over="ignore"):
                array = np.array(rows, dtype=self._dtype)
        except OverflowError:
            raise self._out_of_range(self._first_outside(rows)) from None
        if self._dtype.kind == "f" and not np.isfinite(array).all():
            row, column = np.argwhere(~np.isfinite(array))[0]
            raise self._out_of_range((int(row), int(column)))
        return array

    def _first_outside(self, rows: list[list[int]]) -> tuple[int, int]:
        limits = np.iinfo(cast(Any, self._dtype))
        least, most = int(limits.min), int(limits.max)
        return next(
            (row, column)
            for row, values in enumerate(rows)
            for column, v in enumerate(values)
            if not least <= v <= most
        )

    def _out_of_range(self, at: tuple[int, int]) -> InvalidRequest:
        field = f"{INSTANCES}[{at[0]}][{at[1]}]"
        return InvalidRequest("out_of_range", f"{field} does not fit {self._datatype}, the type of the input", field)


def _fault_of(message: str) -> InvalidRequest:
    """Turn msgspec's message ("Expected `float`, got `str` - at `$.instances[3][7]`") into an error with its field."""
    path = _PATH.search(message)
    said = message[: path.start()] if path else message
    if said.endswith("out of range") and path:
        return InvalidRequest("out_of_range", f"{path[1]} is a number beyond 64 bits", path[1])
    if said.startswith("Object contains unknown field"):
        return InvalidRequest("unknown_field", 'the body may hold "instances" and nothing else')
    if said.startswith("Object missing required field"):
        return InvalidRequest("missing_field", 'the body has no "instances": send an array of rows', INSTANCES)
    return InvalidRequest("wrong_type", said.replace("`", ""), path[1] if path else None)
