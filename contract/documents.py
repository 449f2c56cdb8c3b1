"""Typed documents as JSON: versions stand in them as their text, and whatever cannot be read gives one kind of error.

What a document holds, and what may stand in its fields, is for the module that has its type.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from contract.objects import InvalidName, Version

T = TypeVar("T")


class Unreadable(ValueError):
    """What was read is no such document; the message says in one line what stands there."""


class _NoVersion(ValueError):
    """Something else stands where a version belongs."""


def encode(document: object) -> bytes:
    """On one line, for programs."""
    return msgspec.json.encode(document, enc_hook=_write)


def render(document: object) -> bytes:
    """Indented and with an end of line, for files and terminals."""
    return msgspec.json.format(encode(document), indent=2) + b"\n"


def decode(data: bytes | str, kind: type[T]) -> T:
    """Read a document of the type; raise Unreadable."""
    try:
        return msgspec.json.decode(data, type=kind, dec_hook=_read)
    except UnicodeDecodeError:
        said = "it is not in UTF-8"
    except RecursionError:
        said = "it is nested too deeply"
    except msgspec.DecodeError as error:
        cause = error.__cause__
        # What the type itself has against its fields is said in its own words, and needs no path to them.
        said = str(error).replace("`", "") if cause is None or isinstance(cause, _NoVersion) else str(cause)
    raise Unreadable(said)


def _write(value: object) -> Any:
    if isinstance(value, Version):
        return str(value)
    raise NotImplementedError


def _read(kind: type, value: Any) -> Any:
    if kind is Version:
        if not isinstance(value, str):
            raise _NoVersion("Expected a version such as 1.4.0")
        try:
            return Version.parse(value)
        except InvalidName as error:
            raise _NoVersion(str(error)) from None
    raise NotImplementedError
