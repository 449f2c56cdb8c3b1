"""How a benchmark was called and on which machine: what its results must say to be worth keeping."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer


def machine() -> dict[str, object]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def command(module: str) -> str:
    """The command line without the values of its options NAME=VALUE."""
    return " ".join([f"python -m {module}", *(_without_value(argument) for argument in sys.argv[1:])])


def pairs(values: Sequence[str] | None, option: str) -> dict[str, str]:
    """The option's values, each NAME=VALUE; raise typer.BadParameter."""
    found: dict[str, str] = {}
    for value in values or ():
        name, equals, content = value.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{option} is {value!r}: write NAME=VALUE")
        found[name] = content
    return found


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _without_value(argument: str) -> str:
    # A key given to our server in a header or a variable does not belong in a results file.
    name, equals, _ = argument.partition("=")
    return f"{name}=…" if equals else argument
