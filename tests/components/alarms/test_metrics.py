"""What an alarm may be, and what whoever gets its message reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.alarms.metrics import (
    DAY_SECONDS,
    HOUR_SECONDS,
    Alarm,
    InvalidAlarm,
    Metric,
    Missing,
    Runbook,
    Severity,
    Term,
)

METRIC = Metric(namespace="AWS/Test", name="Errors", dimensions={"Name": "one"}, statistic="Sum")
ALARM = Alarm(
    name="errors",
    summary="It fails.",
    runbook=Runbook.TARGETS,
    severity=Severity.CRITICAL,
    figure=METRIC,
    unit="errors",
    threshold=0,
    periods=5,
    datapoints=3,
    missing=Missing.IS_GOOD,
    missing_because="it is published only when it fails",
)


def test_the_message_says_what_is_wrong_how_bad_it_is_and_which_page_to_read() -> None:
    assert ALARM.description == (
        "It fails. No data is read as good: it is published only when it fails. Severity: critical. "
        "Runbook: docs/runbooks/aws-targets.md"
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"datapoints": 6}, "6 of 5 periods"),
        ({"datapoints": 0}, "0 of 5 periods"),
        ({"period_seconds": 30}, "a multiple of 60"),
        ({"period_seconds": 90}, "a multiple of 60"),
        ({"period_seconds": 600, "periods": 145}, f"CloudWatch allows {DAY_SECONDS}"),
        ({"period_seconds": HOUR_SECONDS, "periods": 169}, f"CloudWatch allows {7 * DAY_SECONDS}"),
        ({"summary": "a" * 1024}, "shorten the summary"),
    ],
)
def test_an_alarm_that_cloudwatch_refuses_is_refused_first(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidAlarm, match=says):
        replace(ALARM, **changes)


@pytest.mark.parametrize("statistic", ["Median", "p", "p100", "95"])
def test_an_unknown_statistic_is_refused(statistic: str) -> None:
    with pytest.raises(InvalidAlarm, match="percentile such as p95"):
        replace(METRIC, statistic=statistic)


@pytest.mark.parametrize(
    ("statistic", "is_percentile"), [("Sum", False), ("Average", False), ("p95", True), ("p99.9", True)]
)
def test_an_alarm_on_a_percentile_passes_over_minutes_with_few_requests(statistic: str, is_percentile: bool) -> None:
    alarm = replace(ALARM, figure=replace(METRIC, statistic=statistic))
    assert alarm.ignores_few_samples is is_percentile


@pytest.mark.parametrize(
    ("expression", "metrics", "says"),
    [
        ("100 * part", {"part": METRIC, "whole": METRIC}, "does not use 'whole'"),
        ("Part", {"Part": METRIC}, "lower-case letter"),
        (" + ".join(f"m{n}" for n in range(11)), {f"m{n}": METRIC for n in range(11)}, "give 10 at most"),
    ],
)
def test_an_expression_that_cannot_be_evaluated_is_refused(
    expression: str, metrics: dict[str, Metric], says: str
) -> None:
    with pytest.raises(InvalidAlarm, match=says):
        Term(expression=expression, metrics=metrics)
