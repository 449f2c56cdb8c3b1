"""Which pods count as there, and what they lack."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.deployment import Report
from ops.rollout.presence import LIVE, presence_of
from tests.lifecycle.table import NOW, V1, V2


def report(pod: str = "a", at: datetime = NOW, **changed: Any) -> Report:
    fields: dict[str, Any] = {"region": "us-east-1", "pod": pod, "worker": 0, "revision": 1, "loaded": (V1,), "at": at}
    return Report(**(fields | changed))


def seconds_ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_without_a_report_nobody_is_there_and_nothing_is_held() -> None:
    presence = presence_of([], NOW)
    assert presence.live == ()
    assert not presence.holds([])
    assert presence.explain(V1) == "no pod follows the deployment"


def test_a_worker_that_fell_silent_while_others_report_has_ended() -> None:
    gone, there = report("gone", NOW - LIVE - timedelta(seconds=1), loaded=()), report("there")
    presence = presence_of([gone, there], NOW)
    assert presence.live == (there,)
    assert presence.holds([V1])


def test_a_worker_is_there_up_to_the_last_moment() -> None:
    late = report("late", NOW - LIVE)
    assert late in presence_of([late, report("there")], NOW).live


def test_where_all_are_silent_nobody_is_there() -> None:
    reports = [report("a", seconds_ago(100)), report("b", seconds_ago(95))]
    assert presence_of(reports, NOW).live == ()


@pytest.mark.parametrize("ahead_seconds", [-80, 600])
def test_the_pods_clocks_may_differ_from_the_operators(ahead_seconds: float) -> None:
    reports = [report("a", seconds_ago(-ahead_seconds)), report("b", seconds_ago(20 - ahead_seconds))]
    assert len(presence_of(reports, NOW).live) == 2


def test_a_version_is_held_when_every_worker_holds_it() -> None:
    both, one = report("both", loaded=(V1, V2)), report("one")
    presence = presence_of([both, one], NOW)
    assert presence.holds([V1])
    assert not presence.holds([V1, V2])
    assert presence.lacking(V2) == (one,)


def test_who_follows_an_older_record_lags() -> None:
    old, new = report("old", revision=3), report("new", revision=4)
    assert presence_of([old, new], NOW).lags(4) == (old,)
    assert presence_of([old, new], NOW).lags(3) == ()


def test_the_reasons_are_told_once_each() -> None:
    refusing = [report(pod, refused={str(V2): "its signature is of no trusted key"}) for pod in "ab"]
    presence = presence_of([*refusing, report("c", loaded=(V1, V2))], NOW)
    assert presence.explain(V2) == ("2 of 3 workers do not hold 2.0.0: its signature is of no trusted key")
    assert presence_of([report()], NOW).explain(V2) == "1 of 1 workers do not hold 2.0.0"


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=8))
def test_the_newest_report_is_live_or_none_is(ages: list[float]) -> None:
    reports = [report(str(number), seconds_ago(age)) for number, age in enumerate(ages)]
    live = presence_of(reports, NOW).live
    newest = min(reports, key=lambda each: NOW - each.at)
    assert (newest in live) == (NOW - newest.at <= LIVE)
    assert bool(live) == (newest in live)
