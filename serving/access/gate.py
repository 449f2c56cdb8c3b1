"""The credential of a request: found in its headers, verified once, and remembered while nothing about it changes."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from contract.access import KEY_PREFIX
from serving.access.keys import KeyRing
from serving.access.principal import Principal, Verified, invalid_credentials, missing_credentials
from serving.access.tokens import Tokens
from serving.messages import Refused

AUTHORIZATION = b"authorization"
API_KEY = b"x-api-key"
REMEMBERED = 10_000
# A header line that is longer holds no credential of ours; the longest signed tokens are a fraction of it.
LONGEST_CREDENTIAL_BYTES = 8192


class Gate:
    """Answers who a request is from: `Authorization: Bearer <key or token>`, or `X-API-Key: <key>`.

    What was verified is remembered by the bytes of the header, at most `remembered` of them, until the credential
    expires or the keys are replaced; refusals are never remembered, so strangers cannot push callers out. The look-up
    compares a credential only with one whose 64-bit hash, randomised for each process, is equal, so its time is no
    oracle for guessing.
    """

    def __init__(self, keys: KeyRing, tokens: Tokens | None = None, *, remembered: int = REMEMBERED) -> None:
        self._keys = keys
        self._tokens = tokens
        self._most = remembered
        self._verified: dict[bytes, Verified] = {}
        self._key_snapshot = keys.snapshot
        self._token_keys = tokens.keys if tokens else None

    def authenticate(self, headers: Mapping[bytes, bytes], now: float) -> Principal:
        """The caller; raise Refused: 400 for two credentials, 401 for none or a bad one, 503 before keys are known."""
        if self._key_snapshot is not self._keys.snapshot or (
            self._tokens is not None and self._token_keys is not self._tokens.keys
        ):
            self._forget()
        given, api_key = headers.get(AUTHORIZATION), headers.get(API_KEY)
        if api_key is not None:
            if given is not None:
                raise Refused(
                    HTTPStatus.BAD_REQUEST,
                    "two_credentials",
                    "send either Authorization or X-API-Key, not both",
                )
            # As a bearer credential, so that both ways of sending a key are one entry.
            given = b"Bearer " + api_key
        elif given is None:
            raise missing_credentials()
        verified = self._verified.get(given)
        if verified is None or now >= verified.until:
            verified = self._verify(given, now, keys_only=api_key is not None)
        return verified.principal

    def _verify(self, given: bytes, now: float, *, keys_only: bool) -> Verified:
        self._verified.pop(given, None)
        text = _credential(given)
        if self._tokens is None or keys_only or text.startswith(KEY_PREFIX):
            verified = self._keys.verify(text, now)
        else:
            verified = self._tokens.verify(text, now)
        if len(self._verified) >= self._most:
            # Oldest first: dictionaries keep the order in which entries came.
            del self._verified[next(iter(self._verified))]
        self._verified[given] = verified
        return verified

    def _forget(self) -> None:
        self._verified = {}
        self._key_snapshot = self._keys.snapshot
        self._token_keys = self._tokens.keys if self._tokens else None


def _credential(given: bytes) -> str:
    if len(given) > LONGEST_CREDENTIAL_BYTES:
        raise invalid_credentials(f"the credential is longer than {LONGEST_CREDENTIAL_BYTES} bytes")
    scheme, _, text = given.partition(b" ")
    if scheme.lower() != b"bearer":
        raise invalid_credentials("the scheme of Authorization is not Bearer")
    try:
        return text.strip(b" ").decode("ascii")
    except UnicodeDecodeError:
        raise invalid_credentials("the credential has characters beyond ASCII") from None
