"""The options that say with which key a command signs, and the signer they make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from ops.commands.shown import Refused
from ops.platform import Platform
from ops.signing import FileKey, KmsClient, KmsKey, Signer

SignKeyOption = Annotated[
    Path | None,
    typer.Option("--sign-key", help="Sign with this Ed25519 private key in PEM; needs --sign-key-id."),
]
SignKeyIdOption = Annotated[
    str | None, typer.Option("--sign-key-id", help="The name under which who verifies knows the key.")
]
KmsKeyOption = Annotated[
    str | None, typer.Option("--kms-key", help="Sign with this key of AWS KMS: its id, ARN or alias.")
]


def signer_of(platform: Platform, file: Path | None, key_id: str | None, kms_key: str | None) -> Signer | None:
    """None where no key was named; raise Refused, CannotSign, or botocore's errors."""
    if kms_key is not None:
        if file is not None or key_id is not None:
            raise Refused("--kms-key and --sign-key are two ways to sign: give one")
        return KmsKey(cast(KmsClient, platform.kms), kms_key)
    if (file is None) != (key_id is None):
        raise Refused("--sign-key and --sign-key-id belong together: give both, or neither")
    if file is None or key_id is None:
        return None
    try:
        return FileKey.read(file, key_id)
    except OSError as error:
        raise Refused(f"--sign-key {file} cannot be read ({error.strerror}): give the path of a private key") from None
    except ValueError as error:
        raise Refused(str(error)) from None
