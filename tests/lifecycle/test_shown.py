"""How commands answer: progress for who watches, a line and a code for each failure, JSON in whole lines."""

from __future__ import annotations

import io

import msgspec
import pytest
import typer
from rich.console import Console

from contract.objects import Version
from ops.commands import shown
from ops.commands.shown import Exit, Refused, failures_shown, progress, show, to_json


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    version: Version


class Unfit(ValueError):
    """Of a part: nothing was changed."""


class Away(Exception):
    """Of a part: a server did not answer."""


class AwayAndUnfit(Unfit, Away):
    """Whatever else it is, something did not answer."""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> io.StringIO:
    """What goes to the standard error, a terminal where the test says so."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=getattr(request, "param", False), width=100, highlight=False)
    monkeypatch.setattr(shown, "errors", console)
    return stream


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (Refused("no such thing"), Exit.REFUSED, "no such thing\n"),
        (Unfit("does not fit"), Exit.REFUSED, "does not fit\n"),
        (Away("does not answer"), Exit.AWAY, "does not answer\n"),
        (AwayAndUnfit("neither"), Exit.AWAY, "neither\n"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, ""),
    ],
)
def test_a_failure_ends_with_its_line_and_its_code(
    written: io.StringIO, raised: BaseException, code: Exit, said: str
) -> None:
    with pytest.raises(typer.Exit) as ended, failures_shown(Unfit, away=(Away,)):
        raise raised
    assert (ended.value.exit_code, written.getvalue()) == (code, said)


@pytest.mark.parametrize("raised", [Unfit("mine"), Away("mine")])
def test_a_failure_that_was_not_named_is_not_hidden(written: io.StringIO, raised: Exception) -> None:
    with pytest.raises(type(raised), match="mine"), failures_shown():
        raise raised
    assert written.getvalue() == ""


@pytest.mark.parametrize(("written", "lines"), [(True, True), (False, False)], indirect=["written"])
def test_progress_is_a_line_on_a_terminal_and_nothing_elsewhere(written: io.StringIO, lines: bool) -> None:
    with progress() as say:
        say("1.0.0 [bold]at[/bold] 10%")
    # As it was said: a name in brackets is no markup.
    assert ("1.0.0 [bold]at[/bold] 10%" in written.getvalue()) == lines
    assert bool(written.getvalue()) == lines


def test_json_is_printed_in_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Answer(version=Version(1, 2, 3))
    show(answer, True, lambda: "")
    assert capsys.readouterr().out == to_json(answer) == '{\n  "version": "1.2.3"\n}\n'
