"""The sequential comparison: how often it blames a good version, how soon it finds a worse one, what it keeps."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bench.comparison import ERRORS, NULL_LOOKS, SLOW, Case, alarm
from ops.canary.sequential import Block, Comparison, Tolerance

CANARIES = 2000
_BLOCK: Block = (1, 100)


def _binomial_allowance(share: float) -> float:
    """Three standard errors above what is allowed."""
    return share + 3 * math.sqrt(share * (1 - share) / CANARIES)


@pytest.mark.parametrize(
    "case",
    [
        Case(name="errors", delta=ERRORS, candidate=0.001, stable=0.001),
        Case(name="slow", delta=SLOW, candidate=0.05, stable=0.05),
    ],
    ids=lambda case: case.name,
)
def test_a_version_that_is_as_good_is_blamed_no_more_often_than_stated_however_often_one_looks(case: Case) -> None:
    highest: list[float] = []
    for seed in range(CANARIES):
        comparison = Comparison(case.delta)
        most = 0.0
        for candidate, stable in case.blocks(NULL_LOOKS, np.random.default_rng(seed)):
            comparison.update(candidate=candidate, stable=stable)
            most = max(most, comparison.log_e)
        highest.append(most)
    for false_alarm in (0.01, 0.05):
        blamed = sum(most >= -math.log(false_alarm) for most in highest) / CANARIES
        assert blamed <= _binomial_allowance(false_alarm)
    assert max(highest) > 0, "evidence never moved: the simulation shows nothing"


def test_errors_that_come_within_the_tolerated_share_raise_no_more_alarms_than_stated() -> None:
    random = np.random.default_rng(7)
    blamed = 0
    for _ in range(CANARIES):
        tolerance = Tolerance(0.01)
        for events in random.binomial(20, 0.01, NULL_LOOKS).tolist():
            tolerance.update(events, 20)
            if tolerance.worse(0.05):
                blamed += 1
                break
    assert blamed / CANARIES <= _binomial_allowance(0.05)


@pytest.mark.parametrize(
    ("delta", "candidate", "stable", "looks"),
    [(ERRORS, 0.005, 0.001, 120), (ERRORS, 1.0, 0.001, 1), (SLOW, 0.1, 0.05, 30)],
)
def test_a_worse_version_is_found_soon(delta: float, candidate: float, stable: float, looks: int) -> None:
    case = Case(name="worse", delta=delta, candidate=candidate, stable=stable)
    ends = [alarm(Comparison(delta), case, 720, seed) or 720 for seed in range(60)]
    assert np.percentile(ends, 90) <= looks


def test_a_version_that_turns_worse_after_an_hour_is_found_soon_after() -> None:
    case = Case(name="late", delta=SLOW, candidate=0.05, stable=0.05, changes_after=720, later=(0.1, 0.05))
    ends = [alarm(Comparison(SLOW), case, 800, seed) or 800 for seed in range(20)]
    assert np.percentile(ends, 90) <= 720 + 40


def test_what_both_versions_suffer_alike_is_no_evidence() -> None:
    case = Case(name="incident", delta=ERRORS, candidate=0.001, stable=0.001, changes_after=20, later=(0.3, 0.3))
    assert all(alarm(Comparison(ERRORS), case, NULL_LOOKS, seed) is None for seed in range(100))


def test_a_better_version_is_not_blamed() -> None:
    case = Case(name="better", delta=SLOW, candidate=0.02, stable=0.1)
    assert all(alarm(Comparison(SLOW), case, NULL_LOOKS, seed) is None for seed in range(100))


def test_a_version_that_is_worse_by_far_less_than_the_margin_raises_no_alarm() -> None:
    case = Case(name="negligible", delta=SLOW, candidate=0.052, stable=0.05)
    assert sum(alarm(Comparison(SLOW), case, 720, seed) is not None for seed in range(60)) <= 2


def test_each_factor_is_one_or_less_on_average_for_every_share_that_both_have() -> None:
    """Exactly, by adding up over all outcomes of a block that follows an uneven past."""
    for share in (0.0, 0.001, 0.02, 0.3, 0.9, 1.0):
        expected = 0.0
        for bad in range(4):
            for stable_bad in range(9):
                comparison = Comparison(0.01)
                comparison.update(candidate=(2, 10), stable=(0, 30))
                before = comparison.log_e
                comparison.update(candidate=(bad, 3), stable=(stable_bad, 8))
                chance = math.comb(3, bad) * math.comb(8, stable_bad)
                chance *= share ** (bad + stable_bad) * (1 - share) ** (11 - bad - stable_bad)
                expected += chance * math.exp(comparison.log_e - before)
        assert expected <= 1 + 1e-9


def test_tolerance_finds_a_share_above_the_tolerated_one_and_only_that() -> None:
    above, within = Tolerance(0.01), Tolerance(0.01)
    for _ in range(50):
        above.update(2, 40)
        within.update(0, 40)
    assert above.worse(0.001)
    assert not within.worse(0.5)


@pytest.mark.parametrize(("rate", "is_worse"), [(0.0, True), (1.0, False)])
def test_nothing_and_everything_can_be_tolerated(rate: float, is_worse: bool) -> None:
    tolerance = Tolerance(rate)
    tolerance.update(10, 10)
    assert tolerance.worse(0.01) is is_worse


def test_a_block_without_trials_of_either_version_changes_nothing() -> None:
    comparison = Comparison(0.01)
    comparison.update(candidate=(5, 100), stable=(1, 100))
    before = comparison.log_e
    assert before != 0
    comparison.update(candidate=(90, 100), stable=(0, 0))
    comparison.update(candidate=(0, 0), stable=(50, 100))
    assert comparison.log_e == before
    tolerance = Tolerance(0.01)
    tolerance.update(0, 0)
    assert tolerance.log_e == 0


def test_going_on_from_what_was_kept_equals_one_uninterrupted_run_exactly() -> None:
    random = np.random.default_rng(3)
    whole, parts = Comparison(ERRORS), Comparison(ERRORS)
    whole_tolerance, part_tolerance = Tolerance(0.01), Tolerance(0.01)
    for _ in range(100):
        candidate, stable = (int(random.binomial(50, 0.01)), 50), (int(random.binomial(450, 0.008)), 450)
        whole.update(candidate=candidate, stable=stable)
        whole_tolerance.update(*candidate)
        parts.update(candidate=candidate, stable=stable)
        part_tolerance.update(*candidate)
        # As the record keeps it: as JSON, beside others' figures.
        kept = json.loads(json.dumps({**parts.to_evidence("errors"), **part_tolerance.to_evidence("copies")}))
        parts = Comparison.from_evidence("errors", kept, delta=ERRORS)
        part_tolerance = Tolerance.from_evidence("copies", kept, rate=0.01)
    assert parts.to_evidence("errors") == whole.to_evidence("errors")
    assert part_tolerance.to_evidence("copies") == whole_tolerance.to_evidence("copies")
    assert whole.log_e != 0


def test_what_another_margin_kept_is_gone_on_from_with_its_evidence() -> None:
    before = Comparison(0.02)
    for _ in range(10):
        before.update(candidate=(20, 100), stable=(5, 100))
    after = Comparison.from_evidence("slow", before.to_evidence("slow"), delta=0.0005)
    assert after.log_e == before.log_e
    after.update(candidate=_BLOCK, stable=_BLOCK)
    assert math.isfinite(after.log_e)


def test_without_anything_kept_a_comparison_is_new() -> None:
    assert Comparison.from_evidence("errors", {}, delta=0.01).to_evidence("x") == Comparison(0.01).to_evidence("x")


@pytest.mark.parametrize("block", [(-1, 10), (11, 10), (1, 0)])
def test_impossible_counts_are_refused(block: Block) -> None:
    comparison = Comparison(0.01)
    with pytest.raises(ValueError, match="count both over the same requests"):
        comparison.update(candidate=block, stable=_BLOCK)
    with pytest.raises(ValueError, match="count both over the same requests"):
        comparison.update(candidate=_BLOCK, stable=block)
    with pytest.raises(ValueError, match="count both over the same requests"):
        Tolerance(0.01).update(*block)
    assert comparison.log_e == 0


def test_settings_without_a_meaning_are_refused() -> None:
    for delta in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Comparison(delta)
    for rate in (-0.1, 1.1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Tolerance(rate)
    for false_alarm in (0.0, 1.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            Comparison(0.01).worse(false_alarm)
