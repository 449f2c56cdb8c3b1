"""Verified versions on disk, within a bound: a restart serves from here when the bucket is away.

Each model has a directory, and in it each version one with its files, `checksums.json` and signature. The directory's
time is when the version was served last, and the file `current` names the version that requests got. Several processes
may share the disk: a version's lock lets one of them fill it while the others wait, and keeps it while any opens it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from contract import checksums
from contract.objects import CHECKSUMS_FILE, InvalidName, Version

DEFAULT_MAX_BYTES = 4 * 1024**3

_UNFINISHED = "unfinished-"
_CURRENT = "current"
_ASKED = "asked.json"
_LOCKS = ".locks"


class NoRoom(Exception):
    """The version takes more than may be kept; the message gives both figures and the setting."""


class Evicted(Exception):
    """Another process needed the room in the moment between filling and opening: worth another try."""


class Disk:
    """What lies under one directory, for all models together."""

    def __init__(self, root: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._root = root
        self._max_bytes = max_bytes

    @contextmanager
    def hold(
        self, name: str, version: Version, digests: Mapping[str, str], fill: Callable[[Path], None]
    ) -> Generator[Path]:
        """The version's directory with files of these digests, kept from eviction meanwhile.

        `fill` writes the files into the directory it is given, unless they lie there already.
        """
        directory = self._directory(name, version)
        with self._lock(name, version, fcntl.LOCK_SH):
            if not _intact(directory, digests):
                # A lock of its own: turning the shared one into an exclusive one would wait for whoever holds it too.
                with self._lock(name, f"{version}-fill", fcntl.LOCK_EX):
                    # Another process may have filled it while this one waited.
                    if not _intact(directory, digests):
                        self._fill(name, version, fill)
            try:
                os.utime(directory)
            except FileNotFoundError:
                raise Evicted(f"{name} {version} was evicted from the disk as soon as it was there") from None
            yield directory

    def kept(self, name: str) -> list[Version]:
        """The complete versions on disk: the one that was served, then the others, last served first."""
        found = [(path, version) for path, version in self._versions(name) if (path / CHECKSUMS_FILE).is_file()]
        served = self._read(name, _CURRENT)
        found.sort(key=lambda entry: (str(entry[1]) == served, _time_ns(entry[0])), reverse=True)
        return [version for _, version in found]

    def file(self, name: str, version: Version, file: str) -> bytes | None:
        """A document of a version on disk, or None."""
        try:
            return (self._directory(name, version) / file).read_bytes()
        except OSError:
            return None

    def served(self, name: str, versions: list[Version], current: Version | None) -> None:
        """Note what is in use, so that it is evicted last, and what a restart is to begin with."""
        for version in versions:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self._directory(name, version))
        if current is not None and self._read(name, _CURRENT) != str(current):
            replace(self._root / name / _CURRENT, str(current).encode())

    def asked(self, name: str) -> set[str]:
        """Versions that an operator asked for besides the current one, in this process or another."""
        try:
            found: object = json.loads(self._read(name, _ASKED) or "[]")
        except ValueError:
            return set()
        return {text for text in cast(list[Any], found) if isinstance(text, str)} if isinstance(found, list) else set()

    def ask(self, name: str, version: str, *, wanted: bool) -> None:
        """Note for every process on this disk that a version is wanted, or no longer."""
        with self._lock(name, "asked", fcntl.LOCK_EX):
            before = self.asked(name)
            after = before | {version} if wanted else before - {version}
            if after != before:
                replace(self._root / name / _ASKED, json.dumps(sorted(after)).encode())

    def make_room(self, needed: int, what: str) -> None:
        """Delete what was served longest ago until `needed` bytes fit; raise NoRoom if they cannot."""
        if needed > self._max_bytes:
            raise NoRoom(
                f"{what} takes {needed} bytes of disk, and {self._max_bytes} may be kept: "
                "raise the bound, or publish a smaller model"
            )
        versions = [
            (name.name, path, version)
            for name in self._models()
            for path, version in (*self._versions(name.name, _UNFINISHED), *self._versions(name.name))
        ]
        # Unfinished ones that nobody holds are a killed process's, whenever that was.
        versions.sort(key=lambda entry: (not entry[1].name.startswith(_UNFINISHED), _time_ns(entry[1])))
        free = self._max_bytes - sum(_bytes(path) for _, path, _ in versions)
        for name, path, version in versions:
            if path.name.startswith(_UNFINISHED) or free < needed:
                free += self._evict(name, path, version)
        if free < needed:
            raise NoRoom(f"{what} takes {needed} bytes of disk, and {free} are free while other versions are opened")

    def _evict(self, name: str, path: Path, version: Version) -> int:
        try:
            with self._lock(name, version, fcntl.LOCK_EX | fcntl.LOCK_NB):
                size = _bytes(path)
                shutil.rmtree(path, ignore_errors=True)
                return size
        except BlockingIOError:
            return 0

    def _fill(self, name: str, version: Version, fill: Callable[[Path], None]) -> None:
        directory = self._directory(name, version)
        unfinished = directory.with_name(f"{_UNFINISHED}{directory.name}")
        for leftover in (directory, unfinished):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            fill(unfinished)
            # A rename within one directory is atomic: a version is on disk whole or not at all.
            unfinished.rename(directory)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise NoRoom(
                f"{name} {version} does not fit on the disk, which is full: give it more, or lower the bound"
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    @contextmanager
    def _lock(self, name: str, what: Version | str, operation: int) -> Generator[None]:
        path = self._root / _LOCKS / f"{name}@{what}"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Never deleted: whoever waited for a deleted lock would hold another than whoever came after.
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, operation)
            yield
        finally:
            os.close(lock)

    def _directory(self, name: str, version: Version) -> Path:
        return self._root / name / f"v{version}"

    def _models(self) -> list[Path]:
        return [path for path in self._root.iterdir() if path.name != _LOCKS and path.is_dir()]

    def _versions(self, name: str, head: str = "") -> list[tuple[Path, Version]]:
        found: list[tuple[Path, Version]] = []
        with contextlib.suppress(FileNotFoundError):
            for path in (self._root / name).iterdir():
                if path.name.startswith(f"{head}v"):
                    with contextlib.suppress(InvalidName):
                        found.append((path, Version.parse(path.name.removeprefix(head))))
        return found

    def _read(self, name: str, file: str) -> str | None:
        try:
            return (self._root / name / file).read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None


def replace(path: Path, data: bytes) -> None:
    """Write a small file whole or not at all; readers see the one before or this one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    beside.write_bytes(data)
    beside.replace(path)


def _intact(directory: Path, digests: Mapping[str, str]) -> bool:
    return all(
        (directory / name).is_file() and checksums.digest_of_file(directory / name) == digest
        for name, digest in digests.items()
    )


def _bytes(directory: Path) -> int:
    size = 0
    for path in directory.glob("*"):
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _time_ns(directory: Path) -> int:
    try:
        return directory.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
