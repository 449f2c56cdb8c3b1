"""The evidence against a version outlives its controller, and how a canary is measured, told and watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contract import deployment as documents
from contract.deployment import Canary, Change, Gates, Stage, Weight
from ops.canary import wiring
from ops.canary.actions import Action
from ops.canary.ending import Ended, Outcome, ending_of
from ops.canary.evidence import Evidence
from ops.canary.gates import Figures
from ops.canary.measurements import Measured, Measurements, Shadowed
from ops.canary.measuring import CanaryFigures, Unmeasured
from ops.canary.prometheus import PrometheusAway, PrometheusRefused, Series
from ops.notices import Severity
from tests.lifecycle.table import NOW, V1, V2

CANARY = Canary(
    id="trial",
    version=V2,
    stages=(Stage(percent=10, shadow_percent=20), Stage(percent=100)),
    gates=Gates(),
    stage=0,
    stage_began_at=NOW,
    started_at=NOW,
    started_by="ada",
)
IDLE = Shadowed(compared=0, differing=0, failed=0, dropped=0)


def figures(requests: int, errors: int, slow: int = 0, shadowed: Shadowed = IDLE) -> Figures:
    def measured(of: int, bad: int, late: int) -> Measured:
        return Measured(requests=of, errors=bad, timed=of, slow=late, p95_ms=1.0, p95_bound_ms=1.0, crashes=0)

    return Figures(candidate=measured(requests, errors, slow), stable=measured(9 * requests, 0, 0), shadowed=shadowed)


def kept(evidence: Evidence, **stage: Any) -> Evidence:
    """By a record that was written and read again."""
    moved = documents.amend(CANARY, evidence=evidence.to_mapping(next_stage=bool(stage)), **stage)
    return Evidence.of(documents.decode(documents.encode(moved), Canary))


def test_going_on_from_the_record_is_as_if_nothing_had_happened() -> None:
    """Cut after every look, or not at all."""
    whole, cut = Evidence.of(CANARY), Evidence.of(CANARY)
    for look in range(1, 40):
        now = NOW + timedelta(seconds=5 * look)
        for evidence in (whole, cut):
            evidence.add(figures(50 * look, look, 3 * look), now)
        cut = kept(cut)
        assert cut.to_mapping() == whole.to_mapping()
        assert cut.against(CANARY) == whole.against(CANARY)
    assert whole.against(CANARY) is not None


def test_evidence_goes_over_from_stage_to_stage_while_counts_begin_anew() -> None:
    first = Evidence.of(CANARY)
    for look in range(1, 10):
        first.add(figures(50 * look, look), NOW)
    began = NOW + timedelta(minutes=10)
    second = kept(first, stage=1, stage_began_at=began)
    assert second.to_mapping()["errors_log_e"] == first.to_mapping()["errors_log_e"] != 0
    second.add(figures(50, 1), began)
    assert second.to_mapping()["counted_candidate_requests"] == 50
    assert not second.belongs_to(CANARY)


def test_what_was_counted_counts_once_also_where_a_count_falls() -> None:
    evidence = Evidence.of(CANARY)
    evidence.add(figures(100, 5), NOW)
    before = evidence.to_mapping()
    evidence.add(figures(60, 2), NOW)
    evidence.add(figures(100, 5), NOW)
    assert evidence.to_mapping() == before


def test_copies_that_differ_speak_against_a_version() -> None:
    evidence = Evidence.of(CANARY)
    for look in range(1, 30):
        copies = Shadowed(compared=100 * look, differing=5 * look, failed=0, dropped=0)
        evidence.add(figures(0, 0, shadowed=copies), NOW)
    assert "disagrees with the stable version on more than 1% of the copies" in str(evidence.against(CANARY))


def test_silence_is_of_whatever_the_stage_gives() -> None:
    evidence = Evidence.of(CANARY)
    evidence.add(figures(100, 0), NOW + timedelta(seconds=30))
    assert evidence.silent_for(CANARY, NOW + timedelta(seconds=40)) == 40
    copies = replace(IDLE, compared=1)
    evidence.add(figures(100, 0, shadowed=copies), NOW + timedelta(seconds=50))
    assert evidence.silent_for(CANARY, NOW + timedelta(seconds=60)) == 30


def test_evidence_is_due_now_and_then_and_when_sight_is_lost() -> None:
    evidence = Evidence.of(CANARY)
    assert not evidence.due(CANARY, NOW, 30)
    assert not evidence.due(CANARY, NOW + timedelta(seconds=29), 30)
    assert evidence.due(CANARY, NOW + timedelta(seconds=30), 30)
    assert evidence.blind_for(NOW) == 0
    assert evidence.due(CANARY, NOW, 30)


# Measuring


class Recording:
    """Measurements that note what they were asked, or fail."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._failure = failure

    def query(self, query: str, at_ms: int) -> list[Series]:
        self.asked.append((query, at_ms))
        if self._failure is not None:
            raise self._failure
        return [_series(query, at_ms)] if "last_over_time" not in query else []


def _series(query: str, at_ms: int) -> Series:
    labels: Mapping[str, str] = {"__name__": "model_predictions_total", "outcome": "ok", "instance": "a"}
    return Series(labels=labels, samples=((at_ms - 1, 7.0),))


def test_a_stage_is_measured_from_its_beginning_and_slow_means_the_same_throughout() -> None:
    prometheus = Recording()
    measure = CanaryFigures(Measurements(prometheus))
    found = measure("churn", CANARY, V1, NOW + timedelta(minutes=1))
    assert (found.candidate.requests, found.stable.requests) == (7, 7)
    first = len(prometheus.asked)
    assert any('"2.0.0"' in query for query, _ in prometheus.asked)
    measure("churn", CANARY, V1, NOW + timedelta(minutes=2))
    # What slow means is asked for once, as it was when the canary started.
    assert len(prometheus.asked) - first == first - 2


def test_without_copies_no_copies_are_asked_for() -> None:
    prometheus = Recording()
    at = documents.amend(CANARY, stage=1)
    assert CanaryFigures(Measurements(prometheus))("churn", at, V1, NOW + timedelta(minutes=1)).shadowed == IDLE
    assert not any("shadow" in query for query, _ in prometheus.asked)


@pytest.mark.parametrize("failure", [PrometheusAway("it is away"), PrometheusRefused("no such right")])
def test_figures_that_cannot_be_had_are_no_figures(failure: Exception) -> None:
    measure = CanaryFigures(Measurements(Recording(failure)))
    with pytest.raises(Unmeasured, match=str(failure)):
        measure("churn", CANARY, V1, NOW + timedelta(minutes=1))
    with pytest.raises(Unmeasured, match=str(failure)):
        measure.probe("churn", V1, NOW)


# Endings and notices


def change(revision: int, action: str) -> Change:
    weights = (Weight(version=V1, percent=100),)
    return Change(revision=revision, at=NOW, by="ada", action=action, reason="so", stable=V1, weights=weights)


def test_an_ending_is_found_behind_later_changes_and_before_an_earlier_canary() -> None:
    log = [
        change(9, Action.ROLLED_BACK),
        change(8, Action.CANARY_PASSED),
        change(5, Action.CANARY_STARTED),
        change(4, Action.CANARY_ABORTED),
        change(2, Action.CANARY_STARTED),
    ]
    assert ending_of(log, 7) == log[1]
    assert ending_of(log, None) == log[1]
    assert ending_of(log, 3) == log[3]
    assert ending_of([change(1, Action.CREATED)], None) is None


def test_an_outcome_says_whether_the_version_serves() -> None:
    failed = {
        action: Outcome.of("churn", change(2, action), V2).failed
        for action in (Action.CANARY_PASSED, Action.CANARY_PROMOTED, Action.CANARY_WITHDRAWN, Action.CANARY_ABORTED)
    }
    assert list(failed.values()) == [False, False, True, True]
    assert Outcome.of("churn", change(2, Action.CANARY_PASSED), None).ended is Ended.PASSED


def test_a_notice_names_the_revision_so_that_it_is_said_once() -> None:
    withdrawn = wiring.notice_of("churn", change(7, Action.CANARY_WITHDRAWN))
    assert (withdrawn.key, withdrawn.severity, withdrawn.summary) == (
        "churn#7",
        Severity.WARNING,
        "churn is back on 1.0.0: so",
    )
    assert wiring.notice_of("churn", change(8, Action.CANARY_PASSED)).severity is Severity.INFO
