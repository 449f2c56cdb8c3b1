"""Every alert fires when it should, with what it should say, and stays quiet just inside its limit."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from components.observability.rules.catalogue import alerts
from tests.observability.promtool import LIMITS, Case, alert_fires_as_told, cases, key, needs_promtool

CASES = cases()
ALERTS = {key(alert): alert for alert in alerts(LIMITS)}

# It has to fire always: there is nothing that would keep it quiet.
ALWAYS_FIRES = {"Watchdog"}


@needs_promtool
@pytest.mark.parametrize("case", CASES, ids=str)
def test_alert(case: Case, tmp_path: Path) -> None:
    assert bool(case.alerts) == case.fires
    alert_fires_as_told(tmp_path, case, ALERTS[case.alert])


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    assert {case.alert for case in CASES if case.fires} == set(ALERTS)


def test_every_alert_has_a_case_in_which_it_is_quiet() -> None:
    assert {case.alert for case in CASES if not case.fires} == set(ALERTS) - ALWAYS_FIRES


def test_every_alert_is_there_once() -> None:
    assert [name for name, times in Counter(key(alert) for alert in alerts(LIMITS)).items() if times > 1] == []


def test_what_an_alert_promises_in_its_summary_is_the_same_for_every_instance() -> None:
    assert [alert.name for alert in ALERTS.values() if "{{" in alert.summary] == []


def test_an_alert_of_the_serving_pods_tells_its_namespace() -> None:
    fires = [case for case in CASES if case.fires and not case.alert.startswith("Node")]
    assert [str(case) for case in fires if any("namespace" not in alert["labels"] for alert in case.alerts)] == []
