"""Features in the metadata: they survive a round trip, and what is wrong with them is named."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from contract import features, metadata
from contract.features import InvalidFeatures
from contract.metadata import InvalidMetadata, ModelMetadata
from serving.features.settings import read
from serving.reader import Reader
from tests.serving import feast_items
from tests.serving.feast_items import column
from tests.serving.test_metadata import GOOD

FEATURES: dict[str, Any] = {
    "project": "churn",
    "entities": [{"join_key": "customer_id", "value_type": "INT64"}],
    "views": [{"name": "customer", "join_keys": ["customer_id"]}],
    "columns": [
        {"view": "customer", "feature": "balance"},
        {"view": "customer", "feature": "visits", "default": 0, "max_age_seconds": 60, "default_if_old": True},
    ],
}


def model(looked_up: Any = FEATURES, **changes: Any) -> ModelMetadata:
    return metadata.parse(json.dumps({**GOOD, "features": looked_up, **changes}).encode())


def test_features_survive_a_round_trip() -> None:
    parsed = model()
    assert parsed.features == feast_items.features(
        "churn",
        column("customer:balance"),
        column("customer:visits", default=0, max_age_seconds=60, default_if_old=True),
    )
    assert metadata.parse(metadata.render(parsed)) == parsed


def test_a_model_without_features_is_as_good_as_before() -> None:
    without = replace(model(), features=None)
    assert metadata.parse(metadata.render(without)) == without


def changed(path: str, value: Any) -> dict[str, Any]:
    document: Any = copy.deepcopy(FEATURES)
    *parents, last = path.split(".")
    at = document
    for part in parents:
        at = at[int(part)] if part.isdigit() else at[part]
    at[int(last) if last.isdigit() else last] = value
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "features has no 'project'"),
        ({**FEATURES, "tables": []}, "features has unknown fields: tables"),
        (changed("project", "no spaces"), "'no spaces' for 'project', which must match"),
        (changed("entities", []), "for 'entities', which must be a list of one or more"),
        (changed("entities.0", "customer_id"), r"features.entities\[0\] holds 'customer_id' where an object belongs"),
        (changed("entities.0.value_type", "FLOAT"), "has value_type 'FLOAT': use one of INT32, INT64, STRING"),
        (changed("entities.0.join_key", 7), r"features.entities\[0\] has 7 for 'join_key', which must be a string"),
        (changed("entities.0.join_key", "shop_id"), r"\['customer_id'\] and features.entities has \['shop_id'\]"),
        (changed("entities", FEATURES["entities"] * 2), "features.entities has .*: name each only once"),
        (changed("views", FEATURES["views"] * 2), "features.views has .*: name each only once"),
        (changed("views.0.join_keys", ["customer_id"] * 2), "for 'join_keys': name each only once"),
        (changed("views.0.join_keys", [["customer_id"]]), "for 'join_keys'"),
        (changed("views.0.name", "shop"), r"read from \['customer'\] and features.views has \['shop'\]"),
        (changed("columns.1.default", [0]), "for 'default': give a number, a string or a boolean"),
        (changed("columns.1.default", float("nan")), "nan for 'default': give a finite number"),
        (changed("columns.1.default", 2**64), "for 'default': give a finite number, if whole of 64 bits"),
        (changed("columns.1.default", "none"), r"columns\[1\] has the default 'none', which is no FP32"),
        (changed("columns.1.default", True), r"columns\[1\] has the default True, which is no FP32"),
        (changed("columns.1.default", None), "'default_if_old' without both 'default' and 'max_age_seconds'"),
        (changed("columns.1.max_age_seconds", 0), "0 for 'max_age_seconds', which must be a whole number from 1 up"),
        (changed("columns.1.max_age_seconds", True), "True for 'max_age_seconds'"),
        (changed("columns.1.default_if_old", 1), "1 for 'default_if_old', which must be true or false"),
        (changed("columns", FEATURES["columns"][:1]), "features has 1 columns for an input of 2: name each one"),
    ],
)
def test_each_fault_is_named_with_its_field(document: Any, message: str) -> None:
    with pytest.raises(InvalidMetadata, match=message):
        model(document)


@pytest.mark.parametrize(
    "inputs",
    [
        [{"name": "x", "datatype": "FP32", "shape": [-1, 2, 1]}],
        [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}, {"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    ],
)
def test_features_need_a_model_that_takes_rows(inputs: Any) -> None:
    with pytest.raises(InvalidMetadata, match=r"without one input of shape \[-1, columns\]"):
        model(inputs=inputs)


@pytest.mark.parametrize(
    ("datatype", "default", "suits"),
    [
        ("FP64", 1, True),
        ("FP64", 1.5, True),
        ("INT64", 1, True),
        ("INT64", 1.5, False),
        ("INT64", "1", False),
        ("BOOL", True, True),
        ("BOOL", 1, False),
        ("BYTES", "gold", True),
        ("BYTES", 1, False),
    ],
)
def test_a_default_is_of_the_kind_that_the_input_takes(datatype: str, default: Any, suits: bool) -> None:
    spec = feast_items.features("churn", column("customer:tier", default=default))
    if suits:
        features.check_input(spec, datatype, 1)
    else:
        with pytest.raises(InvalidFeatures, match=f"which is no {datatype}"):
            features.check_input(spec, datatype, 1)


def test_the_settings_are_feasts_defaults_and_bounded_waiting() -> None:
    settings = read(Reader({}))
    assert (settings.table_name_template, settings.deadline_ms, settings.threads) == (
        feast_items.REFERENCE["table_name_template"],
        100,
        8,
    )


@pytest.mark.parametrize("template", ["features", "{table_name}{table_name}", "{table_name", "{table_name!r}", "{0}"])
def test_a_template_that_names_no_table_is_one_clear_fault(template: str) -> None:
    reader = Reader({"SERVEML_FEATURES_TABLE_TEMPLATE": template})
    read(reader)
    assert len(reader.faults) == 1
    assert "SERVEML_FEATURES_TABLE_TEMPLATE: " in reader.faults[0]
    assert "write {table_name} once" in reader.faults[0]
