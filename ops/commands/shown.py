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
from rich.text import Text

from contract import documents
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
        sys.stdout.write(to_json(result))
    else:
        console.print(render())


def to_json(result: msgspec.Struct) -> str:
    """As `show` prints it, with the end of its last line."""
    return documents.render(result).decode()


@contextmanager
def progress() -> Generator[Callable[[str], None]]:
    """A line that changes on a terminal, and nothing elsewhere."""
    with errors.status("") as status:
        yield lambda said: status.update(Text(said))


@contextmanager
def failures_shown(*refusals: type[Exception], away: tuple[type[Exception], ...] = ()) -> Generator[None]:
    """End with one line and the right code.

    `refusals` are the parts' errors that say that nothing was changed, `away` those for what did not answer, where
    that is not AWS.
    """
    try:
        yield
    except away as error:
        fail(str(error), Exit.AWAY)
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
