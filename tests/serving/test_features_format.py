"""What Feast writes is read as it was meant, and what it never wrote does no harm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.features import values
from serving.features.keys import EntityIds
from serving.features.plan import Entry, Key, Plan, entries_of
from serving.features.settings import TABLE_NAME_TEMPLATE
from serving.features.values import MISSING, UNREADABLE
from serving.messages import Refused
from serving.model import ModelRefused
from tests.serving import feast_items
from tests.serving.feast_items import REFERENCE, TIME, TIME_SECONDS, column, double


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", REFERENCE["keys"])
def test_an_entity_has_the_id_that_feast_gives_it(case: Any) -> None:
    types = {part["join_key"]: part["value_type"] for part in case["key"]}
    entities = {part["join_key"]: [part["value"]] for part in case["key"]}
    assert EntityIds(tuple(types), types).of(entities) == [case["entity_id"]]


@pytest.mark.parametrize("case", named(REFERENCE["values"]))
def test_a_value_is_read_as_feast_wrote_it(case: Any) -> None:
    value = values.read(bytes.fromhex(case["bytes"]))
    assert value is MISSING if case["value"] is None else (value, type(value)) == (case["value"], type(case["value"]))


@pytest.mark.parametrize("case", named(REFERENCE["refused_values"]))
def test_a_value_of_another_type_is_not_guessed_at(case: Any) -> None:
    assert values.read(bytes.fromhex(case["bytes"])) is UNREADABLE


@pytest.mark.parametrize("case", named(REFERENCE["event_times"]))
def test_a_time_is_read_as_feast_wrote_it(case: Any) -> None:
    (view,) = plan_of("FP64", max_age_seconds=1).views
    entry = view.entry({"event_ts": {"S": case["event_ts"]}})
    assert entry.event_time == case["seconds"]


def test_a_table_has_the_name_that_feast_gives_it() -> None:
    plan = Plan(feast_items.features("churn", column("customer:balance")), "FP64", "{project}.{table_name}_stats")
    assert [view.table for view in plan.views] == [REFERENCE["table"]]


def test_a_float_that_is_not_a_number_counts_as_missing() -> None:
    assert values.read(double(math.nan)) is MISSING


@pytest.mark.parametrize(
    "message",
    [
        b"\x29",
        double(1.0) + b"\x00",
        b"\x35\x00",
        b"\x12\x05gold",
        b"\x12\x03gold",
        b"\x12\x01\xff",
        b"\x12",
        b"\x20\xff",
        b"\x20" + b"\xff" * 10 + b"\x01",
        b"\x20" + b"\xff" * 9 + b"\x02",
        b"\x38\x02",
        b"\x18\x80\x80\x80\x80\x10",
        b"\x00",
    ],
)
def test_malformed_bytes_are_no_value(message: bytes) -> None:
    assert values.read(message) is UNREADABLE


@pytest.mark.parametrize(
    ("datatype", "value", "expected"),
    [
        ("FP32", 7, 7.0),
        ("FP32", True, 1.0),
        ("FP32", 1e39, None),
        ("FP32", math.inf, None),
        ("FP64", "7", None),
        ("INT8", 127, 127),
        ("INT8", 128, None),
        ("UINT64", 2**63 - 1, 2**63 - 1),
        ("UINT8", -1, None),
        ("INT64", 1.0, None),
        ("INT64", True, 1),
        ("BOOL", False, False),
        ("BOOL", 0, None),
        ("BYTES", "gold", "gold"),
        ("BYTES", 7, None),
    ],
)
def test_a_value_fits_the_input_exactly_or_not_at_all(datatype: str, value: Any, expected: Any) -> None:
    fitted = values.fit(datatype)(value)
    assert (fitted, type(fitted)) == (expected, type(expected))


def test_a_default_that_the_input_cannot_hold_refuses_the_model() -> None:
    with pytest.raises(ModelRefused, match="the default of the feature customer:balance does not fit INT8"):
        plan_of("INT8", default=300)


def test_columns_come_in_the_models_order_from_whichever_view() -> None:
    spec = feast_items.features("churn", column("customer:a"), column("shop:b"), column("customer:c"))
    plan = Plan(spec, "FP64", TABLE_NAME_TEMPLATE)
    keys = plan.keys({"customer_id": [1, 2, 1], "shop_id": ["x", "y", "z"]})
    stored = {
        "churn.customer": [feast_items.item({"customer_id": n}, {"a": double(n), "c": double(n * 10)}) for n in (2, 1)],
        "churn.shop": [feast_items.item({"shop_id": name}, {"b": double(ord(name))}) for name in "zyx"],
    }
    entries, left = entries_of({key: None for view in keys for key in view}, {"Responses": stored})
    rows, defaults = plan.rows(keys, entries, TIME_SECONDS)
    assert rows.tolist() == [[1, 120, 10], [2, 121, 20], [1, 122, 10]]
    assert (rows.dtype, defaults, left) == (np.float64, 0, [])


def test_a_view_with_more_columns_than_an_expression_can_name_is_read_whole() -> None:
    many = [column(f"customer:feature {n}") for n in range(1000)]
    (wide,) = Plan(feast_items.features("churn", *many), "FP64", TABLE_NAME_TEMPLATE).views
    (narrow,) = plan_of("FP64").views
    assert wide.request(["id"]) == {"Keys": [{"entity_id": {"S": "id"}}]}
    assert narrow.request(["id"])["ExpressionAttributeNames"]["#f0"] == "balance"


def plan_of(datatype: str, **options: Any) -> Plan:
    return Plan(feast_items.features("churn", column("customer:balance", **options)), datatype, TABLE_NAME_TEMPLATE)


anything = st.recursive(
    st.none() | st.text() | st.binary(max_size=24) | st.booleans(),
    lambda inner: st.dictionaries(st.sampled_from(["M", "B", "S", "balance"]), inner, max_size=3),
    max_leaves=6,
)
messages = st.binary(max_size=24) | st.tuples(
    st.sampled_from([b"\x12", b"\x18", b"\x20", b"\x29", b"\x35", b"\x38", b"\x40", b"\x98\x01"]),
    st.binary(max_size=12),
).map(b"".join)
times = st.just(TIME) | st.text() | st.datetimes().map(str)
spoilt_items = st.fixed_dictionaries(
    {},
    optional={
        "values": anything | messages.map(lambda message: {"M": {"balance": {"B": message}}}),
        "event_ts": anything | times.map(lambda time: {"S": time}),
    },
)


@given(spoilt_items, st.sampled_from(["FP32", "FP64", "INT8", "UINT64", "BOOL", "BYTES"]), st.none() | st.just(60))
@example({"values": {"M": {"balance": {"B": double(1.5)}}}, "event_ts": {"S": "0001-01-01 00:00:00+14:00"}}, "FP64", 60)
def test_whatever_is_stored_gives_a_value_of_the_input_or_a_refusal(
    spoilt: dict[str, Any], datatype: str, max_age_seconds: int | None
) -> None:
    plan = plan_of(datatype, max_age_seconds=max_age_seconds)
    keys = plan.keys({"customer_id": [17]})
    (view,) = plan.views
    entries: dict[Key, Entry] = {keys[0][0]: view.entry(spoilt)}
    try:
        rows, _ = plan.rows(keys, entries, TIME_SECONDS)
    except Refused as refused:
        outcome = refused.code
    else:
        outcome = "rows" if rows.dtype == np.object_ or np.isfinite(rows.astype(np.float64)).all() else "not finite"
    assert outcome in ("rows", "feature_missing", "feature_too_old", "feature_unreadable")
