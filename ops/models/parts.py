"""How a file is cut into parts for S3, and the digests by which parts and whole files are told apart.

The cutting depends on the size alone, so that an upload that broke off is taken up again in the same parts.
"""

from __future__ import annotations

import base64
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
MIN_PART_BYTES = 8 * MIB
MAX_PART_BYTES = 64 * MIB
"""What each thread holds in memory of the largest files."""
AIMED_PARTS = 128
# S3 user guide, "Amazon S3 multipart upload limits".
MOST_PARTS = 10_000
MAX_FILE_BYTES = MAX_PART_BYTES * MOST_PARTS


class SourceRefused(ValueError):
    """The file cannot be uploaded as it is; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section of a file: parts count from 1."""

    number: int
    first: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Digests:
    """SHA-256 of a whole file and of its parts, as bytes."""

    whole: bytes
    parts: tuple[bytes, ...]

    @property
    def stored(self) -> tuple[str, str]:
        """What S3 says of an object with these bytes: written whole, or in these parts (then with their number)."""
        composite = hashlib.sha256(b"".join(self.parts)).digest()
        return in_base64(self.whole), f"{in_base64(composite)}-{len(self.parts)}"


def in_base64(digest: bytes) -> str:
    """As S3 writes checksums."""
    return base64.b64encode(digest).decode()


def cut(size: int) -> tuple[Part, ...]:
    """The parts of a file of so many bytes, all but the last of one size."""
    wanted = -(-size // AIMED_PARTS)
    each = min(max(MIN_PART_BYTES, -(-wanted // MIB) * MIB), MAX_PART_BYTES)
    return tuple(
        Part(number=number, first=first, bytes=min(each, size - first))
        for number, first in enumerate(range(0, max(size, 1), each), start=1)
    )


class Source:
    """A file to upload, as it was when this was made: what is read later is known to be of the same file."""

    def __init__(self, path: Path) -> None:
        """Raise SourceRefused for what is no file, or one that is too large for the parts that S3 takes."""
        if not path.is_file():
            raise SourceRefused(f"there is no file {path}")
        self.path = path
        self._state = _state(path)
        self.bytes = self._state[0]
        if self.bytes > MAX_FILE_BYTES:
            raise SourceRefused(f"{path} has {self.bytes} bytes, at most {MAX_FILE_BYTES} can be uploaded: split it")
        self.parts = cut(self.bytes)

    def read(self, part: Part) -> bytes:
        """Raise SourceRefused where the file has become shorter."""
        with self.path.open("rb") as file:
            data = os.pread(file.fileno(), part.bytes, part.first)
        if len(data) != part.bytes:
            raise self._changed()
        return data

    def check_unchanged(self) -> None:
        """Raise SourceRefused if the file was written to or replaced."""
        if not self.path.is_file() or _state(self.path) != self._state:
            raise self._changed()

    def survey(self) -> Digests:
        """Read it all: the whole and the parts beside each other, since either alone takes one processor."""
        with ThreadPoolExecutor(max_workers=2) as pool:
            whole = pool.submit(self._digest_whole)
            parts = tuple(hashlib.sha256(self.read(part)).digest() for part in self.parts)
            return Digests(whole=whole.result(), parts=parts)

    def _digest_whole(self) -> bytes:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    def _changed(self) -> SourceRefused:
        return SourceRefused(f"{self.path} changed while it was being published: let it be written to the end first")


def _state(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino
