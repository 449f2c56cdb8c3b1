"""API keys: what is written, what is kept, whom a key lets in, and what a refusal says."""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import access
from contract.access import ApiKeyRecord, InvalidRecord
from serving.access.gate import LONGEST_CREDENTIAL_BYTES, Gate
from serving.access.keys import KeyRing
from serving.access.principal import allow
from serving.messages import Refused

NOW = 1_800_000_000
Issued = tuple[str, ApiKeyRecord]


def issued(**changes: Any) -> Issued:
    return access.issue(**{"user_id": "ada", "scopes": ["churn"], "now": NOW, **changes})


def gate_with(*records: ApiKeyRecord, **options: Any) -> tuple[Gate, KeyRing]:
    ring = KeyRing()
    ring.replace(records)
    return Gate(ring, **options), ring


def bearer(text: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {text}".encode()}


def refused(gate: Gate, headers: dict[bytes, bytes], now: float = NOW) -> Refused:
    with pytest.raises(Refused) as caught:
        gate.authenticate(headers, now)
    return caught.value


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


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_a_key_lets_its_user_in_by_either_header(header: str) -> None:
    text, record = issued(requests_per_minute=7)
    gate, _ = gate_with(record)
    value = text if header == "x-api-key" else f"bearer {text}"
    for _ in range(2):  # the second answer is the remembered one
        principal = gate.authenticate({header.encode(): value.encode()}, NOW)
        assert (principal.user_id, principal.key_id) == ("ada", record.key_id)
        assert (principal.scopes, principal.requests_per_minute) == ({"churn"}, 7)


def test_a_user_may_have_several_keys_and_lose_one_of_them() -> None:
    (one, one_record), (two, two_record) = issued(), issued()
    gate, ring = gate_with(one_record, two_record)
    assert {gate.authenticate(bearer(text), NOW).user_id for text in (one, two)} == {"ada"}
    ring.replace([two_record])
    assert refused(gate, bearer(one)).status == HTTPStatus.UNAUTHORIZED
    assert gate.authenticate(bearer(two), NOW).key_id == two_record.key_id


def test_a_revocation_counts_with_the_next_snapshot_even_for_a_remembered_key() -> None:
    text, record = issued()
    gate, ring = gate_with(record)
    gate.authenticate(bearer(text), NOW)
    ring.replace([replace(record, revoked_at=NOW + 3600)])
    assert "revoked" in refused(gate, bearer(text)).message


def test_a_key_ends_at_its_expiry_even_when_remembered() -> None:
    text, record = issued(expires_at=NOW + 10)
    gate, _ = gate_with(record)
    assert gate.authenticate(bearer(text), NOW + 9.999)
    assert "expired" in refused(gate, bearer(text), NOW + 10).message


def test_an_unchanged_snapshot_keeps_what_was_verified() -> None:
    _, record = issued()
    ring = KeyRing()
    ring.replace([record])
    before = ring.snapshot
    ring.replace([replace(record)])
    assert ring.snapshot is before


def wrong_secret(text: str) -> str:
    return text[:-1] + ("a" if text[-1] != "a" else "b")


@pytest.mark.parametrize(
    "spoil",
    [
        wrong_secret,
        lambda _: issued()[0],
        lambda text: text[:-1],
        lambda text: text + "a",
        lambda text: text.upper(),
        lambda _: "sml_",
        lambda _: "",
    ],
)
def test_every_wrong_key_gets_the_same_answer(spoil: Any) -> None:
    text, record = issued()
    gate, _ = gate_with(record)
    error = refused(gate, bearer(spoil(text)))
    assert (error.status, error.code) == (HTTPStatus.UNAUTHORIZED, "invalid_credentials")
    assert error.message == "the API key is not known: check that it was copied whole"
    assert error.headers == [(b"www-authenticate", b'Bearer realm="serveml", error="invalid_token"')]


def test_known_and_unknown_ids_cost_the_same_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    compare_digest = hmac.compare_digest

    def compare(a: str, b: str) -> bool:
        compared.append((len(a), len(b)))
        return compare_digest(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    text, record = issued()
    gate, _ = gate_with(record)
    for presented in (text, wrong_secret(text), issued()[0], "sml_"):
        try:
            gate.authenticate(bearer(presented), NOW)
        except Refused:
            continue
    assert compared == [(64, 64)] * 4


def test_a_digest_copied_to_another_record_lets_nobody_in() -> None:
    text, record = issued()
    other, other_record = issued()
    gate, _ = gate_with(replace(other_record, digest=record.digest))
    mixed = f"sml_{other_record.key_id}_{text.rpartition('_')[2]}"
    for presented in (text, other, mixed):
        assert refused(gate, bearer(presented)).code == "invalid_credentials"


def test_no_credentials_are_told_how_to_send_some() -> None:
    error = refused(gate_with()[0], {})
    assert (error.status, error.code) == (HTTPStatus.UNAUTHORIZED, "unauthenticated")
    assert error.headers == [(b"www-authenticate", b'Bearer realm="serveml"')]


@pytest.mark.parametrize(
    "value",
    [b"Basic YTpi", b"Bearer", b"Bearer \xff\xfe", b"", b"Bearer " + b"a" * LONGEST_CREDENTIAL_BYTES],
)
def test_another_scheme_and_odd_bytes_are_refused(value: bytes) -> None:
    assert refused(gate_with()[0], {b"authorization": value}).status == HTTPStatus.UNAUTHORIZED


def test_two_credentials_are_one_too_many() -> None:
    text, record = issued()
    error = refused(gate_with(record)[0], {**bearer(text), b"x-api-key": text.encode()})
    assert (error.status, error.code) == (HTTPStatus.BAD_REQUEST, "two_credentials")


def test_before_the_keys_are_known_a_client_is_told_to_come_back() -> None:
    text, record = issued()
    ring = KeyRing()
    gate = Gate(ring)
    error = refused(gate, bearer(text))
    assert error.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert (b"retry-after", b"1") in error.headers
    ring.replace([record])
    assert gate.authenticate(bearer(text), NOW)


def test_no_refusal_quotes_what_was_sent() -> None:
    text, record = issued()
    gate, _ = gate_with(replace(record, revoked_at=NOW))
    secret = text.rpartition("_")[2]
    for headers in (bearer(text), {b"authorization": secret.encode()}, bearer(secret)):
        error = refused(gate, headers)
        assert secret not in error.message + repr(error.headers)


def test_memory_of_verified_keys_is_bounded_and_strangers_do_not_fill_it(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [issued() for _ in range(5)]
    gate, ring = gate_with(*(record for _, record in many), remembered=3)
    verified: list[str] = []
    verify = ring.verify
    monkeypatch.setattr(ring, "verify", lambda text, now: (verified.append(text), verify(text, now))[1])
    texts = [text for text, _ in many]
    for text in texts:
        gate.authenticate(bearer(text), NOW)
    for _ in range(10):
        refused(gate, bearer(issued()[0]))
    verified.clear()
    for text in texts[2:]:
        gate.authenticate(bearer(text), NOW)
    assert verified == []
    gate.authenticate(bearer(texts[0]), NOW)
    assert verified == [texts[0]]


@pytest.mark.parametrize(("scopes", "allowed"), [(["churn"], True), (["*"], True), (["fraud", "churn-2"], False)])
def test_a_key_covers_the_models_its_scopes_name(scopes: list[str], allowed: bool) -> None:
    text, record = issued(scopes=scopes)
    principal = gate_with(record)[0].authenticate(bearer(text), NOW)
    if allowed:
        allow(principal, "churn")
        return
    with pytest.raises(Refused) as caught:
        allow(principal, "churn")
    assert caught.value.status == HTTPStatus.FORBIDDEN
    assert b"insufficient_scope" in dict(caught.value.headers)[b"www-authenticate"]
