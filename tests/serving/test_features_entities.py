"""The entities of a request: values for each row by join key, and refusals that name the place and no value."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.features import Entity, FeatureColumn, Features, FeatureView
from serving.features.entities import read_entities
from serving.messages import Refused
from tests.serving.feast_items import column, features

BASKETS = features("churn", column("basket:total"))
MAX_ROWS = 3
MARKER = "marker-7f3a"


def test_values_are_read_by_join_key() -> None:
    raw = msgspec.Raw(b'{"shop_id": ["a", "b"], "customer_id": [17, -9223372036854775808]}')
    assert read_entities(raw, BASKETS, MAX_ROWS) == {"shop_id": ["a", "b"], "customer_id": [17, -(2**63)]}


@pytest.mark.parametrize(
    ("entities", "code", "field"),
    [
        ([{"customer_id": 1, "shop_id": "a"}], "wrong_type", "entities"),
        (None, "wrong_type", "entities"),
        ({"customer_id": [1]}, "missing_field", "entities.shop_id"),
        ({"customer_id": [1], "shop_id": ["a"], MARKER: [1]}, "unknown_field", "entities"),
        ({"customer_id": 1, "shop_id": ["a"]}, "wrong_type", "entities.customer_id"),
        ({"customer_id": [1, 2, MARKER], "shop_id": ["a"] * 3}, "wrong_type", "entities.customer_id[2]"),
        ({"customer_id": [1, 2.0], "shop_id": ["a"] * 2}, "wrong_type", "entities.customer_id[1]"),
        ({"customer_id": [True], "shop_id": ["a"]}, "wrong_type", "entities.customer_id[0]"),
        ({"customer_id": [None], "shop_id": ["a"]}, "wrong_type", "entities.customer_id[0]"),
        ({"customer_id": [2**63], "shop_id": ["a"]}, "wrong_type", "entities.customer_id[0]"),
        ({"customer_id": [[1]], "shop_id": ["a"]}, "wrong_type", "entities.customer_id[0]"),
        ({"customer_id": [1], "shop_id": [7]}, "wrong_type", "entities.shop_id[0]"),
        ({"customer_id": [1, 2], "shop_id": ["a"]}, "wrong_length", "entities.customer_id"),
        ({"customer_id": [], "shop_id": []}, "empty", "entities.shop_id"),
        ({"customer_id": [1] * 4, "shop_id": ["a"] * 4}, "too_many_rows", "entities.shop_id"),
    ],
)
def test_a_fault_is_told_with_its_place_and_without_its_value(entities: Any, code: str, field: str) -> None:
    with pytest.raises(Refused) as caught:
        read_entities(json.dumps(entities).encode(), BASKETS, MAX_ROWS)
    assert (caught.value.status, caught.value.code, caught.value.field) == (HTTPStatus.BAD_REQUEST, code, field)
    assert MARKER not in caught.value.message


def test_a_narrow_integer_keeps_to_its_range() -> None:
    spec = Features(
        project="churn",
        entities=(Entity(join_key="driver", value_type="INT32"),),
        views=(FeatureView(name="driver", join_keys=("driver",)),),
        columns=(FeatureColumn(view="driver", feature="trips"),),
    )
    assert read_entities(b'{"driver": [2147483647]}', spec, MAX_ROWS) == {"driver": [2**31 - 1]}
    with pytest.raises(Refused, match="must be an array of INT32 values"):
        read_entities(b'{"driver": [2147483648]}', spec, MAX_ROWS)


@given(st.binary(max_size=40) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_whatever_arrives_is_entities_or_a_refusal_of_the_request(raw: bytes | str) -> None:
    try:
        read_entities(raw.encode() if isinstance(raw, str) else raw, BASKETS, MAX_ROWS)
    except Refused as refused:
        status = refused.status
    else:
        status = HTTPStatus.OK
    assert status in (HTTPStatus.OK, HTTPStatus.BAD_REQUEST)


def test_nesting_without_end_is_a_refusal() -> None:
    with pytest.raises(Refused, match="not JSON"):
        read_entities(b'{"customer_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", BASKETS, MAX_ROWS)
