"""Findings that are known and wanted: a list with a reason for each, of which every line must still be needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import yaml

from tests.scanners.findings import Finding

FILE = Path(__file__).parent / "suppressions.yaml"
_FIELDS = ("tool", "check", "object", "reason")


class InvalidSuppression(Exception):
    """An entry of the list that cannot be used; the message says which and what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Suppression:
    tool: str
    check: str
    object: str
    """A pattern of shell style over the finding's object, such as `Deployment/ml-system/*`."""
    reason: str

    def covers(self, finding: Finding) -> bool:
        same = (self.tool, self.check) == (finding.tool, finding.check)
        return same and fnmatchcase(finding.object, self.object)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    open: Sequence[Finding]
    """Findings that nothing suppresses."""
    suppressed: int
    unused: Sequence[Suppression]
    """Suppressions of tools that ran, which cover nothing they found."""

    @property
    def passed(self) -> bool:
        return not self.open and not self.unused


def load(text: str, tools: Collection[str]) -> list[Suppression]:
    """Read the list; raise InvalidSuppression."""
    entries: object = yaml.safe_load(text) or []
    if not isinstance(entries, list):
        raise InvalidSuppression("the suppressions are no list: write one entry a dash")
    return [_entry(number, entry, tools) for number, entry in enumerate(cast(list[object], entries), start=1)]


def judge(findings: Iterable[Finding], suppressions: Sequence[Suppression], ran: Collection[str]) -> Verdict:
    """Weigh the findings of the tools that ran. What is said of a tool that did not run is neither used nor unused."""
    used = set[int]()
    left: list[Finding] = []
    covered = 0
    for finding in sorted(set(findings)):
        covering = {number for number, entry in enumerate(suppressions) if entry.covers(finding)}
        used |= covering
        covered += bool(covering)
        if not covering:
            left.append(finding)
    unused = [entry for number, entry in enumerate(suppressions) if number not in used and entry.tool in ran]
    return Verdict(open=left, suppressed=covered, unused=unused)


def _entry(number: int, entry: object, tools: Collection[str]) -> Suppression:
    where = f"suppression {number}"
    if not isinstance(entry, dict):
        raise InvalidSuppression(f"{where} is {entry!r}: give it the fields {', '.join(_FIELDS)}")
    fields = cast(dict[str, Any], entry)
    wrong = sorted(set(fields) ^ set(_FIELDS))
    if wrong:
        raise InvalidSuppression(f"{where}: {', '.join(wrong)}: give each of {', '.join(_FIELDS)}, and nothing else")
    empty = [name for name in _FIELDS if not isinstance(fields[name], str) or not fields[name].strip()]
    if empty:
        raise InvalidSuppression(f"{where}: {', '.join(empty)} is empty or no text")
    if fields["tool"] not in tools:
        raise InvalidSuppression(f"{where}: the tool {fields['tool']!r} is none of {', '.join(sorted(tools))}")
    return Suppression(**fields)
