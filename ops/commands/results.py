"""Which document a command prints with `--json`, said at the command, so that the reference can show its schema."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

Command = TypeVar("Command", bound=Callable[..., object])
_RESULT = "__json_result__"


def prints(result: type[msgspec.Struct]) -> Callable[[Command], Command]:
    """Stands between `@app.command()` and the function."""

    def mark(command: Command) -> Command:
        setattr(command, _RESULT, result)
        return command

    return mark


def result_of(command: object) -> type[msgspec.Struct] | None:
    """What the command said, or None."""
    return getattr(command, _RESULT, None)
