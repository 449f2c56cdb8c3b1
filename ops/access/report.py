"""The report of an export or a deletion, and the folder it is written to: with its digest, and a signature of that."""

from __future__ import annotations

import hashlib
import shutil
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from contract import documents, signature
from contract.signature import SIGNATURE_FILE
from ops.signing import Signer

SCHEMA_VERSION = 1
REPORT_FILE = "report.json"
DIGEST_FILE = f"{REPORT_FILE}.sha256"

_OWNER_ONLY_FOLDER, _OWNER_ONLY_FILE = 0o700, 0o600


class FolderInUse(ValueError):
    """The folder for the report holds something already; nothing was changed."""


class ReportAction(StrEnum):
    EXPORT = "export"
    DELETION = "deletion"


class HeldKind(StrEnum):
    """What an item is."""

    API_KEY = "api key"
    OBJECT = "object version"
    DELETE_MARKER = "delete marker"
    UPLOAD = "unfinished upload"
    DEPLOYMENT = "deployment"
    NAMED = "record that names the user as an operator"


class Outcome(StrEnum):
    FOUND = "found"
    EXPORTED = "exported"
    DELETED = "deleted"
    KEPT = "kept"


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Times are in UTC."""


class HeldItem(_Part, frozen=True, kw_only=True):
    """One thing that is held about the user."""

    kind: HeldKind
    place: str
    """Bucket or table."""
    name: str
    outcome: Outcome = Outcome.FOUND
    version: str | None = None
    bytes: int | None = None
    at: datetime | None = None
    """When it was written."""
    reason: str | None = None
    """Why it is kept."""
    until: datetime | None = None
    """When it may be deleted, where that is known."""
    file: str | None = None
    """Of an export: where it lies in the folder."""
    sha256: str | None = None


class SearchedPlace(_Part, frozen=True, kw_only=True):
    """Something that was searched."""

    name: str
    region: str
    holds: str
    found: int


class Elsewhere(_Part, frozen=True, kw_only=True):
    """Copies that nobody deletes one by one, or what was not searched: until when, and why."""

    what: str
    holds: str
    until: str


class UserDataReport(_Part, frozen=True, kw_only=True):
    """What was looked at, what was found there, what became of it, and what remains elsewhere for how long."""

    action: ReportAction
    dry_run: bool
    environment: str
    user_id: str
    by: str
    began_at: datetime
    ended_at: datetime
    complete: bool
    """Whether nothing is left that this command could have exported or deleted."""
    looked_at: tuple[SearchedPlace, ...]
    items: tuple[HeldItem, ...]
    elsewhere: tuple[Elsewhere, ...]
    failure: str | None = None
    """What stopped it. All of it may be done again: what is done stays done."""
    schema_version: int = SCHEMA_VERSION

    def count(self, outcome: Outcome) -> int:
        return sum(item.outcome is outcome for item in self.items)


def check_empty(folder: Path) -> None:
    """Raise FolderInUse unless the folder is to be made yet, or is empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderInUse(f"{folder} is not an empty folder: name one that is to be made")


def make_folder(folder: Path) -> None:
    """For its owner alone; raise FolderInUse, or OSError."""
    check_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(_OWNER_ONLY_FOLDER)


def begin(folder: Path, report: UserDataReport, signer: Signer | None) -> None:
    """Make the folder and write a first report: what makes that impossible is met before anything else is done.

    Raises FolderInUse, or as `write` does, and leaves nothing behind then.
    """
    make_folder(folder)
    try:
        write(folder, report, signer)
    except BaseException:
        shutil.rmtree(folder)
        raise


def write_private(path: Path, data: bytes) -> None:
    """For its owner alone to read, from the beginning."""
    path.touch(mode=_OWNER_ONLY_FILE)
    path.write_bytes(data)


def write(folder: Path, report: UserDataReport, signer: Signer | None) -> None:
    """Write the report, its digest as `sha256sum` writes it, and the signature of that line, over what is there.

    The digest is signed in place of the report, which may be longer than what AWS KMS signs. Raises OSError; or
    CannotSign or botocore's errors, with the report written by then.
    """
    document = documents.render(report)
    line = f"{hashlib.sha256(document).hexdigest()}  {REPORT_FILE}\n".encode()
    (folder / SIGNATURE_FILE).unlink(missing_ok=True)
    write_private(folder / REPORT_FILE, document)
    write_private(folder / DIGEST_FILE, line)
    if signer is not None:
        write_private(folder / SIGNATURE_FILE, signature.render(signer.sign(line)))
