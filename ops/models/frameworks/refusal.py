"""The one error of everything that makes a file ready to publish, and the import of libraries that may be absent."""

from __future__ import annotations

import importlib
import re
from typing import Any

from ops.models.publish import PublishRefused

EXTRA = "convert"
_LONGEST = 240
# What converters end their messages with.
_INVITATION = re.compile(r"You may raise an is+ue at \S+")


class NotTaken(PublishRefused):
    """The file cannot be made ready to publish; the message says what was given, what is taken and what to do."""


def library(name: str, package: str | None = None) -> Any:
    """The module `name` of an optional library; raise NotTaken where its `package` is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotTaken(
            f"{package or name.partition('.')[0]} is needed for this file and cannot be imported "
            f"({in_one_line(error)}): install serveml with its extra {EXTRA!r}"
        ) from error


def in_one_line(said: object) -> str:
    """What a library said, fit to stand inside a message: one line of printable characters, not too long."""
    words = " ".join(_INVITATION.sub("", str(said)).split())
    printable = "".join(letter for letter in words if letter.isprintable())
    return printable if len(printable) <= _LONGEST else f"{printable[:_LONGEST]}..."
