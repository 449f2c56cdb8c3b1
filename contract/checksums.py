"""`checksums.json`: the SHA-256 of every other file of a model version, and what makes the version complete.

It is uploaded last, so a version without it is one that is still being published. `signature.json` signs its bytes, and
so is the one file besides itself that it leaves out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from contract.objects import CHECKSUMS_FILE, METADATA_FILE, MODEL_FILE
from contract.signature import SIGNATURE_FILE

ALGORITHM = "sha256"

MAX_BYTES = 65_536
"""More than hundreds of files take; a reader may refuse a longer document unread."""

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class InvalidChecksums(ValueError):
    """A checksums document that does not say what it must; the message names the file and the fault."""


def digest_of_file(path: Path) -> str:
    """Lower-case hexadecimal SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, ALGORITHM).hexdigest()


def render(digests: Mapping[str, str]) -> bytes:
    """The document for these files, the same bytes for the same digests."""
    document = {"algorithm": ALGORITHM, "files": dict(sorted(digests.items()))}
    return json.dumps(document, indent=2).encode() + b"\n"


def parse(data: bytes) -> dict[str, str]:
    """File name → digest; raise InvalidChecksums unless it covers the model and its metadata and names plain files."""
    try:
        document: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidChecksums(f"{CHECKSUMS_FILE} is not a JSON document: {error}") from None
    if not isinstance(document, dict):
        raise InvalidChecksums(f'{CHECKSUMS_FILE} is not an object with "algorithm" and "files"')
    fields = cast(dict[str, Any], document)
    if fields.get("algorithm") != ALGORITHM:
        raise InvalidChecksums(
            f"{CHECKSUMS_FILE} names the algorithm {fields.get('algorithm')!r}, only {ALGORITHM!r} is allowed"
        )
    files: object = fields.get("files")
    if not isinstance(files, dict):
        raise InvalidChecksums(f'{CHECKSUMS_FILE} has no object "files" of names and digests')
    digests = cast(dict[str, Any], files)
    for name, digest in digests.items():
        # A name with a slash would let a document write outside the version's own directory.
        if _FILE_NAME.fullmatch(name) is None or name in (CHECKSUMS_FILE, SIGNATURE_FILE):
            raise InvalidChecksums(f"{CHECKSUMS_FILE} names {name!r}, which is not a plain name of a model's file")
        if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
            raise InvalidChecksums(f"{CHECKSUMS_FILE} has no SHA-256 of 64 hexadecimal digits for {name!r}")
    for name in (MODEL_FILE, METADATA_FILE):
        if name not in digests:
            raise InvalidChecksums(f"{CHECKSUMS_FILE} leaves out {name}")
    return digests
