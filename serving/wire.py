"""The JSON of `POST /predict`: rows in, predictions out, and refusals that name the field at fault.

Request: `{"instances": [...]}` with one element for each row. A row for a model with one input is that row's value,
nested as deep as the input's shape is long without its first dimension: `[1.5, 2]` for a shape of [-1, 2]. Where the
metadata names the columns it may also be `{"age": 1.5, "income": 2}`. A row for several inputs is an object of input to
value. Where features are looked up, `{"entities": ...}` may stand in place of the rows.
Answer: `{"model_name": ..., "model_version": ..., "predictions": [...]}` with one prediction for each row. A model
with several outputs answers all of them by name under `outputs`, and `predictions` is the first; NaN becomes null.
The `field` of an error reads `instances[3][7]` or `instances[3].age`, or is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

import msgspec
import orjson
from msgspec.structs import astuple

from contract.metadata import ModelMetadata
from serving.features.entities import ENTITIES
from serving.model import Array
from serving.row_body import (
    INSTANCES,
    InvalidRequest,
    body_type,
    fault_of,
    no_json,
    object_type,
    refuse_repeated_names,
)
from serving.row_tensor import MISFITS, RowTensor

__all__ = ["Entities", "InvalidRequest", "RowFormat"]

LARGE_BODY_BYTES = 2048
"""From here up orjson's way with numbers outweighs what it takes to be as strict as msgspec."""

_encode = msgspec.json.Encoder().encode


class Entities(NamedTuple):
    """A body that names whose features to look up, as it came."""

    raw: msgspec.Raw


class RowFormat:
    """Reads rows for the inputs of a model and writes its outputs; made once for each version."""

    def __init__(self, metadata: ModelMetadata, *, max_rows: int, entities: bool = False) -> None:
        """`entities` says whether a body may name entities in place of rows."""
        self._max_rows = max_rows
        self._entities = entities
        self._tensors = [RowTensor(spec) for spec in metadata.inputs]
        self._only = self._tensors[0] if len(self._tensors) == 1 else None
        self._names = _names(metadata)
        self._allowed = f'"{INSTANCES}" or "{ENTITIES}"' if entities else f'"{INSTANCES}"'
        # Then every colon but the one behind "instances" follows a name.
        self._colons_count_names = not any(":" in name for name in self._names) and not any(
            tensor.dtype.kind == "O" for tensor in self._tensors
        )
        self._decode = _decoder(body_type(self._row_type(exact=True), entities=entities))
        # Takes lists of any length: a body that does not fit is read again by it, to find the fault.
        self._decode_lists = _decoder(body_type(self._row_type(exact=False), entities=entities))
        self._template = _template(metadata)

    def read(self, body: bytes) -> dict[str, Array] | Entities:
        """The inputs by name, each with the rows as its first dimension; raise InvalidRequest."""
        if len(body) > LARGE_BODY_BYTES and self._only is not None and self._only.packs_rows:
            inputs = self._read_large(body, self._only)
            if inputs is not None:
                return inputs
        try:
            decoded = self._decode(body)
            rows = decoded.instances
            alone = not self._entities or decoded.entities is msgspec.UNSET
            if alone and rows is not msgspec.UNSET and 0 < len(rows) <= self._max_rows:
                if self._names and isinstance(rows[0], msgspec.Struct):
                    self._refuse_repeated_names(body, len(rows))
                return self._inputs(rows)
        except (msgspec.DecodeError, RecursionError, *MISFITS):
            # Whatever it was, it is found again below.
            pass
        return self._read_again(body)

    def _read_large(self, body: bytes, tensor: RowTensor) -> dict[str, Array] | None:
        """Many rows of plain lists; None for whatever is not that to the letter, which is then read with more care."""
        # Truths would pass for numbers: their letters stand neither in numbers nor in "instances". And the first of two
        # arrays of that name would not be looked at.
        if b"u" in body or b"l" in body or body.find(b":", body.find(b":") + 1) != -1:
            return None
        try:
            rows: Any = orjson.loads(body)[INSTANCES]
            if not isinstance(rows, list) or not 0 < len(cast(list[Any], rows)) <= self._max_rows:
                return None
            # What is not finite is in no number that orjson takes, and what the type cannot hold is not packed.
            return {tensor.name: tensor.array(cast(list[Any], rows))}
        except (ValueError, LookupError, *MISFITS):
            return None

    def write(self, outputs: Mapping[str, Array]) -> bytes:
        """The answer's body; `outputs` in the order of the metadata."""
        values = [_encode(array.tolist()) for array in outputs.values()]
        return self._template % (values[0], *values) if len(values) > 1 else self._template % values[0]

    def _row_type(self, *, exact: bool) -> Any:
        types = [tensor.row_type(exact=exact) for tensor in self._tensors]
        if self._only is None:
            return object_type(self._names, types)
        if self._names:
            return types[0] | object_type(self._names, [self._only.value_type] * len(self._names))
        return types[0]

    def _inputs(self, rows: list[Any]) -> dict[str, Array]:
        """Raise one of MISFITS."""
        only = self._only
        if only is not None:
            if self._names and isinstance(rows[0], msgspec.Struct):
                rows = list(map(astuple, rows))
            return {only.name: only.array(rows)}
        columns = zip(*map(astuple, rows), strict=True)
        return {tensor.name: tensor.array(column) for tensor, column in zip(self._tensors, columns, strict=True)}

    def _read_again(self, body: bytes) -> Entities:
        """The entities, where that is what the body holds; otherwise raise InvalidRequest for its first fault."""
        try:
            decoded = self._decode_lists(body)
        except msgspec.ValidationError as error:
            raise fault_of(error, self._allowed) from None
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise no_json() from None
        rows = decoded.instances
        if self._entities and decoded.entities is not msgspec.UNSET:
            if rows is not msgspec.UNSET:
                raise InvalidRequest("unknown_field", f"the body may hold {self._allowed}, not both", ENTITIES)
            return Entities(decoded.entities)
        if rows is msgspec.UNSET:
            raise InvalidRequest("missing_field", f"the body has no {self._allowed}: send an array of rows", INSTANCES)
        self._check_count(rows)
        raise self._misfit(rows)

    def _check_count(self, rows: list[Any]) -> None:
        if not rows:
            raise InvalidRequest("empty", f"{INSTANCES} is empty: send at least one row", INSTANCES)
        if len(rows) > self._max_rows:
            raise InvalidRequest(
                "too_many_rows", f"{INSTANCES} has {len(rows)} rows, at most {self._max_rows} are allowed", INSTANCES
            )

    def _refuse_repeated_names(self, body: bytes, rows: int) -> None:
        if not self._colons_count_names or body.count(b":") != 1 + rows * len(self._names):
            refuse_repeated_names(body)

    def _misfit(self, rows: list[Any]) -> InvalidRequest:
        """What is wrong with rows of the right types."""
        objects = [isinstance(row, msgspec.Struct) for row in rows]
        if not all(objects) and any(objects):
            other = f"{INSTANCES}[{objects.index(not objects[0])}]"
            return InvalidRequest("wrong_type", f"{other} is not written as the first row is", other)
        values = list(map(astuple, rows)) if objects[0] else rows
        columns = [values] if self._only else zip(*values, strict=True)
        for tensor, column in zip(self._tensors, columns, strict=True):
            fault = tensor.fault(column)
            if fault is None:
                continue
            if self._only is None:
                path = f".{tensor.name}{fault.path}"
            elif objects[0]:
                path = "".join(f".{self._names[column]}" for column in fault.place)
            else:
                path = fault.path
            at = f"{INSTANCES}[{fault.row}]{path}"
            return InvalidRequest(fault.code, f"{at} {fault.says}", at)
        return InvalidRequest("wrong_shape", f"{INSTANCES} does not fit the inputs of the model", INSTANCES)


def _names(metadata: ModelMetadata) -> list[str]:
    """Of what an object holds that stands for a row; empty where none may."""
    first, *others = metadata.inputs
    if others:
        return [spec.name for spec in metadata.inputs]
    return list(metadata.feature_names or ()) if len(first.shape) == 2 else []


def _decoder(body: type[msgspec.Struct]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(body).decode


def _template(metadata: ModelMetadata) -> bytes:
    """The answer with `%b` for each value: the predictions first and then, where there are several, every output."""

    def literal(value: object) -> bytes:
        return _encode(value).replace(b"%", b"%%")

    head = literal({"model_name": metadata.name, "model_version": str(metadata.version)})[:-1] + b',"predictions":%b'
    if len(metadata.outputs) == 1:
        return head + b"}"
    outputs = b",".join(literal(output.name) + b":%b" for output in metadata.outputs)
    return head + b',"outputs":{' + outputs + b"}}"
