"""API keys: whom a key lets in and for how long, and what a refusal says."""

from __future__ import annotations

import hmac
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest

from contract.access import ApiKeyRecord
from serving.access.gate import LONGEST_CREDENTIAL_BYTES, Gate
from serving.access.keys import KeyRing
from serving.access.principal import allow
from serving.messages import Refused
from tests.serving.issued_keys import NOW, issued


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
