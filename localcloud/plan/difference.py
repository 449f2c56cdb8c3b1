"""The difference between two plans of a stack: what is added, changed, replaced and removed, input by input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from localcloud.plan.document import Resource
from localcloud.plan.replacement import forcing_inputs


class Kind(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REPLACED = "replaced"
    REMOVED = "removed"


@dataclass(frozen=True)
class FieldChange:
    """One value that differs; None stands for a side that lacks it."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """One resource that differs between the plans."""

    kind: Kind
    key: str
    fields: tuple[FieldChange, ...] = ()


def compare(before: Mapping[str, Resource], after: Mapping[str, Resource]) -> list[Change]:
    """Changes in the order of their keys. Keys are those of `document.resources` or `document.manifests`."""
    return [change for key in sorted({*before, *after}) if (change := _change(key, before.get(key), after.get(key)))]


def tally(changes: list[Change]) -> dict[Kind, int]:
    return {kind: sum(1 for change in changes if change.kind is kind) for kind in Kind}


def _change(key: str, before: Resource | None, after: Resource | None) -> Change | None:
    if before is None:
        return Change(Kind.ADDED, key)
    if after is None:
        return Change(Kind.REMOVED, key)
    fields = tuple(_fields(before, after, ""))
    if not fields:
        return None
    token = key.rsplit("::", 1)[0].rsplit("$", 1)[-1]
    forcing = forcing_inputs(token)
    kind = Kind.REPLACED if any(_forces(field.path, forcing) for field in fields) else Kind.CHANGED
    return Change(kind, key, fields)


def _forces(path: str, forcing: frozenset[str]) -> bool:
    inner = path.removeprefix("inputs.")
    return any(inner == name or inner.startswith((f"{name}.", f"{name}[")) for name in forcing)


def _fields(before: Any, after: Any, path: str) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        left, right = cast(dict[str, Any], before), cast(dict[str, Any], after)
        for key in sorted({*left, *right}):
            yield from _fields(left.get(key), right.get(key), f"{path}.{key}" if path else key)
    elif isinstance(before, list) and isinstance(after, list):
        ours, theirs = cast(list[Any], before), cast(list[Any], after)
        for index in range(max(len(ours), len(theirs))):
            old = ours[index] if index < len(ours) else None
            new = theirs[index] if index < len(theirs) else None
            yield from _fields(old, new, f"{path}[{index}]")
    elif before != after:
        yield FieldChange(path, before, after)
