"""Reads variables one by one and collects what is wrong with them, so that all of it is told at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

_T = TypeVar("_T")


class InvalidSettings(ValueError):
    """One or more variables are missing or not allowed; the message has a line for each."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


class Reader:
    """Reads one variable at a time and collects the faults: with any of them, no settings come of what was read."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[str] = []

    def text(self, variable: str, check: Callable[[str], _T], default: str | None = None) -> _T:
        value = self._environ.get(variable) or default
        if value is None:
            self.faults.append(f"{variable} is not set, and it has no default")
            return cast(_T, None)
        try:
            return check(value)
        except ValueError as error:
            self.faults.append(f"{variable}: {error}")
            return cast(_T, None)

    def number(self, variable: str, default: int, least: int, most: int) -> int:
        text = self._environ.get(variable) or str(default)
        number = whole(text, most)
        if number is None or number < least:
            self.faults.append(f"{variable} is {text!r:.40}: a whole number from {least} to {most} is allowed")
            return least
        return number

    def choice(self, variable: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self._environ.get(variable) or default
        if value not in allowed:
            self.faults.append(f"{variable} is {value!r}: one of {', '.join(allowed)} is allowed")
        return value

    def given(self, variable: str) -> bool:
        """Whether the variable is set to anything."""
        return bool(self._environ.get(variable))


def whole(text: str, most: int) -> int | None:
    """The number that the text is, or None where it is none from 0 to `most`."""
    # int() also takes signs, spaces, underscores and other scripts' digits, and fails on thousands of them.
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    number = int(text)
    return number if number <= most else None


def word(value: str) -> str:
    """A check for `Reader.text`: what may stand in a log line as it is."""
    if not value.isprintable() or value != value.strip():
        raise ValueError(f"{value!r} has control characters or blanks around it: take them out")
    return value
