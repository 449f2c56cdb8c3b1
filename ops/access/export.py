"""A user's data in a folder of ordinary files: JSON for records, and every object as it was stored."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from contract import access
from contract.documents import render
from ops.access.buckets import UserObjects
from ops.access.holdings import Holdings, find
from ops.access.report import (
    HeldItem,
    HeldKind,
    Outcome,
    ReportAction,
    UserDataReport,
    check_empty,
    make_folder,
    write,
    write_private,
)
from ops.platform import Platform
from ops.signing import Signer

KEYS_FILE = "api_keys.json"
RECORDS_FILE = "records.json"
OBJECTS_FOLDER = "objects"

_LONGEST_NAME = 80
_NO_KEY = "it is no key by its shape, and opens nothing"
_NO_BYTES = "S3 hands out no bytes of it"
_OUTSIDE_FILE_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


def export(
    platform: Platform,
    user_id: str,
    folder: Path,
    *,
    by: str,
    signer: Signer | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> UserDataReport:
    """Write everything that is held about the user; `folder` is there afterwards as a whole, or not at all.

    Raises NoUser, NoPlatform, FolderInUse, CannotSign, OSError, or botocore's errors.
    """
    folder = folder.resolve()
    check_empty(folder)
    began = now()
    held = find(platform, user_id, began)
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    make_folder(unfinished)
    try:
        report = UserDataReport(
            action=ReportAction.EXPORT,
            dry_run=False,
            environment=platform.environment,
            user_id=user_id,
            by=by,
            began_at=began,
            items=tuple(_write_all(held, unfinished)),
            ended_at=now(),
            complete=True,
            looked_at=held.places,
            elsewhere=held.elsewhere,
        )
        write(unfinished, report, signer)
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished)
        raise
    return report


def _write_all(held: Holdings, folder: Path) -> Iterator[HeldItem]:
    readable = {record.key_id: record for record in held.keys}
    documents = [access.to_document(record) for record in readable.values()]
    for document in documents:
        # Of no use to its user, and the one thing here that somebody else could want.
        del document["digest"]
    keys = _write_json(folder / KEYS_FILE, documents)
    for item in held.key_items:
        yield _exported(item, KEYS_FILE, keys) if item.name in readable else _left(item, _NO_KEY)
    records = _write_json(
        folder / RECORDS_FILE,
        [{"name": mention.item.name, "document": mention.document} for mention in held.mentions],
    )
    for mention in held.mentions:
        yield _exported(mention.item, RECORDS_FILE, records)
    make_folder(folder / OBJECTS_FOLDER)
    number = 0
    for objects, items in held.objects:
        for item in items:
            if item.kind is not HeldKind.OBJECT:
                yield _left(item, _NO_BYTES)
                continue
            number += 1
            file = f"{OBJECTS_FOLDER}/{number:06d}-{_file_name(item.name)}"
            yield _exported(item, file, _download(objects, item, folder / file))


def _download(objects: UserObjects, item: HeldItem, path: Path) -> str:
    """Write the object's bytes; returns their SHA-256."""
    digest = hashlib.sha256()
    write_private(path, b"")
    with path.open("wb") as file:
        for chunk in objects.read(item):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _write_json(path: Path, document: Any) -> str:
    data = render(document)
    write_private(path, data)
    return hashlib.sha256(data).hexdigest()


def _exported(item: HeldItem, file: str, digest: str) -> HeldItem:
    return msgspec.structs.replace(item, outcome=Outcome.EXPORTED, reason=None, file=file, sha256=digest)


def _left(item: HeldItem, reason: str) -> HeldItem:
    return msgspec.structs.replace(item, reason=reason)


def _file_name(key: str) -> str:
    """The end of an object's key as every file system takes it; the report holds the whole key."""
    return _OUTSIDE_FILE_NAMES.sub("_", key.rstrip("/").rpartition("/")[2])[-_LONGEST_NAME:]
