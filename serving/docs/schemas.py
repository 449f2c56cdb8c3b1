"""Tensors as JSON Schema (draft 2020-12): what a value, a row and an array of rows of an input or output may be.

A schema says what JSON can be told by its shape alone. That two lists must be equally long is left to the descriptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
import numpy as np

from contract.metadata import TensorSpec
from serving.model import NUMPY_TYPES
from serving.oip.datatypes import ranged_json_type

Schema = dict[str, Any]

MOST_EXAMPLE_VALUES = 512
"""An example of more values would make the document large and teach nobody more."""
EXAMPLE_ROWS = 2


def reference(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def record(properties: Mapping[str, Schema], *, optional: Sequence[str] = (), is_open: bool = False) -> Schema:
    """An object of these properties; `is_open` where others are read past."""
    schema: Schema = {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }
    if not is_open:
        schema["additionalProperties"] = False
    return schema


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def value_schema(datatype: str) -> Schema:
    """Of one value that a model takes."""
    dtype = np.dtype(NUMPY_TYPES[datatype])
    schema = msgspec.json.schema(ranged_json_type(dtype))
    # What 64 bits bound by themselves has no constraint of msgspec's.
    if dtype == np.float64:
        largest = float(np.finfo(np.float64).max)
        schema |= {"minimum": -largest, "maximum": largest}
    elif dtype.kind == "u" and "maximum" not in schema:
        schema["maximum"] = int(np.iinfo(dtype.name).max)
    return schema


def answer_schema(datatype: str) -> Schema:
    """Of one value that a model gives."""
    kind = {"b": "boolean", "O": "string", "f": "number"}.get(np.dtype(NUMPY_TYPES[datatype]).kind, "integer")
    return {"type": [kind, "null"], "description": "null for NaN and infinity"} if kind == "number" else {"type": kind}


def nested(value: Schema, sizes: Sequence[int]) -> Schema:
    """Lists within lists of the sizes, where -1 leaves one free."""
    schema = value
    for size in reversed(sizes):
        schema = {"type": "array", "items": schema, "minItems": max(size, 1)}
        if size > 0:
            schema["maxItems"] = size
    return schema


def rows_of(row: Schema, max_rows: int) -> Schema:
    return {"type": "array", "items": row, "minItems": 1, "maxItems": max_rows}


def example_rows(spec: TensorSpec, sample: Mapping[str, list[Any]] | None) -> list[Any] | None:
    """Some rows that the model takes or gives: of its sample, or nothing but zeros; None where they would be large."""
    if sample is not None and spec.name in sample:
        rows = sample[spec.name][:EXAMPLE_ROWS]
        return rows if sum(1 for _ in values_of(rows)) <= MOST_EXAMPLE_VALUES else None
    sizes = [1 if size == -1 else size for size in spec.shape]
    if np.prod(sizes, dtype=float) > MOST_EXAMPLE_VALUES:
        return None
    dtype = np.dtype(NUMPY_TYPES[spec.datatype])
    return cast(list[Any], (np.full(sizes, "", object) if dtype.kind == "O" else np.zeros(sizes, dtype)).tolist())


def values_of(rows: Any) -> Iterator[Any]:
    """The values of nested lists, in row-major order."""
    if isinstance(rows, list):
        for row in cast(list[Any], rows):
            yield from values_of(row)
    else:
        yield rows


def shape_of(rows: Any) -> list[int]:
    """Of nested lists, each as long as its neighbours."""
    return [len(cast(list[Any], rows)), *shape_of(rows[0])] if isinstance(rows, list) else []
