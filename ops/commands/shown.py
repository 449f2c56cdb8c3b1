"""How commands answer: a table or a sentence for people, JSON for machines, a line and an exit code for a failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console, RenderableType

from contract.objects import Version
from ops import platform
from ops.platform import NoPlatform, Platform


class Exit(IntEnum):
    """What a command ends with. 2 is the command line's own, for arguments that do not fit."""

    DONE = 0
    REFUSED = 1
    """Bad input, or a state in which this may not be done: nothing was changed."""
    AWAY = 3
    """AWS, Prometheus or a server did not answer, or did not allow it: the message says what was done by then."""
    ROLLED_BACK = 4
    """A canary ended with its version withdrawn."""
    INTERRUPTED = 130


class Refused(ValueError):
    """Nothing was changed, and why: the base for the refusals of commands themselves."""


console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

EnvironmentOption = Annotated[
    str, typer.Option("--env", help=f"Environment: {', '.join(platform.ENVIRONMENTS)}.", envvar="SERVEML_ENV")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask before production is changed.")]


def open_platform(environment: str) -> Platform:
    """The platform of the environment; raise NoPlatform."""
    if environment not in platform.ENVIRONMENTS:
        raise NoPlatform(f"--env {environment!r} is none of {', '.join(platform.ENVIRONMENTS)}")
    return platform.load(environment)


def operator() -> str:
    """Who runs the command, as the history names them."""
    return os.environ.get("SERVEML_OPERATOR") or os.environ.get("USER") or "unknown"


def confirm(environment: str, what: str, *, yes: bool) -> None:
    """Have a change of production confirmed, where somebody can be asked; raise Refused otherwise."""
    if environment != "prod" or yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{what} in prod was not confirmed: say --yes")
    if not typer.confirm(f"{what} in prod?"):
        raise Refused("nothing was changed")


def show(result: msgspec.Struct, as_json: bool, render: Callable[[], RenderableType]) -> None:
    """The result as one JSON document, or as `render` draws it."""
    if as_json:
        sys.stdout.write(to_json(result) + "\n")
    else:
        console.print(render())


def to_json(result: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(result, enc_hook=_plain), indent=2).decode()


@contextmanager
def failures_shown(*refusals: type[Exception]) -> Generator[None]:
    """End with one line and the right code; `refusals` are the parts' errors that say that nothing was changed."""
    try:
        yield
    except (Refused, NoPlatform, *refusals) as error:
        fail(str(error), Exit.REFUSED)
    except ClientError as error:
        said: Any = error.response.get("Error", {})
        fail(f"AWS refused {error.operation_name}: {said.get('Code')}: {said.get('Message')}", Exit.AWAY)
    except BotoCoreError as error:
        fail(f"AWS did not answer: {error}", Exit.AWAY)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def fail(message: str, code: Exit) -> NoReturn:
    """One line on the standard error."""
    errors.print(message, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(int(code))


def _plain(value: object) -> object:
    if isinstance(value, Version):
        return str(value)
    raise NotImplementedError
