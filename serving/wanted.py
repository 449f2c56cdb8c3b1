"""Which models a server was told to serve, as the variable names them."""

from __future__ import annotations

from dataclasses import dataclass

from contract.objects import InvalidName, Version, check_model_name

MOST_MODELS = 64


@dataclass(frozen=True)
class Wanted:
    """A model to serve, and the version to serve whatever else is published, or None for the highest release."""

    name: str
    version: Version | None = None


def wanted(text: str) -> tuple[Wanted, ...]:
    """Read `churn` or `churn,fraud=1.2.3`, the default first; raise ValueError naming what is wrong."""
    found: list[Wanted] = []
    for part in text.split(","):
        name, pinned, version = part.strip().partition("=")
        try:
            found.append(Wanted(check_model_name(name), Version.parse(version) if pinned else None))
        except InvalidName as error:
            raise ValueError(f"{error}; write names, or names with versions such as churn=1.2.3, with commas") from None
    names = [entry.name for entry in found]
    if len(set(names)) != len(names) or len(names) > MOST_MODELS:
        raise ValueError(f"{text!r:.200} must name each model once, and at most {MOST_MODELS} of them")
    return tuple(found)
