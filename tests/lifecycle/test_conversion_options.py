"""How much a conversion may take, as `serveml model publish` is told it."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from ops import platform
from ops.commands import conversion_options as options
from ops.commands import publish as command
from ops.commands.shown import Exit, Refused
from ops.models.convert import Limits
from ops.platform import Outputs
from tests.lifecycle.convert_models import Exec, pickled

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(command.publish)

OUTPUTS = Outputs(
    regions=("us-east-1",),
    models_buckets={"us-east-1": "production"},
    staging_buckets={"us-east-1": "staging"},
    deployments_table="deployments",
    api_keys_table="keys",
)


@pytest.fixture(autouse=True)
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform that is never called: what is refused here is refused before anything is sent."""
    monkeypatch.setattr(platform, "FOLDER", tmp_path / "outputs")
    platform.keep("local", OUTPUTS)


def publish(path: Path, *given: str) -> Result:
    arguments = ["churn", str(path), "--version", "1.0.0", "--env", "local", "--trust-pickle", *given]
    return CliRunner().invoke(APP, arguments)


def test_a_conversion_is_ended_after_the_time_that_was_said(tmp_path: Path) -> None:
    path = pickled(Exec("import signal; signal.pause()"), tmp_path / "m.pkl")
    result = publish(path, "--convert-timeout", "1s")
    assert (result.exit_code, result.stderr.count("\n")) == (Exit.REFUSED, 1)
    assert "m.pkl was not converted within 1 s" in result.stderr


def test_a_conversion_gets_no_more_memory_than_was_said(tmp_path: Path) -> None:
    path = pickled(Exec("bytearray(2 << 30)"), tmp_path / "m.pkl")
    result = publish(path, "--convert-memory-mib", "1024")
    assert (result.exit_code, result.stderr.count("\n")) == (Exit.REFUSED, 1)
    assert "m.pkl needs more memory than 1024 MiB to convert" in result.stderr


def test_without_options_the_limits_are_those_of_every_conversion() -> None:
    assert options.limits_of(options.DEFAULT_TIMEOUT, options.DEFAULTS.memory_mib) == Limits()


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("90s", 90), ("15m", 900), ("1d", 86_400)])
def test_the_time_is_said_like_every_length_of_time(text: str, seconds: int) -> None:
    assert options.limits_of(text, 2048) == Limits(seconds=seconds, memory_mib=2048)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("300", "--convert-timeout '300' is no length of time: write a number and s, m, h, d or w"),
        ("-1s", "--convert-timeout '-1s' is no length of time"),
        ("0s", "--convert-timeout '0s' is too short: give at least 1s"),
        ("25h", "--convert-timeout '25h' is too long: at most 1d are allowed"),
    ],
)
def test_a_time_that_is_none_or_out_of_bounds_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        options.limits_of(text, options.DEFAULTS.memory_mib)
    assert str(refused.value).startswith(said)
    result = publish(pickled(0, tmp_path / "m.pkl"), "--convert-timeout", text)
    assert (result.exit_code, result.stderr) == (Exit.REFUSED, f"{refused.value}\n")


@pytest.mark.parametrize("mib", [0, -1, 1023, 1_048_577])
def test_memory_out_of_bounds_is_refused(tmp_path: Path, mib: int) -> None:
    result = publish(pickled(0, tmp_path / "m.pkl"), "--convert-memory-mib", str(mib))
    said = f"--convert-memory-mib {mib} is out of bounds: 1024 to 1048576 MiB are allowed\n"
    assert (result.exit_code, result.stderr) == (Exit.REFUSED, said)


@pytest.mark.parametrize("mib", [1024, 1_048_576])
def test_the_bounds_of_memory_are_allowed_themselves(mib: int) -> None:
    assert options.limits_of("5m", mib).memory_mib == mib
