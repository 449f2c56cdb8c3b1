"""What the commands of `serveml model` share: arguments, trusted keys, and the failures they show."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from contract.deployment import InvalidDeployment
from contract.objects import InvalidName
from contract.service import ENV_TRUSTED_KEYS
from contract.versions import InvalidVersionRecord
from ops.commands.shown import Refused, failures_shown
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
failures = partial(failures_shown, *_REFUSALS, away=_AWAY)

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
