"""`signature.json`: who vouches for a model version. The bytes of its `checksums.json`, and so every file, are signed.

It is uploaded before `checksums.json`, so that a version is never complete without the signature it is to have.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, cast

SIGNATURE_FILE = "signature.json"

ED25519 = "ED25519"
ECDSA_SHA_256 = "ECDSA_SHA_256"
"""By P-256, in DER, as AWS KMS and OpenSSL write it."""
ALGORITHMS = (ED25519, ECDSA_SHA_256)

_FIELDS = {"algorithm", "key_id", "signature"}
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/._-]{0,255}")


class InvalidSignature(ValueError):
    """A signature, or the document that holds it, which proves nothing; the message says why."""


@dataclass(frozen=True)
class Signature:
    """A signature by the key of this name, which is how a verifier finds the public key to check it with."""

    algorithm: str
    key_id: str
    value: bytes


def check_key_id(key_id: str) -> str:
    """Return `key_id` if it may name a key, as ARNs and short words may; raise ValueError otherwise."""
    if _KEY_ID.fullmatch(key_id) is None:
        raise ValueError(
            f"{key_id!r:.80} is no name of a key: use 1 to 256 letters, digits and `:/._-`, a letter or digit first"
        )
    return key_id


def render(signature: Signature) -> bytes:
    """The document as it lies in the bucket."""
    document = {
        "algorithm": signature.algorithm,
        "key_id": check_key_id(signature.key_id),
        "signature": base64.b64encode(signature.value).decode(),
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def parse(data: bytes) -> Signature:
    """Read a document; raise InvalidSignature unless it has its three fields and nothing else."""
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidSignature(f"{SIGNATURE_FILE} is not a JSON document") from None
    fields = cast(dict[str, Any], document) if isinstance(document, dict) else {}
    if set(fields) != _FIELDS or not all(isinstance(value, str) for value in fields.values()):
        raise InvalidSignature(f"{SIGNATURE_FILE} must hold the strings {', '.join(sorted(_FIELDS))} and nothing else")
    if fields["algorithm"] not in ALGORITHMS:
        raise InvalidSignature(
            f"{SIGNATURE_FILE} names the algorithm {fields['algorithm']!r:.40}: one of {', '.join(ALGORITHMS)} is known"
        )
    try:
        return Signature(
            fields["algorithm"], check_key_id(fields["key_id"]), base64.b64decode(fields["signature"], validate=True)
        )
    except binascii.Error:
        raise InvalidSignature(f"{SIGNATURE_FILE} has a signature that is not base64") from None
    except ValueError as error:
        raise InvalidSignature(f"{SIGNATURE_FILE}: {error}") from None
