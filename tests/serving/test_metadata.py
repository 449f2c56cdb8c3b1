"""The metadata document: it survives a round trip, and says which field is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from contract import metadata
from contract.metadata import InvalidMetadata
from ops.demo_model import DemoModel

GOOD: dict[str, Any] = {
    "schema_version": 1,
    "name": "churn",
    "version": "1.0.0",
    "created_at": "2026-01-31T12:00:00+00:00",
    "framework": "scikit-learn 1.9.1",
    "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]}],
}


def test_a_document_survives_a_round_trip_to_the_byte(first: DemoModel) -> None:
    data = metadata.render(first.metadata)
    assert metadata.parse(data) == first.metadata
    assert metadata.render(metadata.parse(data)) == data


def test_what_is_optional_may_be_left_out() -> None:
    parsed = metadata.parse(json.dumps(GOOD).encode())
    assert (parsed.git_sha, parsed.dataset_version, parsed.feature_names, parsed.sample) == (None, None, None, None)
    assert parsed.metrics == {}


def test_half_precision_is_a_datatype_and_brain_floats_are_none() -> None:
    half = {"inputs": [{"name": "x", "datatype": "FP16", "shape": [-1, 2]}]}
    assert metadata.parse(json.dumps(GOOD | half).encode()).inputs[0].datatype == "FP16"
    with pytest.raises(InvalidMetadata, match="datatype 'BF16': use one of"):
        metadata.parse(json.dumps(GOOD | half).replace("FP16", "BF16").encode())


def test_a_number_that_json_cannot_hold_is_not_written(first: DemoModel) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        metadata.render(replace(first.metadata, metrics={"accuracy": float("nan")}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version 2, only 1 is known"),
        ({"name": "Churn"}, "model name 'Churn' is not allowed"),
        ({"version": "1"}, "model version '1' is not a semantic version"),
        ({"created_at": "2026-01-31T12:00:00"}, "write an ISO 8601 time with its offset"),
        ({"framework": None}, "no 'framework', which must be of type str"),
        ({"git_sha": 7}, "has 7 for 'git_sha', which must be of type str"),
        ({"inputs": []}, "name at least one, and each only once"),
        ({"inputs": GOOD["inputs"] * 2}, "name at least one, and each only once"),
        ({"inputs": [{"name": "x", "datatype": "float", "shape": [-1]}]}, r"inputs\[0\] has datatype 'float': use one"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [3, 2]}]}, "start with -1 for the rows"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 0]}]}, "start with -1 for the rows"),
        ({"inputs": ["x"]}, r"inputs\[0\] holds 'x' where an object belongs"),
        ({"feature_names": ["only one"]}, "1 feature_names for an input of 2 columns"),
        ({"feature_names": ["age", "age"]}, "a name twice in 'feature_names': give every column its own"),
        ({"feature_names": ["age", ""]}, "the name '' in 'feature_names': it must not be empty"),
        ({"feature_names": ["age", 'in"come']}, "nor hold quotation marks, backslashes or control"),
        ({"inputs": [{"name": "a\\b", "datatype": "FP32", "shape": [-1, 2]}]}, "the name .* in 'inputs'"),
        ({"variants": [{}]}, r"variants\[0\] has None for 'name'"),
        ({"feature_names": [1, 2]}, "something else than strings in 'feature_names'"),
        ({"metrics": {"accuracy": "high"}}, "'high' for the metric 'accuracy', which must be a number"),
        ({"sample": {"inputs": {"features": [[1, 2]]}}}, "a sample without inputs or without outputs"),
        ({"author": "someone"}, "unknown fields: author"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidMetadata, match=message):
        metadata.parse(json.dumps(GOOD | change).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff"])
def test_what_is_no_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidMetadata):
        metadata.parse(data)
