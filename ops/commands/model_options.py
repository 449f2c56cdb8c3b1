"""What the commands of `serveml model` share: arguments, trusted keys, progress, and the failures they show."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from contract.deployment import InvalidDeployment
from contract.objects import InvalidName
from contract.service import ENV_TRUSTED_KEYS
from contract.versions import InvalidVersionRecord
from ops.commands.shown import Exit, Refused, errors, fail, failures_shown
from ops.models.collect import CollectionBroken, InvalidRule
from ops.models.copying import CopyRefused
from ops.models.places import NoVersion
from ops.models.promote import NotApproved, ReplicationLate
from ops.models.pull import PullRefused
from ops.models.reading import CopyCorrupt
from ops.models.registry import NotPromotable, UnknownVersion, VersionConflict, VersionTaken
from ops.models.smoke import InvalidServer, NoSample, ServerAway
from serving.download import StoreUnreachable
from serving.model import ModelRefused
from serving.signature import TrustedKeys

_REFUSALS = (
    InvalidName,
    InvalidDeployment,
    InvalidVersionRecord,
    InvalidRule,
    InvalidServer,
    UnknownVersion,
    NoVersion,
    VersionTaken,
    NotApproved,
    NotPromotable,
    NoSample,
    CopyCorrupt,
    CopyRefused,
    PullRefused,
    ModelRefused,
)
_AWAY = (StoreUnreachable, ServerAway, ReplicationLate, CollectionBroken, VersionConflict)

NameArgument = Annotated[str, typer.Argument(help="The model.")]
VersionArgument = Annotated[str, typer.Argument(help="Such as 1.4.0.")]
TrustedOption = Annotated[
    Path | None,
    typer.Option(
        "--trusted-keys",
        metavar="FILE",
        help=f"JSON of key ids and public keys, one of which must have signed; {ENV_TRUSTED_KEYS} holds it otherwise.",
    ),
]


def trusted_by(file: Path | None) -> TrustedKeys:
    source = str(file) if file is not None else ENV_TRUSTED_KEYS
    try:
        text = file.read_text() if file is not None else os.environ.get(ENV_TRUSTED_KEYS, "")
        keys = TrustedKeys.parse(text)
    except OSError as error:
        raise Refused(f"the keys in {source} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Refused(f"the keys in {source} cannot be used: {error}") from None
    if file is not None and not keys:
        raise Refused(f"{source} holds no key: name one, or leave the option out")
    return keys


@contextmanager
def progress() -> Generator[Callable[[str], None]]:
    """A line that changes on a terminal, and nothing elsewhere."""
    with errors.status("") as status:
        yield status.update


@contextmanager
def failures() -> Generator[None]:
    with failures_shown(*_REFUSALS):
        try:
            yield
        except _AWAY as error:
            fail(str(error), Exit.AWAY)
