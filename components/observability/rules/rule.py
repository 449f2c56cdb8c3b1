"""What a rule is, and the PrometheusRule that holds groups of them. Which rules there are is left to others."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from components.observability import names
from components.observability.monitors import API_VERSION
from components.workload.labels import Manifest

Severity = Literal["critical", "warning", "info"]
"""critical: somebody is woken. warning: a ticket for the working day. info: nobody is told."""

RUNBOOKS = "docs/runbooks"

_CAMEL_CASE = re.compile(r"(?:[A-Z][A-Za-z0-9]*)+")
_PAGE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_UNITS = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def duration(seconds: int) -> str:
    """As Prometheus writes it, in one unit: `90s`, `5m`, `3d`."""
    for unit, length in _UNITS:
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    raise AssertionError("seconds are whole")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A series that is computed ahead, named `level:metric:operation`."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert. `description` may hold Prometheus' templates; `summary` is the same for every instance."""

    name: str
    expression: str
    severity: Severity
    for_seconds: int
    page: str
    """Of the runbook, without its folder and ending; closely related alerts share one."""
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        if _CAMEL_CASE.fullmatch(self.name) is None or _PAGE.fullmatch(self.page) is None:
            raise ValueError(
                f"the alert {self.name!r} with the page {self.page!r}: write the alert InCamelCase, the page in-words"
            )


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rules that are evaluated one after another, so that one may use what those before it recorded."""

    name: str
    rules: Sequence[Record | Alert]
    interval_seconds: int | None = None
    """Between two evaluations; None for Prometheus' own."""

    @property
    def alerts(self) -> list[Alert]:
        return [rule for rule in self.rules if isinstance(rule, Alert)]


def prometheus_rule(name: str, groups: Sequence[Group], *, part_of: str, runbooks: str) -> Manifest:
    """The operator's object; `runbooks` is the address, or the folder in the repository, where the pages lie."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PrometheusRule",
        "metadata": names.metadata(name, of=names.PROMETHEUS, more=names.read_by_prometheus(part_of)),
        "spec": {"groups": [_group(group, runbooks) for group in groups]},
    }


def _group(group: Group, runbooks: str) -> Manifest:
    return {
        "name": group.name,
        **({"interval": duration(group.interval_seconds)} if group.interval_seconds else {}),
        "rules": [_alert(rule, runbooks) if isinstance(rule, Alert) else _record(rule) for rule in group.rules],
    }


def _record(record: Record) -> Manifest:
    return {
        "record": record.name,
        "expr": record.expression,
        **({"labels": dict(record.labels)} if record.labels else {}),
    }


def _alert(alert: Alert, runbooks: str) -> Manifest:
    return {
        "alert": alert.name,
        "expr": alert.expression,
        **({"for": duration(alert.for_seconds)} if alert.for_seconds else {}),
        "labels": {**alert.labels, "severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{runbooks.rstrip('/')}/{alert.page}.md",
        },
    }
