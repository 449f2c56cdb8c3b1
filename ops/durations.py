"""Lengths of time as operators write them: `30s`, `10m`, `24h`, `90d`, `2w`."""

from __future__ import annotations

import re
from datetime import timedelta

LONGEST = timedelta(days=3660)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_DURATION = re.compile(rf"([0-9]{{1,9}})([{''.join(_UNITS)}])")


class InvalidDuration(ValueError):
    """No length of time, or one beyond what is allowed; the message says what is."""


def parse(text: str, *, least: timedelta = timedelta(0), most: timedelta = LONGEST) -> timedelta:
    """Read `24h`; raise InvalidDuration for anything else, and for less or more than is allowed."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidDuration(f"{text!r:.40} is no length of time: write a number and s, m, h, d or w, such as 24h")
    found = int(match[1]) * _UNITS[match[2]]
    if found > most:
        raise InvalidDuration(f"{text!r:.40} is too long: at most {written(most)} are allowed")
    if found < least:
        raise InvalidDuration(f"{text!r:.40} is too short: give at least {written(least)}")
    return found


def written(length: timedelta) -> str:
    """A length of whole seconds as `parse` reads it, in the largest unit of which it is a whole number."""
    unit = next(name for name in reversed(_UNITS) if length % _UNITS[name] == timedelta(0))
    return f"{length // _UNITS[unit]}{unit}"
