"""Rows looked up in a store as Feast leaves it: what is found, and what is said of what is lacking."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import numpy as np
import pytest

from tests.serving import feast_items
from tests.serving.feast_items import NULL, column, double, text
from tests.serving.feast_store import FeastStore

MARKER = 7_301_973


@pytest.fixture
def feast(endpoint: str) -> FeastStore:
    return FeastStore(endpoint)


def test_what_feast_wrote_is_found(feast: FeastStore) -> None:
    feast.put("customer", feast_items.reference_item())
    assert feast.look_up({"customer_id": [17]}, column("customer:balance")).tolist() == [[12.5]]
    assert feast.look_up({"customer_id": [17]}, column("customer:tier"), datatype="BYTES").tolist() == [["gold"]]
    assert feast.counted.outcomes == ["ok", "ok"]


def test_rows_are_joined_from_several_views_by_their_own_keys(feast: FeastStore) -> None:
    feast.put("customer", *(feast_items.item({"customer_id": n}, {"age": double(n)}) for n in (1, 2)))
    feast.put("shop", *(feast_items.item({"shop_id": name}, {"sales": double(ord(name))}) for name in "ab"))
    feast.put("basket", feast_items.item({"customer_id": 1, "shop_id": "b"}, {"total": double(99)}))
    rows = feast.look_up(
        {"customer_id": [2, 1, 1], "shop_id": ["a", "b", "a"]},
        column("basket:total", default=0),
        column("customer:age"),
        column("shop:sales"),
        datatype="FP32",
    )
    assert rows.tolist() == [[0, 2, 97], [99, 1, 98], [0, 1, 97]]
    assert rows.dtype == np.float32
    assert feast.counted.defaults == 2


def test_more_keys_than_one_call_may_have_are_all_found_in_order(feast: FeastStore) -> None:
    feast.put("customer", *(feast_items.item({"customer_id": n}, {"age": double(n)}) for n in range(230)))
    # Twice each: the store refuses a call that names a key twice.
    ids = [*range(230), *reversed(range(230))]
    rows = feast.look_up({"customer_id": ids}, column("customer:age"))
    assert rows[:, 0].tolist() == ids


def test_only_the_features_of_the_model_are_sent_for(feast: FeastStore) -> None:
    feast.put("customer", feast_items.item({"customer_id": 1}, {"age": double(30), "secret.note": text("x")}))
    answers: list[Any] = []

    def note(parsed: Any, **_: Any) -> None:
        answers.append(parsed)

    feast.client.meta.events.register("after-call.dynamodb.BatchGetItem", note)
    feast.look_up({"customer_id": [1]}, column("customer:age"))
    (answered,) = answers[0]["Responses"].values()
    assert set(answered[0]["values"]["M"]) == {"age"}


@pytest.mark.parametrize("values", [None, {}, {"balance": NULL}], ids=["no entity", "no feature", "null"])
def test_what_the_store_does_not_have_is_refused_by_row_and_feature_or_is_the_default(
    feast: FeastStore, values: dict[str, bytes] | None
) -> None:
    feast.put("customer", feast_items.item({"customer_id": 1}, {"balance": double(1)}))
    if values is not None:
        feast.put("customer", feast_items.item({"customer_id": MARKER}, values))
    refusal = feast.refusal({"customer_id": [1, MARKER]}, column("customer:balance"))
    assert (refusal.status, refusal.code) == (HTTPStatus.UNPROCESSABLE_ENTITY, "feature_missing")
    assert refusal.field == "entities.customer_id[1]"
    assert "customer:balance for row 1" in refusal.message
    assert str(MARKER) not in refusal.message
    rows = feast.look_up({"customer_id": [1, MARKER]}, column("customer:balance", default=-1.5))
    assert rows.tolist() == [[1], [-1.5]]
    assert feast.counted.defaults == 1


@pytest.mark.parametrize("seconds_old", [59, 61])
def test_a_value_counts_until_it_is_too_old(feast: FeastStore, seconds_old: int) -> None:
    time_of_day = f"2026-01-31 12:{'29:16' if seconds_old == 59 else '29:14'}+00:00"
    feast.put("customer", feast_items.item({"customer_id": 1}, {"balance": double(1)}, time_of_day))
    for_ever = column("customer:balance", default=0)
    aged = column("customer:balance", default=0, max_age_seconds=60)
    replaced = column("customer:balance", default=0, max_age_seconds=60, default_if_old=True)
    assert feast.look_up({"customer_id": [1]}, for_ever).tolist() == [[1]]
    if seconds_old == 59:
        assert feast.look_up({"customer_id": [1]}, aged, replaced).tolist() == [[1, 1]]
        return
    assert feast.look_up({"customer_id": [1]}, replaced).tolist() == [[0]]
    refusal = feast.refusal({"customer_id": [1]}, aged)
    assert (refusal.status, refusal.code) == (HTTPStatus.UNPROCESSABLE_ENTITY, "feature_too_old")
    assert "customer:balance of row 0 is older than the model's 60 s" in refusal.message


@pytest.mark.parametrize(
    ("values", "event_time"),
    [
        ({"balance": text("a lot")}, feast_items.TIME),
        ({"balance": b"\x29"}, feast_items.TIME),
        ({"balance": double(1)}, "yesterday"),
    ],
    ids=["another type", "malformed", "no time"],
)
def test_what_does_not_suit_the_input_is_our_fault_even_with_a_default(
    feast: FeastStore, values: dict[str, bytes], event_time: str
) -> None:
    feast.put("customer", feast_items.item({"customer_id": 1}, values, event_time))
    refusal = feast.refusal({"customer_id": [1]}, column("customer:balance", default=0, max_age_seconds=60))
    assert (refusal.status, refusal.code) == (HTTPStatus.INTERNAL_SERVER_ERROR, "feature_unreadable")
