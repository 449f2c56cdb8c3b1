"""The schemas of the OpenAPI document against what reads the requests: values, shapes, fields, and codes of errors."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from typing import Any

import jsonschema
import msgspec
import pytest

from contract.features import Entity, FeatureColumn, Features, FeatureView
from contract.metadata import DATATYPES, ModelMetadata, Sample, TensorSpec
from serving.docs import inferring, predicting, refusals
from serving.docs.document import NOTHING, Document, document
from serving.messages import Refused
from serving.oip import json_codec
from serving.wire import RowFormat
from tests.serving.oip_versions import Echo, Loaded, metadata_of, spec
from tests.serving.openapi import JSON, TERMS, fits, resolved
from tests.serving.process import ROOT

VALUES = {
    "BOOL": [True, False, 0, 1, "true", None],
    "BYTES": ["", "x", 1, None, ["x"]],
    "FP16": [65504, 65519, 65520, -65520, 1e39, "1", True],
    "FP32": [3.4e38, 3.4028235677973362e38, 3.4028235677973366e38, -3.5e38, None],
    "FP64": [1e308, 10**400, -(10**400), "x"],
    "UINT64": [0, -1, 2**64 - 1, 2**64, 1.5],
    "INT64": [-(2**63), -(2**63) - 1, 2**63 - 1, 2**63, 0.5],
    **{f"UINT{bits}": [0, -1, 2**bits - 1, 2**bits, 1.5] for bits in (8, 16, 32)},
    **{f"INT{bits}": [-(2 ** (bits - 1)), -(2 ** (bits - 1)) - 1, 2 ** (bits - 1)] for bits in (8, 16, 32)},
}


@pytest.mark.parametrize("datatype", DATATYPES)
def test_the_schema_takes_the_values_that_the_service_takes(datatype: str) -> None:
    metadata = metadata_of(spec("x", datatype, -1, 1))
    reader = RowFormat(metadata, max_rows=TERMS.max_rows)
    schema = jsonschema.Draft202012Validator(predicting.request(metadata, TERMS.max_rows))
    verdicts: set[bool] = set()
    for value in VALUES[datatype]:
        body = {"instances": [[value]]}
        try:
            reader.read(json.dumps(body).encode())
            taken = True
        except Refused:
            taken = False
        assert schema.is_valid(body) is taken, value
        verdicts.add(taken)
    assert verdicts == {True, False}


ROWS: list[tuple[tuple[TensorSpec, ...], Any]] = [
    ((spec("x", "INT32", -1),), [1, 2]),
    ((spec("x", "INT32", -1, -1),), [[1, 2, 3]]),
    ((spec("x", "INT32", -1, 2, 2),), [[[1, 2], [3, 4]]]),
    ((spec("x", "INT32", -1), spec("y", "BYTES", -1, 2)), [{"x": 1, "y": ["a", "b"]}]),
]


@pytest.mark.parametrize(("inputs", "rows"), ROWS)
def test_rows_of_any_shape_are_described_as_they_are_read(inputs: tuple[TensorSpec, ...], rows: Any) -> None:
    metadata = metadata_of(*inputs)
    reader = RowFormat(metadata, max_rows=TERMS.max_rows)
    schema = jsonschema.Draft202012Validator(predicting.request(metadata, TERMS.max_rows))
    examples = [example["value"]["instances"] for example in predicting.request_examples(metadata).values()]
    assert examples
    for good in [rows, *examples]:
        assert schema.is_valid({"instances": good})
        assert reader.read(json.dumps({"instances": good}).encode())
    for bad in ([], rows * 5, [rows], [None]):
        assert not schema.is_valid({"instances": bad})
        with pytest.raises(Refused):
            reader.read(json.dumps({"instances": bad}).encode())


def test_a_model_whose_features_are_looked_up_also_takes_entities() -> None:
    metadata = replace(
        metadata_of(spec("x", "FP32", -1, 1)),
        features=Features(
            project="shop",
            entities=(Entity(join_key="customer_id", value_type="INT64"),),
            views=(FeatureView(name="orders", join_keys=("customer_id",)),),
            columns=(FeatureColumn(view="orders", feature="count"),),
        ),
    )
    schema = jsonschema.Draft202012Validator(predicting.request(metadata, TERMS.max_rows))
    assert schema.is_valid({"instances": [[1]]})
    assert schema.is_valid({"entities": {"customer_id": [17, 42]}})
    for bad in (
        {"entities": {"customer_id": ["17"]}},
        {"entities": {"customer_id": []}},
        {"entities": {"customer_id": [1] * 5}},
        {"entities": {}},
        {"entities": {"customer_id": [1], "other": [1]}},
        {"entities": {"customer_id": [1]}, "instances": [[1]]},
    ):
        assert not schema.is_valid(bad)


def test_an_example_too_large_to_teach_anything_is_left_out() -> None:
    wide = metadata_of(spec("image", "FP32", -1, 3, 224, 224))
    assert (predicting.request_examples(wide), inferring.request_example(wide)) == ({}, None)


def test_an_answer_with_nan_fits_as_null() -> None:
    metadata = replace(metadata_of(spec("x", "FP32", -1, 2)), sample=Sample(inputs={}, outputs={}))
    answer = {"model_name": "echo", "model_version": "1.0.0", "predictions": [[1.5, None]]}
    assert jsonschema.Draft202012Validator(predicting.answer(metadata)).is_valid(answer)


@pytest.mark.parametrize(
    ("component", "struct"),
    [
        ("InferRequest", json_codec.InferRequest),
        ("InferInput", json_codec.Input),
        ("InferInputParameters", json_codec.InputParameters),
        ("InferOutputParameters", json_codec.OutputParameters),
        ("InferParameters", json_codec.RequestParameters),
    ],
)
def test_inference_requests_are_described_by_the_fields_that_are_read(
    component: str, struct: type[msgspec.Struct]
) -> None:
    schema = inferring.components()[component]
    required = {field.name for field in msgspec.structs.fields(struct) if field.required}
    # Data may lie behind the JSON; a request that is JSON alone has it there.
    required |= {"data"} & set(struct.__struct_fields__)
    assert (set(schema["properties"]), set(schema["required"])) == (set(struct.__struct_fields__), required)
    assert ("additionalProperties" in schema) is struct.__struct_config__.forbid_unknown_fields


def test_a_version_s_inference_request_names_its_inputs_and_outputs() -> None:
    metadata = metadata_of(spec("a", "FP32", -1, 2), spec("b", "BYTES", -1))
    whole = document_of(metadata)
    operation = whole["paths"]["/v2/models/echo/infer"]["post"]
    schema = resolved(whole, operation["requestBody"]["content"][JSON]["schema"])
    a = {"name": "a", "datatype": "FP32", "shape": [2, 2], "data": [1, 2, 3, 4]}
    b = {"name": "b", "datatype": "BYTES", "shape": [2], "data": ["x", "y"]}
    assert fits(whole, schema, {"inputs": [a, b], "outputs": [{"name": "same_a"}]})
    assert fits(whole, schema, {"inputs": [b, a | {"data": [[1, 2], [3, 4]]}]})
    for bad in (
        {"inputs": [a]},
        {"inputs": [a, b | {"datatype": "FP32"}]},
        {"inputs": [a, b | {"shape": [2, 1]}]},
        {"inputs": [a | {"shape": [5, 2]}, b]},
        {"inputs": [a, b], "outputs": [{"name": "a"}]},
        {"inputs": [a, b], "parameters": {"binary_data_output": "yes"}},
        {"inputs": [a | {"parameters": {"shared_memory_region": "r"}}, b]},
    ):
        assert not fits(whole, schema, bad)


def document_of(metadata: ModelMetadata) -> dict[str, Any]:
    return json.loads(Document(Loaded(Echo(metadata)), TERMS).of_models.body)


# What answers requests; not what describes them, and not what calls other services or speaks gRPC.
ANSWERING = [
    path
    for path in (ROOT / "serving").rglob("*.py")
    if path.relative_to(ROOT / "serving").parts[0] not in {"docs", "tracing", "rpc", "image"}
]
CODE_AT = {"Refused": 1, "InvalidRequest": 0, "_refused": 0, "_unavailable": 0, "_Misplaced": 1}


def codes_in(tree: ast.AST) -> set[str]:
    """Strings that are given as the code of an error, or assigned to a name that says so."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            found += node.args[CODE_AT[called] : CODE_AT[called] + 1] if called in CODE_AT else []
        elif isinstance(node, ast.Assign) and re.search(r"\b(?:\w*_CODE|code)\b", ast.unparse(node.targets[0])):
            found.append(node.value)
    return {
        part.value
        for node in found
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and re.fullmatch(r"[a-z_]+", part.value)
    }


def test_every_status_and_code_that_can_be_raised_is_documented_and_no_other() -> None:
    trees = [ast.parse(path.read_text()) for path in ANSWERING]
    raised = set().union(*map(codes_in, trees))
    statuses = {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "HTTPStatus"
    }
    listed = [refusals.NO_OPERATION, *(kind.codes(authentication=True) for kind in refusals.KINDS)]
    assert {code for codes in listed for several in codes.values() for code in several} == raised
    assert {status.name for codes in listed for status in codes} == statuses - {"OK", "NOT_MODIFIED"}


def test_refusals_are_in_the_document_with_their_codes() -> None:
    whole = document(NOTHING, replace(TERMS, authentication=True))
    described = resolved(whole, whole["paths"]["/predict"]["post"]["responses"]["429"])
    assert "`rate_limited`" in described["description"]
    assert {"Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} <= set(described["headers"])
    assert "Allow" in whole["components"]["responses"]["NoOperation405"]["headers"]
