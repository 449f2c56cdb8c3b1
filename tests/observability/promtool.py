"""Asks promtool whether rules are valid, and whether an alert fires on given series; and reads the cases for that."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from components.observability.rules.catalogue import RULE_FILES
from components.observability.rules.limits import Limits
from components.observability.rules.rule import Alert, Group, Record, prometheus_rule

LIMITS = Limits(replicas_min=3)
PART_OF = "serveml"
RUNBOOKS = "https://example.com/runbooks"
CASES = Path(__file__).parent / "cases"
TIMEOUT_SECONDS = 60

# Labels that scraping gives the series of these targets.
_TARGETS = {
    "a": 'namespace="ml-system",job="inference",track="stable",pod="a",instance="10.0.0.1:8001"',
    "b": 'namespace="ml-system",job="inference",track="canary",pod="b",instance="10.0.0.2:8001"',
    "prometheus": 'namespace="monitoring",job="prometheus",pod="prometheus-0",instance="10.0.1.1:9090"',
    "alertmanager": 'namespace="monitoring",job="alertmanager",pod="alertmanager-0",instance="10.0.1.2:9093"',
    "fluent_bit": 'namespace="logging",job="fluent-bit",pod="fluent-bit-x",instance="10.0.1.3:2020"',
}
_PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    _PROMTOOL is None, reason="promtool is not on the path: install Prometheus (Debian's package is `prometheus`)"
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """Series over time, and which instances of one alert fire at a moment."""

    alert: str
    """Its key: see `key`."""
    name: str
    series: Mapping[str, str]
    at: str
    alerts: Sequence[Mapping[str, Any]] = ()
    """Labels and description of each; none for a case that has to stay quiet."""
    every: str = "1m"
    """Between samples, and between evaluations."""

    @property
    def fires(self) -> bool:
        return self.name.startswith("fires")

    def __str__(self) -> str:
        return f"{self.alert}: {self.name}"


def key(alert: Alert) -> str:
    """An alert's name, with its window where there are several thresholds."""
    return f"{alert.name} {alert.labels['window']}" if "window" in alert.labels else alert.name


def cases() -> list[Case]:
    found: list[Case] = []
    for path in sorted(CASES.glob("*.yaml")):
        for alert, by_name in yaml.safe_load(path.read_text()).items():
            found += [_case(alert, name, fields) for name, fields in by_name.items()]
    return found


def _case(alert: str, name: str, fields: dict[str, Any]) -> Case:
    series = {Template(written).substitute(_TARGETS): str(values) for written, values in fields.pop("series").items()}
    return Case(alert=alert, name=name, series=series, **fields)


def check_rules(folder: Path, name: str, groups: Sequence[Group]) -> str:
    """What promtool says of the rules, its status 0 included; AssertionError for any fault or doubt of its."""
    return _run("check", "rules", "--lint=all", "--lint-fatal", str(_written(folder, name, groups)))


def alert_fires_as_told(folder: Path, case: Case, alert: Alert) -> None:
    """AssertionError, with what promtool says, unless exactly these instances of the alert fire."""
    wanted = [
        {
            "exp_labels": expected["labels"],
            "exp_annotations": {
                "summary": alert.summary,
                "description": expected["description"],
                "runbook_url": f"{RUNBOOKS}/{alert.page}.md",
            },
        }
        for expected in case.alerts
    ]
    _test(folder, case, [_records_for(alert.expression), [replace(_home(alert), rules=[alert])]], {
        "alert_rule_test": [{"eval_time": case.at, "alertname": alert.name, "exp_alerts": wanted}]
    })  # fmt: skip


def samples_are(folder: Path, series: Mapping[str, str], at: str, expected: Mapping[str, Sequence[str]]) -> None:
    """AssertionError unless each expression gives these samples, written `labels value`, to four decimals."""
    case = Case(alert="", name="", series={Template(k).substitute(_TARGETS): v for k, v in series.items()}, at=at)
    wanted = [
        {
            "expr": f"round({expression}, 0.0001)",
            "eval_time": at,
            "exp_samples": [
                {"labels": sample.rpartition(" ")[0], "value": float(sample.rpartition(" ")[2])} for sample in samples
            ],
        }
        for expression, samples in expected.items()
    ]
    _test(folder, case, [_records_for(" ".join(expected))], {"promql_expr_test": wanted})


def _test(folder: Path, case: Case, groups: Sequence[Sequence[Group]], wanted: Mapping[str, Any]) -> None:
    files = [str(_written(folder, f"rules-{number}", some)) for number, some in enumerate(groups)]
    document = {
        "rule_files": files,
        "evaluation_interval": case.every,
        "tests": [
            {
                "interval": case.every,
                "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
                **wanted,
            }
        ],
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    _run("test", "rules", str(path))


def _records_for(text: str) -> list[Group]:
    """What the text reads of recorded series, and what these read; in the order of evaluation."""
    every = [(group, rule) for group in _groups() for rule in group.rules if isinstance(rule, Record)]
    needed: set[str] = set()
    while more := {rule.name for _, rule in every if rule.name in text} - needed:
        needed |= more
        text += " ".join(rule.expression for _, rule in every if rule.name in more)
    grouped = [
        replace(group, rules=[rule for of, rule in every if of == group and rule.name in needed]) for group in _groups()
    ]
    return [group for group in grouped if group.rules]


def _groups() -> list[Group]:
    return [group for groups in RULE_FILES.values() for group in groups(LIMITS)]


def _home(alert: Alert) -> Group:
    return next(group for group in _groups() if alert in group.alerts)


def _written(folder: Path, name: str, groups: Sequence[Group]) -> Path:
    path = folder / f"{name}.yaml"
    manifest = prometheus_rule(name, groups, part_of=PART_OF, runbooks=RUNBOOKS)
    path.write_text(yaml.safe_dump(manifest["spec"], sort_keys=False))
    return path


def _run(*arguments: str) -> str:
    assert _PROMTOOL is not None, "only tests that are marked needs_promtool come here"
    done = subprocess.run([_PROMTOOL, *arguments], capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
