"""What the endurance runs make of raw outcomes: tallies, windows, trends, recovery, blame, charts."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ElementTree
from dataclasses import astuple

import pytest

from bench.endurance import chart, overload
from bench.endurance.journal import Fate, Journal, Latency, Outcome, Window, accepted_ms, lag_ms, tally, windows
from bench.endurance.kill import Killed, Strike, count_failures
from bench.endurance.load import Load, Phase
from bench.endurance.recovery import STEADY_SECONDS, WINDOW_SECONDS, is_normal, limit_ms, recovery_seconds
from bench.endurance.report import Report, below, none_of, trials
from bench.endurance.terminal import written
from bench.endurance.trend import Trend, student_quantile


def outcome(due: float, status: int = 200, *, took: float = 0.01, begun: float | None = None, port: int = 1) -> Outcome:
    return Outcome(due, due if begun is None else begun, due + took, status, status in (429, 503), port, is_fresh=False)


def window(p95_ms: float | None, *, refused: int = 0, failed: int = 0, start: float = 0) -> Window:
    latency = None if p95_ms is None else Latency(p95_ms, p95_ms, p95_ms, p95_ms, p95_ms)
    return Window(start, latency, 1, refused, failed)


# The journal


def test_a_journal_gives_back_what_was_added_and_selects_by_when_a_request_was_due() -> None:
    journal = Journal()
    added = [outcome(1.0), outcome(2.0, 503, port=40_000), outcome(3.0, Fate.LOST)]
    for one in added:
        journal.add(one)
    assert list(journal) == added
    assert journal.due_between(2.0, 3.0) == [added[1]]


def test_latency_counts_from_when_a_request_was_due_and_lag_is_the_generator_s_share_of_it() -> None:
    late = outcome(5.0, took=0.3, begun=5.1)
    assert late.latency_ms == pytest.approx(300)
    assert lag_ms([late]) == [pytest.approx(100)]


def test_percentiles_count_the_accepted_alone() -> None:
    outcomes = [outcome(0, took=number / 1000) for number in range(1, 1001)] + [outcome(0, 503, took=9)]
    found = Latency.of(accepted_ms(outcomes))
    assert found is not None
    assert astuple(found) == pytest.approx((500, 950, 990, 999, 1000))
    assert Latency.of([]) is None


def test_outcomes_are_counted_by_status_or_by_what_happened_instead() -> None:
    outcomes = [outcome(0), outcome(0), outcome(0), outcome(0, 503), outcome(0, 503), outcome(0, Fate.NO_CONNECTION)]
    assert tally(outcomes) == {"200": 3, "503": 2, "no connection": 1}


def test_windows_are_in_order_without_gaps_and_count_each_kind() -> None:
    outcomes = [outcome(10.1), outcome(11.2, 429), outcome(11.3), outcome(13.9, 500)]
    found = windows(outcomes, began=10.0, width_seconds=1.0)
    assert [(part.start, part.answered, part.refused, part.failed) for part in found] == [
        (0, 1, 0, 0),
        (1, 1, 1, 0),
        (2, 0, 0, 0),
        (3, 0, 0, 1),
    ]


# Growth


def test_a_steady_growth_is_found_to_the_kibibyte_with_no_doubt() -> None:
    trend = Trend.of([(second, 1000.0 + 2 * second) for second in range(100)])
    assert trend is not None
    assert astuple(trend) == pytest.approx((120, 120, 120))


def test_the_range_holds_the_true_slope_in_nearly_all_cases() -> None:
    numbers = random.Random(7)
    held = 0
    for _ in range(200):
        trend = Trend.of([(second, second / 60 + numbers.gauss(0, 1)) for second in range(100)])
        assert trend is not None
        assert trend.low is not None
        assert trend.high is not None
        held += trend.low <= 1 <= trend.high
    assert 180 <= held < 200


def test_memory_that_goes_in_steps_gets_a_wider_range_than_noise_of_the_same_size() -> None:
    steps = Trend.of([(second, float(second // 10 % 2)) for second in range(200)])
    noise = Trend.of([(second, float(second % 2)) for second in range(200)])
    assert steps is not None
    assert steps.low is not None
    assert steps.high is not None
    assert noise is not None
    assert noise.low is not None
    assert noise.high is not None
    assert steps.high - steps.low > 2 * (noise.high - noise.low)


def test_too_few_samples_give_no_range_and_two_no_trend() -> None:
    assert Trend.of([(0, 1), (1, 2)]) is None
    few = Trend.of([(0, 1), (1, 2), (2, 3)])
    assert few is not None
    assert few.per_minute == pytest.approx(60)
    assert few.low is few.high is None


@pytest.mark.parametrize(("freedom", "expected"), [(3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (1000, 1.962)])
def test_student_s_quantile_agrees_with_the_printed_tables(freedom: int, expected: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(expected, rel=0.01)


# Recovery


def after_overload(bad: int, good: int) -> list[Window]:
    return [window(500.0 if index < bad else 2.0, start=100 + index * WINDOW_SECONDS) for index in range(bad + good)]


def test_recovery_is_the_time_to_the_first_steady_row_of_normal_windows() -> None:
    row = round(STEADY_SECONDS / WINDOW_SECONDS)
    assert recovery_seconds(after_overload(8, row), 20) == pytest.approx(8 * WINDOW_SECONDS)
    assert recovery_seconds(after_overload(0, row), 20) == 0


def test_a_relapse_starts_the_row_anew_and_too_short_a_row_is_no_recovery() -> None:
    row = round(STEADY_SECONDS / WINDOW_SECONDS)
    relapsed = after_overload(2, row - 1) + [
        window(2.0, refused=1 if index == 0 else 0, start=100 + (row + 1 + index) * WINDOW_SECONDS)
        for index in range(row + 1)
    ]
    assert recovery_seconds(relapsed, 20) == pytest.approx((row + 2) * WINDOW_SECONDS)
    assert recovery_seconds(after_overload(2, row - 1), 20) is None


def test_a_window_is_normal_when_all_was_answered_as_soon_as_before_the_overload() -> None:
    limit = limit_ms(Latency(1, 2, 4, 5, 6))
    assert limit == 14
    assert limit_ms(Latency(1, 2, 40, 50, 60)) == 80
    assert is_normal(window(13.9), limit)
    assert not is_normal(window(14.1), limit)
    assert not is_normal(window(1, refused=1), limit)
    assert not is_normal(window(1, failed=1), limit)
    assert not is_normal(window(None), limit)


def test_an_overload_s_report_counts_refusals_without_retry_after_and_every_kind_of_outcome() -> None:
    phases = [Phase(per_second=1, seconds=10), Phase(per_second=4, seconds=10), Phase(per_second=1, seconds=10)]
    journal = Journal()
    for second in range(10):
        journal.add(outcome(second))
        journal.add(outcome(10 + second, took=0.2))
        journal.add(outcome(20 + second))
    journal.add(outcome(15, 503))
    journal.add(outcome(15, 503)._replace(has_retry_after=False))
    journal.add(outcome(15, Fate.NO_CONNECTION))
    load = Load(began=0, journal=journal, unasked=0, cpu_percent=1)
    found = overload.findings({2: 2.0}, phases, load)
    measured = {target.name: (target.measured, target.met) for target in found.targets}
    assert measured["refusals without Retry-After"] == (1, False)
    assert measured["requests that got neither an answer nor a refusal"] == (1, False)
    assert measured["P99 of the accepted in the overload"] == (pytest.approx(200), True)
    counted = next(table for table in found.tables if table.title == "outcomes in the overload").rows[0]
    assert (counted["200"], counted["429"], counted["503"], counted["no connection"]) == (10, 0, 2, 1)


# Who is to blame


def test_a_failure_is_the_dead_worker_s_only_if_it_held_the_connection() -> None:
    strike = Strike(at=100.0, held=frozenset({1}), queued=frozenset({2}))
    killed = [Killed(strike=strike, gone_at=100.02, seconds_to_answer=0.5)]
    failures = [
        outcome(99.995, Fate.LOST, port=1),
        outcome(99.999, Fate.LOST, port=2),
        # Made while the process was dying: the kernel still gave it connections.
        outcome(100.01, Fate.LOST, port=3),
        outcome(100.03, Fate.LOST, port=4),
        outcome(100.4, 503, port=5),
        # Before any kill.
        outcome(50.0, Fate.LOST, port=1),
        outcome(100.5, 200, port=1),
    ]
    assert count_failures(failures, killed) == {
        "in flight with the dead worker": 1,
        "in the dead worker's queue": 2,
        "elsewhere: lost": 2,
        "elsewhere: 503": 1,
    }


# The report


def report(*values: float) -> Report:
    return Report(
        part="start",
        machine={"cores": 2},
        command="python -m bench.endurance start",
        settings={"trials": len(values)},
        targets=[below("most", max(values), 1.5, "s"), none_of("failures", 0)],
        tables=[],
        panels=[trials("start", "time", "s", {"cold <cache>": values}, 1.5)],
    )


def test_a_target_is_met_below_its_limit_only_and_missed_without_a_measurement() -> None:
    assert report(1.4).all_met
    assert not report(1.5).all_met
    assert not below("P99", None, 25, "ms").met
    assert not none_of("errors", 1).met
    assert json.loads(report(1.4).as_json())["targets"][0]["met"] is True


def test_a_chart_is_an_svg_with_a_dot_a_trial_and_the_target_as_a_line() -> None:
    svg = chart.render(report(0.5, 1.0, 2.0))
    tags = [element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()]
    assert tags.count("circle") == 3
    assert "stroke-dasharray" in svg
    assert "cold &lt;cache&gt;" in svg


@pytest.mark.parametrize(("most", "step"), [(0, 1), (1, 0.2), (9.3, 2), (1000, 200), (2100, 500), (0.04, 0.01)])
def test_a_scale_s_marks_are_round_and_reach_its_end(most: float, step: float) -> None:
    assert chart.step(most) == pytest.approx(step)


@pytest.mark.parametrize(
    ("figure", "text"),
    [(None, "-"), (0.123456, "0.123"), (12.345, "12.3"), (123.45, "123.5"), (12345.6, "12,346"), (3, "3"), ("x", "x")],
)
def test_a_figure_is_written_with_the_digits_that_tell_something(figure: float | str | None, text: str) -> None:
    assert written(figure) == text
