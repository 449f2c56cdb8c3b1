"""Each gate passes, fails or waits for more, and few requests are judged for what they can show."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.deployment import Gates, Stage
from ops.canary.gates import CONFIDENCE, PATIENCE, Figures, Judgement, judge, tail
from ops.canary.measurements import Measured, Shadowed

STAGE = Stage(percent=10, seconds=600)
COPIES = Stage(percent=0, shadow_percent=20, seconds=600)
GATES = Gates()


def measured(
    requests: int = 1000, errors: int = 0, p95_ms: float | None = 40.0, slow: int = 0, crashes: int = 0
) -> Measured:
    return Measured(
        requests=requests,
        errors=errors,
        timed=requests,
        slow=slow,
        p95_ms=p95_ms,
        p95_bound_ms=p95_ms,
        crashes=crashes,
    )


def verdict(
    candidate: Measured,
    *,
    stage: Stage = STAGE,
    gates: Gates = GATES,
    elapsed: float = 600,
    against: str | None = None,
    compared: int = 0,
    differing: int = 0,
    failed: int = 0,
) -> tuple[Judgement, str]:
    shadowed = Shadowed(compared=compared, differing=differing, failed=failed, dropped=0)
    figures = Figures(candidate=candidate, stable=measured(requests=9000), shadowed=shadowed)
    found = judge(gates, stage, figures, against, elapsed)
    assert found.reason
    return found.judgement, found.gate


def test_a_version_passes_that_answered_enough_for_long_enough_without_fault() -> None:
    assert verdict(measured()) == (Judgement.PASS, "all")


def test_a_stage_takes_its_time_and_its_requests() -> None:
    assert verdict(measured(), elapsed=599) == (Judgement.WAIT, "time")
    assert verdict(measured(requests=499)) == (Judgement.WAIT, "requests")
    assert verdict(measured(requests=0, p95_ms=None), elapsed=10_000) == (Judgement.WAIT, "requests")


def test_a_stage_of_copies_is_judged_by_the_copies_alone() -> None:
    idle = measured(requests=0, p95_ms=None)
    assert verdict(idle, stage=COPIES, compared=199) == (Judgement.WAIT, "copies")
    assert verdict(idle, stage=COPIES, compared=200) == (Judgement.PASS, "all")
    assert verdict(idle, stage=COPIES, compared=190, failed=10) == (Judgement.FAIL, "errors")
    assert verdict(idle, stage=COPIES, compared=200, differing=20) == (Judgement.FAIL, "disagreement")


def test_all_copies_may_differ_where_everything_is_allowed() -> None:
    idle, gates = measured(requests=0, p95_ms=None), Gates(max_disagreement_percent=100.0)
    assert verdict(idle, stage=COPIES, gates=gates, compared=200, differing=200) == (Judgement.PASS, "all")
    assert verdict(idle, stage=COPIES, gates=gates, compared=200, failed=9) == (Judgement.FAIL, "errors")


def test_a_crash_fails_at_once() -> None:
    assert verdict(measured(requests=1, crashes=1), elapsed=1) == (Judgement.FAIL, "crashes")


def test_the_comparison_fails_at_once() -> None:
    assert verdict(measured(), elapsed=1, against="it is worse") == (Judgement.FAIL, "comparison")


@pytest.mark.parametrize(
    ("requests", "p95_ms", "found"), [(500, 500.0, "latency"), (500, 499.9, "all"), (499, 9000.0, "requests")]
)
def test_latency_is_judged_once_enough_was_answered(requests: int, p95_ms: float, found: str) -> None:
    assert verdict(measured(requests=requests, p95_ms=p95_ms))[1] == found


@pytest.mark.parametrize(("requests", "errors"), [(10, 1), (1, 1), (200, 2), (1000, 4)])
def test_what_chance_explains_does_not_end_a_canary_early(requests: int, errors: int) -> None:
    assert verdict(measured(requests=requests, errors=errors), elapsed=5) == (Judgement.WAIT, "time")


@pytest.mark.parametrize(("requests", "errors"), [(2, 2), (10, 2), (100, 4), (1000, 8), (100_000, 150)])
def test_what_chance_does_not_explain_ends_it_at_once(requests: int, errors: int) -> None:
    assert verdict(measured(requests=requests, errors=errors), elapsed=5) == (Judgement.FAIL, "errors")


def test_a_share_above_the_limit_is_never_passed() -> None:
    assert verdict(measured(requests=500, errors=1)) == (Judgement.WAIT, "errors")
    assert verdict(measured(requests=1000, errors=1)) == (Judgement.WAIT, "errors")
    assert verdict(measured(requests=1001, errors=1)) == (Judgement.PASS, "all")


def test_a_share_above_the_limit_is_watched_for_a_while_and_for_enough_requests() -> None:
    late = PATIENCE * STAGE.seconds
    assert verdict(measured(requests=2999, errors=4), elapsed=late) == (Judgement.WAIT, "errors")
    assert verdict(measured(requests=3000, errors=4), elapsed=late - 1) == (Judgement.WAIT, "errors")
    assert verdict(measured(requests=3000, errors=4), elapsed=late) == (Judgement.FAIL, "errors")


def test_a_version_at_half_the_limit_is_rarely_withdrawn_however_often_it_is_looked_at() -> None:
    """400 canaries of 60 looks at 200 requests each: the confidence of each look keeps the whole below one in 100."""
    chance, withdrawn = random.Random(7), 0
    for _ in range(400):
        errors = 0
        for look in range(1, 61):
            errors += _binomial(chance, 200, 0.0005)
            if verdict(measured(requests=200 * look, errors=errors), elapsed=5)[0] is Judgement.FAIL:
                withdrawn += 1
                break
    assert withdrawn <= 4


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0.0005, 0.9))
def test_the_tail_is_the_binomial_one(successes: int, more: int, probability: float) -> None:
    trials = successes + more
    exact = sum(
        math.comb(trials, count) * probability**count * (1 - probability) ** (trials - count)
        for count in range(successes, trials + 1)
    )
    found = tail(successes, trials, probability)
    if successes > trials * probability:
        assert found == pytest.approx(exact, rel=1e-6)
    else:
        assert found == 1.0


def test_the_tail_holds_where_no_or_every_fault_is_allowed() -> None:
    assert tail(1, 10, 0.0) == 0.0
    assert tail(10, 10, 1.0) == 1.0
    assert tail(100_000, 1_000_000, 0.001) < 1 - CONFIDENCE


def _binomial(chance: random.Random, trials: int, probability: float) -> int:
    """By the gaps between events, which are few."""
    count, place = 0, 0
    while True:
        place += math.floor(math.log(1.0 - chance.random()) / math.log1p(-probability)) + 1
        if place > trials:
            return count
        count += 1
