"""The public keys that a server trusts, and the check that one of them signed a version's checksums."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, cast

from cryptography import exceptions
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from contract import signature
from contract.signature import ECDSA_SHA_256, ED25519, SIGNATURE_FILE, InvalidSignature, Signature

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

_PEM = "-----BEGIN "


class InvalidKey(ValueError):
    """What was given as a key is none that signatures are checked with; the message says what is."""


def algorithm_of(key: PublicKey) -> str:
    """The one algorithm a key of this type is used with: what a document says cannot choose another."""
    return ED25519 if isinstance(key, Ed25519PublicKey) else ECDSA_SHA_256


def public_key(text: str) -> PublicKey:
    """Read the base64 of a raw Ed25519 key, or a PEM of Ed25519 or P-256; raise InvalidKey."""
    try:
        if text.lstrip().startswith(_PEM):
            return accepted(serialization.load_pem_public_key(text.encode()))
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error, exceptions.UnsupportedAlgorithm) as error:
        if isinstance(error, InvalidKey):
            raise
        raise InvalidKey(
            "it is neither the base64 of 32 bytes, an Ed25519 public key, nor a public key in PEM"
        ) from None


def accepted(key: object) -> PublicKey:
    """Return a key of a type that signatures are checked with; raise InvalidKey for another."""
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise InvalidKey("only keys of Ed25519 and of the curve P-256 are allowed")


def verify(key: PublicKey, signed: bytes, found: Signature) -> None:
    """Raise InvalidSignature unless this key made this signature of these bytes."""
    if found.algorithm != algorithm_of(key):
        raise InvalidSignature(
            f"{SIGNATURE_FILE} names {found.algorithm}, but the key {found.key_id} is one of {algorithm_of(key)}"
        )
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(found.value, signed)
        else:
            key.verify(found.value, signed, ec.ECDSA(hashes.SHA256()))
    except exceptions.InvalidSignature:
        raise InvalidSignature(f"{SIGNATURE_FILE} is no signature of these checksums by {found.key_id}") from None


class TrustedKeys:
    """Public keys by their ids. With none of them a signature is not asked for; with any it always is."""

    def __init__(self, keys: Mapping[str, PublicKey] | None = None) -> None:
        self._keys = dict(keys or {})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrustedKeys) and self._keys == other._keys

    def __hash__(self) -> int:
        return hash(frozenset(self._keys))

    @classmethod
    def parse(cls, text: str) -> TrustedKeys:
        """Read a JSON object of key id → public key, or an empty text for none; raise ValueError naming the fault."""
        if not text.strip():
            return cls()
        try:
            pairs: object = json.loads(text, object_pairs_hook=_Pairs)
        except (ValueError, RecursionError):
            pairs = None
        if not isinstance(pairs, _Pairs):
            raise ValueError("it is not a JSON object of key ids and public keys")
        keys: dict[str, PublicKey] = {}
        for key_id, value in pairs:
            if key_id in keys:
                raise ValueError(f"the key {key_id!r} stands there twice: give each id to one key")
            if not isinstance(value, str):
                raise ValueError(f"the key {key_id!r} is not a string: write base64 or PEM")
            try:
                keys[signature.check_key_id(key_id)] = public_key(value)
            except InvalidKey as error:
                raise ValueError(f"the key {key_id!r} cannot be used: {error}") from None
        if not keys:
            # Somebody meant to trust something: an empty object must not switch the check off.
            raise ValueError("it holds no key: name one, or leave the variable out to ask for no signatures")
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def check(self, signed: bytes, document: bytes | None) -> None:
        """Raise InvalidSignature unless a trusted key signed these bytes, or no key is configured."""
        if not self._keys:
            return
        if document is None:
            raise InvalidSignature(f"it has no {SIGNATURE_FILE}, and this server takes signed versions only")
        found = signature.parse(document)
        key = self._keys.get(found.key_id)
        if key is None:
            raise InvalidSignature(f"{SIGNATURE_FILE} is by the key {found.key_id}, which this server does not trust")
        verify(key, signed, found)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its repetitions, which a dictionary would swallow."""

    def __init__(self, pairs: object) -> None:
        super().__init__(cast(list[tuple[str, Any]], pairs))
