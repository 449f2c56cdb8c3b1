"""Signed tokens (JWT, RFC 7519) of one issuer, checked with the public keys it publishes (JWKS, RFC 7517).

The keys are in memory and replaced as a whole: a key that the issuer withdraws stops counting with the next read, and
a token signed by one not read yet is refused while an early read is asked for.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from contract.access import ANY_MODEL, OPERATOR, is_user_id
from contract.objects import InvalidName, check_model_name
from serving.access.principal import Principal, Verified, cannot_tell, invalid_credentials

logger = logging.getLogger(__name__)

# Asymmetric only: with an HMAC algorithm on the list, a published public key would do as the secret.
ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
# RFC 7518, section 3.3: 2048 bits or more must be used with RS256.
SMALLEST_RSA_BITS = 2048
SCOPE_PREFIX = "serveml:"
LEEWAY_SECONDS = 30

KeySet = Mapping[str, jwt.PyJWK]


class InvalidKeySet(ValueError):
    """A key set without a key that could verify a token."""


def parse_key_set(data: bytes) -> KeySet:
    """Key id to key, of those that may sign tokens for us; others in the set are passed over; raise InvalidKeySet."""
    try:
        document: object = json.loads(data)
    except ValueError as error:
        raise InvalidKeySet(f"the key set is not a JSON document: {error}") from None
    entries: object = cast(dict[str, Any], document).get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise InvalidKeySet('the key set is not an object with a list "keys"')
    keys: dict[str, jwt.PyJWK] = {}
    for entry in cast(list[Any], entries):
        key = _signing_key(entry)
        if key is not None and key.key_id is not None:
            keys[key.key_id] = key
    if not keys:
        raise InvalidKeySet(f"the key set has no signing key with a kid for {', '.join(sorted(ALGORITHMS))}")
    return keys


class Tokens:
    """Verifies tokens of one issuer for one audience.

    Scopes come from the claim `scope` (words in a string, RFC 8693) or `scp` (a list): `serveml:churn` covers the model
    churn, `serveml:*` every model, other words are somebody else's. `on_unknown_key` is called when a token names a
    key that is not in the set; it must return at once.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        leeway_seconds: float = LEEWAY_SECONDS,
        scope_prefix: str = SCOPE_PREFIX,
        on_unknown_key: Callable[[], None] = lambda: None,
    ) -> None:
        self.keys: KeySet | None = None
        """None until the first set came; another object after each replacement that changed something."""
        self._source: bytes | None = None
        self._issuer = issuer
        self._audience = audience
        self._leeway_seconds = leeway_seconds
        self._scope_prefix = scope_prefix
        self._on_unknown_key = on_unknown_key

    def replace(self, key_set: bytes) -> None:
        """Take the issuer's document for all its keys; raise InvalidKeySet and keep the last one when it has none."""
        if key_set != self._source:
            self.keys = parse_key_set(key_set)
            self._source = key_set

    def verify(self, text: str, now: float) -> Verified:
        """Whose token this is; raise Refused. `now` is Unix time."""
        keys = self.keys
        if keys is None:
            raise cannot_tell("issuer's keys")
        key = self._key_of(text, keys)
        try:
            claims = jwt.decode(
                text,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                # Times are compared below, with the caller's clock.
                options={
                    "require": ["exp", "iss", "aud", "sub"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidAudienceError:
            raise invalid_credentials("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise invalid_credentials("the token is of another issuer") from None
        except jwt.MissingRequiredClaimError as error:
            raise invalid_credentials(f"the token has no claim {error.claim}") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise invalid_credentials("the token's signature or form is not valid") from None
        until = self._check_times(claims, now)
        subject = cast(str, claims["sub"])
        if not is_user_id(subject):
            raise invalid_credentials("the token's claim sub is not 1 to 128 printable characters without blanks")
        principal = Principal(user_id=subject, key_id=f"token:{subject}", scopes=self._scopes(claims))
        return Verified(principal, until)

    def _key_of(self, text: str, keys: KeySet) -> jwt.PyJWK:
        try:
            header = jwt.get_unverified_header(text)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            raise invalid_credentials("the credential is neither an API key nor a signed token") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise invalid_credentials(f"the token's algorithm is not one of {', '.join(sorted(ALGORITHMS))}")
        key = keys.get(key_id) if isinstance(key_id, str) else None
        if key is None:
            self._on_unknown_key()
            raise invalid_credentials("the token's key is not one of the issuer's")
        if key.algorithm_name != algorithm:
            raise invalid_credentials("the token's algorithm is not that of its key")
        return key

    def _check_times(self, claims: Mapping[str, Any], now: float) -> float:
        until = _time(claims, "exp") + self._leeway_seconds
        if now >= until:
            raise invalid_credentials("the token has expired: get a new one")
        if "nbf" in claims and now < _time(claims, "nbf") - self._leeway_seconds:
            raise invalid_credentials("the token is not valid yet")
        return until

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[str]:
        scope: object = claims.get("scope", claims.get("scp", ""))
        words = scope.split() if isinstance(scope, str) else cast(list[Any], scope) if isinstance(scope, list) else []
        ours = {
            word.removeprefix(self._scope_prefix)
            for word in words
            if isinstance(word, str) and word.startswith(self._scope_prefix)
        }
        return frozenset(name for name in ours if name in (ANY_MODEL, OPERATOR) or _is_model_name(name))


def _signing_key(entry: object) -> jwt.PyJWK | None:
    if not isinstance(entry, dict):
        return None
    fields = cast(dict[str, Any], entry)
    if fields.get("use", "sig") != "sig" or not isinstance(fields.get("kid"), str):
        return None
    try:
        key = jwt.PyJWK(fields)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        logger.warning("a key of the issuer's set is passed over: %s", type(error).__name__)
        return None
    if key.algorithm_name not in ALGORITHMS:
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < SMALLEST_RSA_BITS:
        logger.warning("a key of the issuer's set is passed over: RSA below %d bits", SMALLEST_RSA_BITS)
        return None
    return key


def _time(claims: Mapping[str, Any], name: str) -> float:
    value: object = claims.get(name)
    # Python's JSON takes NaN and Infinity: a token with either would never expire.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise invalid_credentials(f"the token's claim {name} is not a time in seconds")
    return value


def _is_model_name(name: str) -> bool:
    try:
        check_model_name(name)
    except InvalidName:
        return False
    return True
