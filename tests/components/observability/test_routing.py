"""Who is told of which alert, how often, and in words that Amazon SNS takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from components.observability import routing
from tests.components.observability.args import TOPIC_ARN

CONFIGURATION = routing.configuration(TOPIC_ARN, "eu-west-1")
SNS_SUBJECT_CHARACTERS = 100
"""A subject has fewer (Amazon SNS API reference, Publish)."""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.yaml"
    path.write_text(routing.written(TOPIC_ARN, "eu-west-1"))
    return path


def amtool(*arguments: str) -> str:
    tool = shutil.which("amtool")
    if tool is None:
        pytest.skip("amtool is not installed (Debian: apt-get install prometheus-alertmanager)")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def route_of(severity: str) -> dict[str, Any]:
    """The route that an alert takes: the first whose matchers fit, with what it inherits."""
    root: dict[str, Any] = CONFIGURATION["route"]
    for route in root["routes"]:
        matches = [re.fullmatch(r'severity=~?"(.+)"', matcher) for matcher in route["matchers"]]
        if all(match and re.fullmatch(match[1], severity) for match in matches):
            return {**root, **route}
    return root


def receiver(name: str) -> dict[str, Any]:
    [found] = [each for each in CONFIGURATION["receivers"] if each["name"] == name]
    return found


def data(alert_name: str, **common: str) -> dict[str, Any]:
    """One firing alert in the form of Alertmanager's template data."""
    alert = {
        "status": "firing",
        "labels": {"alertname": alert_name, **common},
        "annotations": {"summary": "Too slow", "description": "P95 is 700 ms", "runbook_url": "docs/runbooks/slow.md"},
        "startsAt": "2026-01-02T03:04:05Z",
        "endsAt": "0001-01-01T00:00:00Z",
    }
    return {"status": "firing", "alerts": [alert], "groupLabels": {"alertname": alert_name}, "commonLabels": common}


def rendered(template: str, given: dict[str, Any], tmp_path: Path) -> str:
    path = tmp_path / "data.json"
    path.write_text(json.dumps(given))
    nothing = f"--template.glob={tmp_path}/*.tmpl"
    return amtool("template", "render", nothing, f"--template.text={template}", f"--template.data={path}")


def test_critical_alerts_and_warnings_go_to_the_topic_and_a_severity_that_is_not_known_too() -> None:
    for severity in ("critical", "warning", "odd"):
        assert receiver(route_of(severity)["receiver"])["sns_configs"][0]["topic_arn"] == TOPIC_ARN


@pytest.mark.parametrize("severity", ["info", "none"])
def test_what_is_for_information_is_shown_and_nobody_told(severity: str) -> None:
    assert receiver(route_of(severity)["receiver"]) == {"name": "shown"}


def test_a_critical_alert_is_repeated_sooner_than_a_warning() -> None:
    assert route_of("critical")["repeat_interval"] == "4h"
    assert route_of("warning")["repeat_interval"] == "24h"


def test_a_critical_alert_silences_the_warning_of_its_name_and_namespace() -> None:
    assert CONFIGURATION["inhibit_rules"] == [
        {
            "source_matchers": ['severity="critical"'],
            "target_matchers": ['severity="warning"'],
            "equal": ["alertname", "namespace"],
        }
    ]


def test_no_key_stands_in_the_configuration() -> None:
    [topic] = receiver("topic")["sns_configs"]
    assert topic["sigv4"] == {"region": "eu-west-1"}


def test_alertmanager_takes_it(written: Path) -> None:
    assert "SUCCESS" in amtool("check-config", str(written))


def test_a_subject_is_never_so_long_that_the_message_is_refused(tmp_path: Path) -> None:
    [topic] = receiver("topic")["sns_configs"]
    said = rendered(topic["subject"], data("A" * 120, environment="prod", region="eu-west-1"), tmp_path).rstrip("\n")
    assert len(said) == SNS_SUBJECT_CHARACTERS - 1
    short = rendered(topic["subject"], data("SlowAnswers", environment="prod", region="eu-west-1"), tmp_path)
    assert short.rstrip("\n") == "[FIRING] SlowAnswers in prod, eu-west-1"


def test_a_message_says_what_happened_and_where_to_read_on(tmp_path: Path) -> None:
    [topic] = receiver("topic")["sns_configs"]
    said = rendered(topic["message"], data("SlowAnswers", severity="critical", namespace="ml-system"), tmp_path)
    assert "FIRING SlowAnswers (critical) since 2026-01-02 03:04:05 UTC\nToo slow\nP95 is 700 ms\n" in said
    assert "Runbook: docs/runbooks/slow.md\n" in said
    assert "namespace=ml-system" in said


def test_an_attribute_has_a_value_even_where_the_label_is_missing(tmp_path: Path) -> None:
    [topic] = receiver("topic")["sns_configs"]
    assert rendered(topic["attributes"]["severity"], data("Odd"), tmp_path).strip() == "none"
    assert rendered(topic["attributes"]["severity"], data("Odd", severity="warning"), tmp_path).strip() == "warning"
