"""Records of API keys: what is written, and what is refused rather than read in part."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import access
from contract.access import ApiKeyRecord, InvalidRecord
from tests.serving.issued_keys import NOW, issued


def test_a_key_has_the_documented_form_and_its_record_nothing_of_the_secret() -> None:
    text, record = issued()
    assert re.fullmatch(r"sml_[a-z2-7]{12}_[a-z2-7]{52}", text)
    assert access.key_id_of(text) == record.key_id
    assert text.rpartition("_")[2] not in access.render([record]).decode() + repr(access.to_item(record))


def test_no_two_keys_are_alike() -> None:
    many = [issued()[0] for _ in range(200)]
    assert len({text.split("_")[1] for text in many}) == len({text.split("_")[2] for text in many}) == 200


records = st.builds(
    lambda text, user_id, scopes, created, expires, revoked, rate: ApiKeyRecord(
        key_id=text,
        user_id=user_id,
        digest=access.digest_of(text),
        scopes=tuple(scopes),
        created_at=created,
        expires_at=created + expires if expires else None,
        revoked_at=revoked,
        requests_per_minute=rate,
    ),
    st.from_regex(r"[a-z2-7]{12}", fullmatch=True),
    st.from_regex(r"[!-~]{1,128}", fullmatch=True),
    st.lists(st.sampled_from(["*", "churn", "fraud-2", "a"]), min_size=1, unique=True),
    st.integers(1, 2**40),
    st.none() | st.integers(1, 2**40),
    st.none() | st.integers(1, 2**40),
    st.none() | st.integers(1, access.MOST_REQUESTS_PER_MINUTE),
)


@given(records)
def test_a_record_survives_the_item_and_the_file(record: ApiKeyRecord) -> None:
    assert access.from_item(access.to_item(record)) == record
    assert access.parse(access.render([record])) == (record,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"digest": "sml_secret"}, "digest"),
        ({"key_id": "SHORT"}, "key_id"),
        ({"user_id": "ada lovelace"}, "user_id"),
        ({"scopes": ()}, "scope"),
        ({"scopes": ("churn", "churn")}, "scope"),
        ({"scopes": ("chu*",)}, "'chu\\*'"),
        ({"scopes": (7,)}, "scope"),
        ({"created_at": None}, "created_at"),
        ({"created_at": True}, "created_at"),
        ({"expires_at": NOW}, "expires"),
        ({"expires_at": 1.5}, "expires_at"),
        ({"revoked_at": 0}, "revoked_at"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"requests_per_minute": 6_000_001}, "6000000"),
    ],
)
def test_a_malformed_record_is_refused_with_its_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        replace(issued()[1], **changes)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda record: {**record, "expire_at": 5}, "unknown fields: expire_at"),
        (lambda record: {name: value for name, value in record.items() if name != "digest"}, "lacks digest"),
        (lambda record: {**record, "scopes": "churn"}, "list of scopes"),
        (lambda _: "text", "an object"),
    ],
)
def test_a_document_with_a_fault_is_refused_rather_than_read_in_part(spoil: Any, said: str) -> None:
    with pytest.raises(InvalidRecord, match=said):
        access.from_document(spoil(access.to_document(issued()[1])))


@pytest.mark.parametrize("attribute", [{"BOOL": True}, {"N": "1.5"}, {"S": "a", "N": "1"}, "text"])
def test_an_item_with_an_attribute_of_another_type_is_refused(attribute: Any) -> None:
    with pytest.raises(InvalidRecord, match="another type"):
        access.from_item({**access.to_item(issued()[1]), "created_at": attribute})


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"keys": {}}', b"\xff"])
def test_a_file_that_is_no_list_of_keys_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRecord):
        access.parse(data)


def test_a_file_that_names_a_key_twice_is_refused() -> None:
    record = access.to_document(issued()[1])
    with pytest.raises(InvalidRecord, match="twice"):
        access.parse(json.dumps({"keys": [record, record]}).encode())
