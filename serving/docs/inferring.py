"""The bodies of the Open Inference Protocol: inference, metadata and the repository of models."""

from __future__ import annotations

from typing import Any

from contract.metadata import DATATYPES, ModelMetadata, TensorSpec
from serving.docs.schemas import (
    Schema,
    example_rows,
    nested,
    nullable,
    record,
    reference,
    shape_of,
    value_schema,
    values_of,
)
from serving.oip.repository import READY, UNAVAILABLE

_TEXT: Schema = {"type": "string"}
_TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
_FLAG_OR_NULL: Schema = {"type": ["boolean", "null"]}
_SIZE: Schema = {"type": "integer", "minimum": 0}
_DATATYPE: Schema = {"type": "string", "enum": list(DATATYPES)}
# Of Triton's extensions; ignoring them would answer otherwise than asked.
_REFUSED: dict[str, Schema] = {"shared_memory_region": {"not": {}}, "classification": {"not": {}}}


def components() -> dict[str, Schema]:
    """Schemas that need no model."""
    shape = {"type": "array", "items": {"type": "integer"}}
    tensor = record({"name": _TEXT, "datatype": _DATATYPE, "shape": shape})
    parameters = {
        "InferInputParameters": _parameters(_REFUSED | {"binary_data_size": nullable(_SIZE)}),
        "InferOutputParameters": _parameters(_REFUSED | {"binary_data": _FLAG_OR_NULL}),
        "InferParameters": _parameters({"binary_data_output": _FLAG_OR_NULL}),
    }
    return {
        **parameters,
        "InferInput": _input(_TEXT, _DATATYPE, {"type": "array", "items": _SIZE, "minItems": 1}, {"type": "array"}),
        "InferRequest": _request({"type": "array", "items": reference("schemas", "InferInput"), "minItems": 1}, _TEXT),
        "InferOutput": record(
            {
                "name": _TEXT,
                "datatype": _DATATYPE,
                "shape": {"type": "array", "items": _SIZE},
                "data": {"type": "array", "items": {"type": ["boolean", "number", "string", "null"]}},
                "parameters": record({"binary_data_size": _SIZE}),
            },
            optional=("data", "parameters"),
        )
        | {"description": "Holds `data` in row-major order, or the size of its part of the binary data."},
        "InferAnswer": record(
            {
                "model_name": _TEXT,
                "model_version": _TEXT,
                "id": _TEXT,
                "outputs": {"type": "array", "items": reference("schemas", "InferOutput")},
            },
            optional=("id",),
        ),
        "ServerMetadata": record(
            {"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}},
        ),
        "ModelMetadata": record(
            {
                "name": _TEXT,
                "versions": {"type": "array", "items": _TEXT},
                "platform": _TEXT,
                "inputs": {"type": "array", "items": tensor, "description": "-1 where a size is free."},
                "outputs": {"type": "array", "items": tensor},
            }
        ),
        "ModelReady": record({"name": _TEXT, "ready": {"const": True}}),
        "IndexRequest": record({"ready": {"type": "boolean", "default": False}}, optional=("ready",), is_open=True),
        "Index": {
            "type": "array",
            "items": record(
                {"name": _TEXT, "version": _TEXT, "state": {"enum": [READY, UNAVAILABLE]}, "reason": _TEXT}
            ),
        },
        "VersionNamed": record(
            {"parameters": record({"version": {"type": "string", "minLength": 1}}, is_open=True)}, is_open=True
        ),
        "VersionNamedInPath": record(
            {
                "parameters": nullable(record({"version": _TEXT_OR_NULL}, optional=("version",), is_open=True)),
            },
            optional=("parameters",),
            is_open=True,
        ),
    }


def request(metadata: ModelMetadata, max_rows: int) -> Schema:
    """What one version takes as JSON."""
    inputs = [_input_of(spec, max_rows) for spec in metadata.inputs]
    return _request(
        {
            "type": "array",
            "items": inputs[0] if len(inputs) == 1 else {"oneOf": inputs},
            "minItems": len(inputs),
            "maxItems": len(inputs),
            "description": "Each input of the model once, all with the same number of rows.",
        },
        {"enum": [spec.name for spec in metadata.outputs]},
    )


def request_example(metadata: ModelMetadata) -> dict[str, Any] | None:
    sample = metadata.sample and metadata.sample.inputs
    inputs: list[dict[str, Any]] = []
    for spec in metadata.inputs:
        rows = example_rows(spec, sample)
        if rows is None:
            return None
        described = {"name": spec.name, "datatype": spec.datatype, "shape": shape_of(rows)}
        inputs.append(described | {"data": list(values_of(rows))})
    return {"inputs": inputs}


def _input_of(spec: TensorSpec, max_rows: int) -> Schema:
    rows = {"type": "integer", "minimum": 1, "maximum": max_rows}
    sizes = [{"type": "integer", "minimum": 1} if size == -1 else {"const": size} for size in spec.shape[1:]]
    shape = {"type": "array", "prefixItems": [rows, *sizes], "minItems": len(spec.shape), "maxItems": len(spec.shape)}
    value = value_schema(spec.datatype)
    data = nested(value, [-1])
    if len(spec.shape) > 1:
        data = {"anyOf": [data, nested(value, spec.shape)]}
    return _input({"const": spec.name}, {"const": spec.datatype}, shape, data)


def _input(name: Schema, datatype: Schema, shape: Schema, data: Schema) -> Schema:
    return record(
        {
            "name": name,
            "shape": shape,
            "datatype": datatype,
            "data": data
            | {"description": "The values in row-major order, or lists nested as the shape says; as many as it says."},
            "parameters": nullable(reference("schemas", "InferInputParameters")),
        },
        optional=("parameters",),
    )


def _request(inputs: Schema, output: Schema) -> Schema:
    asked = record(
        {"name": output, "parameters": nullable(reference("schemas", "InferOutputParameters"))},
        optional=("parameters",),
    )
    return record(
        {
            "inputs": inputs,
            "outputs": nullable({"type": "array", "items": asked})
            | {"description": "Which outputs to answer; every output where none is named."},
            "id": _TEXT_OR_NULL,
            "parameters": nullable(reference("schemas", "InferParameters")),
            "model_name": _TEXT_OR_NULL,
            "model_version": _TEXT_OR_NULL,
        },
        optional=("outputs", "id", "parameters", "model_name", "model_version"),
    )


def _parameters(known: dict[str, Schema]) -> Schema:
    """Others are read past, as the protocol leaves them to whoever understands them."""
    return record(known, optional=tuple(known), is_open=True)
