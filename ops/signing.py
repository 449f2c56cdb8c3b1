"""What vouches for a published version: a private key in a file, or one that never leaves AWS KMS."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contract.signature import ED25519, Signature, check_key_id
from serving.signature import InvalidKey, PublicKey, accepted, algorithm_of

# AWS KMS API reference, "Sign": a raw message has 0 to 4096 bytes, and Ed25519 takes no other than raw ones.
KMS_MESSAGE_MAX_BYTES = 4096
# The names by which KMS calls the algorithms of `contract.signature` (same page, SigningAlgorithm).
_KMS_ALGORITHMS = {ED25519: "ED25519_SHA_512", "ECDSA_SHA_256": "ECDSA_SHA_256"}


class CannotSign(ValueError):
    """The key is none to sign with, or the document none that it can sign; the message says what is allowed."""


class Signer(Protocol):
    """Signs documents under a name, and knows the public key that checks what it signed."""

    @property
    def public_key(self) -> PublicKey: ...

    def sign(self, document: bytes) -> Signature: ...


class KmsClient(Protocol):
    """The two calls of boto3's KMS client that signing takes."""

    def get_public_key(self, *, KeyId: str) -> Any: ...  # noqa: N803

    def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> Any: ...  # noqa: N803


class FileKey:
    """An Ed25519 private key in PEM, PKCS#8 without a passphrase, as `openssl genpkey -algorithm ed25519` writes it."""

    def __init__(self, pem: bytes, key_id: str) -> None:
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            # Never the bytes themselves: they may be a secret of another kind.
            raise CannotSign(f"the key {key_id} is no unencrypted Ed25519 private key in PEM: make one with openssl")
        self._key = key
        self._key_id = check_key_id(key_id)
        self.public_key: PublicKey = key.public_key()

    @classmethod
    def read(cls, path: Path, key_id: str) -> FileKey:
        """Raise CannotSign, or OSError for a file that cannot be read."""
        return cls(path.read_bytes(), key_id)

    def sign(self, document: bytes) -> Signature:
        return Signature(ED25519, self._key_id, self._key.sign(document))


class KmsKey:
    """An asymmetric key in AWS KMS, ECC_NIST_P256 or ECC_NIST_EDWARDS25519, with the usage SIGN_VERIFY."""

    def __init__(self, kms: KmsClient, key: str) -> None:
        """`key` is an id, an ARN or an alias; the signature names the key by its ARN, which an alias may leave."""
        described = kms.get_public_key(KeyId=key)
        try:
            self.public_key: PublicKey = accepted(serialization.load_der_public_key(described["PublicKey"]))
        except (InvalidKey, UnsupportedAlgorithm) as error:
            raise CannotSign(f"the KMS key {key} cannot sign models: {error}") from error
        self._kms = kms
        self._key_id = check_key_id(described["KeyId"])

    def sign(self, document: bytes) -> Signature:
        """Raise CannotSign, or botocore's ClientError."""
        if len(document) > KMS_MESSAGE_MAX_BYTES:
            raise CannotSign(
                f"the checksums have {len(document)} bytes, KMS signs {KMS_MESSAGE_MAX_BYTES}: publish fewer files"
            )
        algorithm = algorithm_of(self.public_key)
        answer = self._kms.sign(
            KeyId=self._key_id, Message=document, MessageType="RAW", SigningAlgorithm=_KMS_ALGORITHMS[algorithm]
        )
        return Signature(algorithm, self._key_id, answer["Signature"])
