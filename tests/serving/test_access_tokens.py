"""Signed tokens: which are taken for whom, and every way in which one is not."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from serving.access.gate import Gate
from serving.access.keys import KeyRing
from serving.access.tokens import InvalidKeySet, Tokens, parse_key_set
from serving.messages import Refused

NOW = 1_800_000_000
ISSUER, AUDIENCE = "https://issuer.example", "serveml"

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE: Mapping[str, Any] = {
    "RS256": RSA_KEY,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


def public_key(algorithm: str, key: Any, kid: str, **more: Any) -> dict[str, Any]:
    form = jwt.get_algorithm_by_name(algorithm)
    return {**json.loads(form.to_jwk(key.public_key())), "kid": kid, **more}


def key_set(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


ALL_KEYS = key_set(*(public_key(name, key, kid=name) for name, key in PRIVATE.items()))


def tokens(**options: Any) -> Tokens:
    made = Tokens(**{"issuer": ISSUER, "audience": AUDIENCE, **options})
    made.replace(ALL_KEYS)
    return made


def token(algorithm: str = "ES256", *, kid: str | None = "", key: Any = None, **claims: Any) -> str:
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": NOW + 600, "scope": "serveml:churn", **claims}
    headers = {} if kid is None else {"kid": kid or algorithm}
    kept = {name: value for name, value in payload.items() if value is not None}
    # The low-level signer: it lets the tests write claims that jwt.encode would refuse to write.
    return jwt.PyJWS().encode(json.dumps(kept).encode(), key or PRIVATE[algorithm], algorithm, headers)


def refusal(text: str, checked: Tokens | None = None, now: float = NOW) -> str:
    with pytest.raises(Refused) as caught:
        (checked or tokens()).verify(text, now)
    assert caught.value.status == HTTPStatus.UNAUTHORIZED
    assert b"www-authenticate" in dict(caught.value.headers)
    return caught.value.message


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_a_token_of_each_allowed_algorithm_names_its_subject_and_models(algorithm: str) -> None:
    principal, until = tokens().verify(token(algorithm, scope="openid serveml:churn serveml:fraud-2"), NOW)
    assert (principal.user_id, principal.key_id) == ("ada", "token:ada")
    assert principal.scopes == {"churn", "fraud-2"}
    assert until == NOW + 630


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": None, "scp": ["serveml:a", "mail", 7]}, {"a"}),
        ({"scope": "serveml:*"}, {"*"}),
        ({"scope": "*"}, set[str]()),
        ({"scope": "serveml:Not_A_Name serveml:"}, set[str]()),
        ({"scope": None}, set[str]()),
        ({"scope": {"serveml:a": 1}}, set[str]()),
    ],
)
def test_only_our_own_words_of_the_scope_count(claims: dict[str, Any], scopes: set[str]) -> None:
    assert tokens().verify(token(**claims), NOW).principal.scopes == scopes


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"iss": "https://other.example"}, "issuer"),
        ({"aud": "other"}, "audience"),
        ({"exp": NOW - 30}, "expired"),
        ({"nbf": NOW + 31}, "not valid yet"),
        ({"exp": None}, "exp"),
        ({"iss": None}, "iss"),
        ({"aud": None}, "aud"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "form"),
        ({"sub": ""}, "sub"),
        ({"sub": "a\nb"}, "sub"),
        ({"exp": "soon"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"exp": float("inf")}, "exp"),
        ({"nbf": "later"}, "nbf"),
    ],
)
def test_a_claim_that_does_not_hold_is_named(claims: dict[str, Any], said: str) -> None:
    assert said in refusal(token(**claims))


def test_the_leeway_covers_clocks_that_differ() -> None:
    assert tokens().verify(token(exp=NOW - 29, nbf=NOW + 30), NOW)
    assert "expired" in refusal(token(exp=NOW - 1), tokens(leeway_seconds=0))


def with_header(text: str, **changes: Any) -> str:
    head, rest = text.split(".", 1)
    fields = {**json.loads(base64.urlsafe_b64decode(head + "==")), **changes}
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=") + "." + rest


def public_pem(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_a_public_key_is_no_shared_secret() -> None:
    # PyJWT refuses to sign with a PEM as the secret, so the forgery is made by hand.
    head, body, _ = with_header(token("RS256"), alg="HS256").split(".")
    signature = base64.urlsafe_b64encode(hmac.digest(public_pem(RSA_KEY), f"{head}.{body}".encode(), "sha256"))
    assert "algorithm" in refusal(f"{head}.{body}.{signature.decode().rstrip('=')}")


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS512", "PS256", "ES384", None, 5, ["ES256"]])
def test_no_other_algorithm_is_taken(algorithm: Any) -> None:
    head_and_body = with_header(token("RS256"), alg=algorithm).rpartition(".")[0]
    refusal(head_and_body + ".")


def test_a_token_cannot_choose_another_algorithm_than_its_key_s() -> None:
    assert "that of its key" in refusal(with_header(token("RS256"), alg="ES256"))


def test_a_changed_claim_or_signature_is_found() -> None:
    head, body, signature = token().split(".")
    _, other, other_signature = token(sub="eve").split(".")
    for forged in (f"{head}.{other}.{signature}", f"{head}.{body}.{other_signature}", f"{head}.{body}."):
        assert "signature" in refusal(forged)


def test_a_key_of_a_stranger_under_a_known_name_is_found() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert "signature" in refusal(token(kid="ES256", key=stranger))


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.c", "..", "." * 5000, "e30.e30.", "bnVsbA.bnVsbA.", "\x00.\x00.\x00", "W10.W10.W10"],
)
def test_what_is_no_token_is_refused_and_breaks_nothing(text: str) -> None:
    refusal(text)


def test_deeply_nested_claims_break_nothing() -> None:
    body = base64.urlsafe_b64encode(b"[" * 100_000).decode()
    refusal(f"{body}.{body}.")


def test_critical_extensions_that_nobody_here_knows_are_refused() -> None:
    text = jwt.PyJWS().encode(b"{}", PRIVATE["ES256"], "ES256", {"kid": "ES256", "crit": ["x"], "x": 1})
    refusal(text)


def test_an_unknown_key_is_refused_and_asked_for() -> None:
    asked: list[str] = []
    checked = tokens(on_unknown_key=lambda: asked.append("read again"))
    assert "not one of the issuer's" in refusal(token(kid="next"), checked)
    assert "not one of the issuer's" in refusal(token(kid=None), checked)
    assert asked == ["read again"] * 2


def test_a_rotation_takes_the_new_key_in_and_the_old_one_out_of_what_was_remembered() -> None:
    checked = tokens()
    ring = KeyRing()
    ring.replace([])
    gate = Gate(ring, checked)
    old = {b"authorization": b"Bearer " + token().encode()}
    assert gate.authenticate(old, NOW).user_id == "ada"
    new_key = ec.generate_private_key(ec.SECP256R1())
    checked.replace(key_set(public_key("ES256", new_key, kid="second")))
    new = {b"authorization": b"Bearer " + token(kid="second", key=new_key).encode()}
    assert gate.authenticate(new, NOW).user_id == "ada"
    with pytest.raises(Refused):
        gate.authenticate(old, NOW)


def test_a_remembered_token_is_verified_once_and_ends_at_its_expiry(monkeypatch: pytest.MonkeyPatch) -> None:
    checked = tokens()
    ring = KeyRing()
    ring.replace([])
    gate = Gate(ring, checked)
    verified: list[float] = []
    verify = checked.verify
    monkeypatch.setattr(checked, "verify", lambda text, now: (verified.append(now), verify(text, now))[1])
    headers = {b"authorization": b"Bearer " + token().encode()}
    for _ in range(3):
        gate.authenticate(headers, NOW)
    assert verified == [NOW]
    with pytest.raises(Refused):
        gate.authenticate(headers, NOW + 630)


def test_a_token_is_no_api_key() -> None:
    ring = KeyRing()
    ring.replace([])
    with pytest.raises(Refused, match="API key"):
        Gate(ring, tokens()).authenticate({b"x-api-key": token().encode()}, NOW)


def test_without_the_issuer_s_keys_a_client_is_told_to_come_back() -> None:
    with pytest.raises(Refused) as caught:
        Tokens(issuer=ISSUER, audience=AUDIENCE).verify(token(), NOW)
    assert caught.value.status == HTTPStatus.SERVICE_UNAVAILABLE


def test_a_set_without_a_usable_key_is_refused_and_the_last_one_stays() -> None:
    checked = tokens()
    with pytest.raises(InvalidKeySet):
        checked.replace(b'{"keys": []}')
    assert checked.verify(token(), NOW)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"keys": 5}', b"\xff\xff"])
def test_what_is_no_key_set_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidKeySet):
        parse_key_set(data)


def test_keys_that_may_not_sign_for_us_are_passed_over() -> None:
    good = public_key("ES256", PRIVATE["ES256"], kid="good")
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    others: list[Any] = [
        "text",
        {},
        {**good, "kid": "encrypts", "use": "enc"},
        {**good, "kid": "broken", "x": "AA"},
        {**good, "kid": 7},
        {name: value for name, value in good.items() if name != "kid"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"},
        public_key("RS256", small, kid="small"),
        public_key("RS512", RSA_KEY, kid="other", alg="RS512"),
    ]
    assert list(parse_key_set(key_set(*others, good))) == ["good"]
