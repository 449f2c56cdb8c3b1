"""The stages and gates of a canary, from what an operator said on the command line."""

from __future__ import annotations

from contract.deployment import WHOLE_PERCENT, Gates, Stage, Weight, check_stages, check_weights
from contract.objects import Version

DEFAULT_STEPS = "10,50,100"
DEFAULT_STEP_SECONDS = 600


class InvalidPlan(ValueError):
    """Steps, gates or weights that cannot be; the message says what was given and what is allowed."""


def stages(steps: str, *, step_seconds: int, shadow_percent: int, shadow_seconds: int) -> tuple[Stage, ...]:
    """A stage for each share, after one that only copies requests where a share is to be copied.

    Raises InvalidPlan, or InvalidDeployment where the shares do not rise to 100.
    """
    if not 0 <= shadow_percent <= WHOLE_PERCENT:
        raise InvalidPlan(f"--shadow-percent {shadow_percent}: 0 (no copies) to {WHOLE_PERCENT} are allowed")
    percents = [_whole_number(part.strip(), f"--steps {steps!r}") for part in steps.split(",")]
    if 0 in percents:
        raise InvalidPlan(f"--steps {steps!r}: a step gives at least 1 percent; for copies alone say --shadow-percent")
    copied = (Stage(percent=0, shadow_percent=shadow_percent, seconds=shadow_seconds),) if shadow_percent else ()
    made = (*copied, *(Stage(percent=percent, seconds=step_seconds) for percent in percents))
    check_stages(made, "the canary")
    return made


def check_gates(gates: Gates) -> Gates:
    """The gates, if a version can be judged by them; raise InvalidPlan."""
    for option, value in (
        ("--max-error-percent", gates.max_error_percent),
        ("--max-disagreement-percent", gates.max_disagreement_percent),
    ):
        if not 0 < value <= WHOLE_PERCENT:
            raise InvalidPlan(f"{option} {value:g}: more than 0 and at most {WHOLE_PERCENT} is allowed")
    if not 0 < gates.false_alarm_percent < WHOLE_PERCENT:
        raise InvalidPlan(f"--false-alarm-percent {gates.false_alarm_percent:g}: between 0 and 100 is allowed")
    if not gates.max_p95_ms > 0:
        raise InvalidPlan(f"--max-p95-ms {gates.max_p95_ms:g}: more than 0 is allowed")
    for option, count in (("--min-requests", gates.min_requests), ("--min-shadowed", gates.min_shadowed)):
        if count < 1:
            raise InvalidPlan(f"{option} {count}: at least 1 is needed, since silence proves nothing")
    return gates


def weights(said: list[str]) -> tuple[Weight, ...]:
    """Read `1.0.0=90 1.1.0=10`; raise InvalidPlan, InvalidName or InvalidDeployment."""
    found: list[Weight] = []
    for part in said:
        version, equals, percent = part.partition("=")
        if not equals:
            raise InvalidPlan(f"{part!r} is no share: write VERSION=PERCENT, such as 1.1.0=10")
        found.append(Weight(version=Version.parse(version), percent=_whole_number(percent, repr(part))))
    made = tuple(found)
    check_weights(made, "the deployment")
    return made


def _whole_number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise InvalidPlan(f"{where}: {text!r} is no whole number of percent")
    return int(text)
