"""The bodies of `POST /predict` for one version: its columns and their types by name, and examples that work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contract.features import Features
from contract.metadata import ModelMetadata
from serving.docs.schemas import (
    Schema,
    answer_schema,
    example_rows,
    nested,
    record,
    rows_of,
    value_schema,
)
from serving.row_body import ENTITIES, INSTANCES

MODEL_NAME, MODEL_VERSION = {"type": "string"}, {"type": "string"}
# Feast's value types, and the datatypes whose values JSON writes alike.
_ENTITY_DATATYPES = {"INT32": "INT32", "INT64": "INT64", "STRING": "BYTES"}


def any_request() -> Schema:
    """Before the default model is loaded, and for callers who may not know of it."""
    return record({INSTANCES: {"type": "array", "items": {}, "minItems": 1}}, is_open=True)


def any_answer() -> Schema:
    return _answer({"type": "array", "items": {}}, is_open=True)


def request(metadata: ModelMetadata, max_rows: int) -> Schema:
    by_rows = record({INSTANCES: _instances(metadata, max_rows)})
    if metadata.features is None:
        return by_rows
    return {"oneOf": [by_rows, record({ENTITIES: _entities(metadata.features, max_rows)})]}


def answer(metadata: ModelMetadata) -> Schema:
    values = {
        spec.name: {"type": "array", "items": nested(answer_schema(spec.datatype), spec.shape[1:])}
        for spec in metadata.outputs
    }
    first = next(iter(values.values()))
    return _answer(first, record(values) if len(values) > 1 else None)


def request_examples(metadata: ModelMetadata) -> dict[str, Schema]:
    sample = metadata.sample and metadata.sample.inputs
    columns = {spec.name: example_rows(spec, sample) for spec in metadata.inputs}
    rows = next(iter(columns.values()))
    if rows is None or any(values is None or len(values) != len(rows) for values in columns.values()):
        return {}
    if len(columns) > 1:
        by_input = [{name: (values or [])[index] for name, values in columns.items()} for index in range(len(rows))]
        return {"rows": _example("A row is an object of the model's inputs", {INSTANCES: by_input})}
    examples = {"rows": _example("A row is the list of its columns' values", {INSTANCES: rows})}
    if names := _names(metadata):
        by_name = [dict(zip(names, row, strict=True)) for row in rows]
        examples["columns"] = _example("A row names its columns", {INSTANCES: by_name})
    return examples


def answer_examples(metadata: ModelMetadata) -> dict[str, Schema]:
    sample = metadata.sample and metadata.sample.outputs
    if sample is None or any(spec.name not in sample for spec in metadata.outputs):
        return {}
    outputs = {spec.name: example_rows(spec, sample) for spec in metadata.outputs}
    if None in outputs.values():
        return {}
    value: dict[str, Any] = {
        "model_name": metadata.name,
        "model_version": str(metadata.version),
        "predictions": next(iter(outputs.values())),
    }
    return {
        "predictions": _example("Predictions of a few rows", value | ({"outputs": outputs} if len(outputs) > 1 else {}))
    }


def _instances(metadata: ModelMetadata, max_rows: int) -> Schema:
    rows = {spec.name: nested(value_schema(spec.datatype), spec.shape[1:]) for spec in metadata.inputs}
    if len(rows) > 1:
        return rows_of(record(rows), max_rows)
    lists = rows_of(next(iter(rows.values())), max_rows)
    names = _names(metadata)
    if not names:
        return lists
    objects = rows_of(record({name: value_schema(metadata.inputs[0].datatype) for name in names}), max_rows)
    # All rows are written in the same way.
    return {"anyOf": [lists, objects]}


def _names(metadata: ModelMetadata) -> tuple[str, ...]:
    """Of the columns, where a row may be an object of them."""
    one = len(metadata.inputs) == 1 and len(metadata.inputs[0].shape) == 2
    return metadata.feature_names or () if one else ()


def _entities(features: Features, max_rows: int) -> Schema:
    return record(
        {
            entity.join_key: rows_of(value_schema(_ENTITY_DATATYPES[entity.value_type]), max_rows)
            for entity in features.entities
        }
    ) | {"description": "For each join key a list with a value for each row, all equally long."}


def _answer(predictions: Schema, outputs: Schema | None = None, *, is_open: bool = False) -> Schema:
    properties: dict[str, Schema] = {
        "model_name": MODEL_NAME,
        "model_version": MODEL_VERSION,
        "predictions": predictions | {"description": "One for each row: the model's first output."},
    }
    if outputs is not None:
        properties["outputs"] = outputs | {"description": "Every output by name, where the model has several."}
    return record(properties, is_open=is_open)


def _example(summary: str, value: Mapping[str, Any]) -> Schema:
    return {"summary": summary, "value": dict(value)}
