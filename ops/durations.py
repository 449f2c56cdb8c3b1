"""Lengths of time as operators write them: `30s`, `10m`, `24h`, `90d`, `2w`."""

from __future__ import annotations

import re
from datetime import timedelta

_LONGEST_DAYS = 3660
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(rf"([0-9]{{1,9}})([{''.join(_UNITS)}])")


class InvalidDuration(ValueError):
    """No length of time, or one beyond what is allowed; the message says what is."""


def parse(text: str) -> timedelta:
    """Read `24h`; raise InvalidDuration for anything else, and for more than ten years."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidDuration(f"{text!r:.40} is no length of time: write a number and s, m, h, d or w, such as 24h")
    found = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if found > timedelta(days=_LONGEST_DAYS):
        raise InvalidDuration(f"{text!r:.40} is too long: at most {_LONGEST_DAYS}d are allowed")
    return found
