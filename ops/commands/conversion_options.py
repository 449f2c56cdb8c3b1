"""The options that say how much the conversion of a library's file may take, and the limits that they make."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from ops import durations
from ops.commands.shown import Refused
from ops.durations import InvalidDuration
from ops.models.convert import Limits

DEFAULTS = Limits()
DEFAULT_TIMEOUT = durations.written(timedelta(seconds=DEFAULTS.seconds))

LEAST_TIMEOUT, MOST_TIMEOUT = timedelta(seconds=1), timedelta(days=1)
LEAST_MEMORY_MIB, MOST_MEMORY_MIB = 1 << 10, 1 << 20
"""At least what the libraries take to load, with room for a model."""

_TIMEOUT, _MEMORY = "--convert-timeout", "--convert-memory-mib"

ConvertTimeoutOption = Annotated[
    str,
    typer.Option(
        _TIMEOUT,
        help="How long a conversion may take, such as 90s or 15m: "
        f"{durations.written(LEAST_TIMEOUT)} to {durations.written(MOST_TIMEOUT)}.",
    ),
]
ConvertMemoryOption = Annotated[
    int,
    typer.Option(
        _MEMORY,
        help="How much address space a conversion may take, of which libraries reserve more than they use: "
        f"{LEAST_MEMORY_MIB} to {MOST_MEMORY_MIB}.",
    ),
]


def limits_of(timeout: str, memory_mib: int) -> Limits:
    """Raise Refused for a time that is none, and for less or more than is allowed."""
    try:
        allowed = durations.parse(timeout, least=LEAST_TIMEOUT, most=MOST_TIMEOUT)
    except InvalidDuration as error:
        raise Refused(f"{_TIMEOUT} {error}") from None
    if not LEAST_MEMORY_MIB <= memory_mib <= MOST_MEMORY_MIB:
        raise Refused(
            f"{_MEMORY} {memory_mib} is out of bounds: {LEAST_MEMORY_MIB} to {MOST_MEMORY_MIB} MiB are allowed"
        )
    return Limits(seconds=allowed // timedelta(seconds=1), memory_mib=memory_mib)
