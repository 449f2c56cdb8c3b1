"""Pods, nodes, queues and figures of the simulation, by hand-worked cases; and the command from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.autoscaling import __main__ as command
from bench.autoscaling import figures, findings, plan, shapes
from bench.autoscaling.figures import Counters
from bench.autoscaling.fleet import Fleet, Timings
from bench.autoscaling.queueing import serve
from bench.autoscaling.shapes import BadShape
from bench.autoscaling.simulation import Course, run
from components.workload.autoscaling import REQUESTS_METRIC

TIMINGS = Timings(node=60, placeholder=2, image=5, start=1, probe=2, target=12)
READY = TIMINGS.pod


def fleet(*, headroom: int, replicas: int = 3) -> Fleet:
    made = Fleet(timings=TIMINGS, pods_per_node=3, headroom=headroom, scrape_interval_seconds=15)
    made.begin(replicas)
    return made


def queue(arriving: float, capacity: float, waiting: float = 0.0, *, wait: float = 0.1) -> tuple[float, float, float]:
    served = serve(arriving, capacity, waiting, wait_seconds=wait, work_seconds=0.001, late_seconds=0.5)
    return served.answered, served.refused, served.waiting


# Pods and nodes


def test_without_headroom_a_pod_waits_for_a_node() -> None:
    pods = fleet(headroom=0)
    pods.resize(0, 4)
    pods.advance(59)
    assert not pods.pods[-1].runs

    pods.advance(60)
    assert pods.pods[-1].serves == 60 + READY
    assert pods.free == 2


def test_a_placeholder_gives_its_room_at_once_and_waits_for_the_node_itself() -> None:
    pods = fleet(headroom=1)
    pods.resize(0, 4)
    assert pods.pods[-1].serves == 2 + READY
    assert pods.placeholders == 0

    pods.advance(60)
    assert (pods.placeholders, pods.free) == (1, 2)


def test_a_pod_that_finds_no_placeholder_left_shares_the_node_that_is_on_its_way() -> None:
    pods = fleet(headroom=1)
    pods.resize(0, 4)
    pods.resize(30, 5)
    pods.advance(60)

    assert pods.pods[-1].serves == 60 + READY
    assert (pods.placeholders, pods.free) == (1, 1)


def test_the_newest_pods_go_first_and_leave_their_room() -> None:
    pods = fleet(headroom=0)
    oldest = pods.pods[:2]
    pods.resize(0, 2)

    assert pods.pods == oldest
    assert (pods.serving(0), pods.free) == (2, 1)


# The queue


@pytest.mark.parametrize(
    ("arriving", "capacity", "waiting", "expected"),
    [
        (80, 100, 0, (80, 0, 0)),
        (80, 100, 10, (90, 0, 0)),
        # It fills by 100 a second and is full, 0.1 s of work, after a tenth; 100 x 0.9 are refused.
        (200, 100, 0, (100, 90, 10)),
        (200, 100, 10, (100, 100, 10)),
        (50, 0, 5, (0, 55, 0)),
    ],
)
def test_what_is_beyond_the_longest_wait_is_refused(
    arriving: float, capacity: float, waiting: float, expected: tuple[float, float, float]
) -> None:
    assert queue(arriving, capacity, waiting) == pytest.approx(expected)


def test_pods_that_may_queue_for_long_answer_late_instead() -> None:
    served = serve(200, 100, 0, wait_seconds=10, work_seconds=0, late_seconds=0.5)

    assert (served.refused, served.waiting) == (0, 100)
    # The wait passes half a second after half of the second.
    assert served.late == pytest.approx(100)


@given(arriving=st.floats(0, 1e4), capacity=st.floats(1, 1e4), waiting=st.floats(0, 1e4), wait=st.floats(0, 2))
def test_every_request_is_answered_refused_or_waits(
    arriving: float, capacity: float, waiting: float, wait: float
) -> None:
    answered, refused, left = queue(arriving, capacity, waiting, wait=wait)

    assert answered + refused + left == pytest.approx(arriving + waiting)
    assert min(answered, refused, left) >= -1e-6
    assert answered <= capacity * (1 + 1e-9) + 1e-6
    assert left <= capacity * wait + 1e-6


# What is known of pods


def test_a_new_pod_has_a_rate_after_two_scrapes_and_a_steady_one_is_right() -> None:
    pods = fleet(headroom=1)
    counters = Counters()
    for _ in range(200):
        counters.count(40.0, 0.1)
    pods.resize(100, 4)
    serves = pods.pods[-1].serves

    def known(now: float) -> tuple[int, int]:
        found = figures.request_rates(pods.pods, now, counters, interval_seconds=15, window_seconds=45)
        assert found.values == pytest.approx([40.0] * len(found.values))
        return len(found.values), found.missing

    assert known(serves + 14) == (3, 1)
    assert known(serves + 30) == (4, 0)


def test_a_new_pods_cpu_counts_only_once_it_was_ready_for_an_interval() -> None:
    pods = fleet(headroom=1)
    counters = Counters()
    for _ in range(300):
        counters.count(40.0, 0.25)
    pods.resize(100, 4)
    serves = pods.pods[-1].serves

    early = figures.cpu_percents(pods.pods, serves + 14, counters, request_cores=0.5)
    later = figures.cpu_percents(pods.pods, serves + 30, counters, request_cores=0.5)
    assert (len(early.values), early.missing + early.unready) == (3, 1)
    assert later.values == pytest.approx([50.0] * 4)


def test_a_pod_without_a_node_is_unready_for_every_metric() -> None:
    pods = fleet(headroom=0)
    pods.resize(0, 4)
    counters = Counters()

    assert figures.request_rates(pods.pods, 30, counters, interval_seconds=15, window_seconds=45).unready == 1
    assert figures.cpu_percents(pods.pods, 30, counters, request_cores=0.5).unready == 1
    assert figures.memory_percents(pods.pods, 30, percent=40).unready == 1


# Shapes


def test_a_surge_rises_tenfold_in_a_minute() -> None:
    traffic = shapes.surge(100, 1000)
    start = shapes.CALM_SECONDS

    assert traffic[:start] == [100] * start
    assert traffic[start + 30] == 550
    assert traffic[start + 60] == 1000


def test_a_day_has_its_bounds_at_midnight_and_noon() -> None:
    day = shapes.daily(100, 1000)

    assert (len(day), min(day), max(day)) == (86_400, day[0], day[43_200])
    assert (day[0], day[43_200]) == pytest.approx((100, 1000))


def test_the_recorded_shape_is_read_and_scaled_to_the_given_bounds() -> None:
    traffic = shapes.recorded(Path(shapes.__file__).parent / "shapes" / "overload.csv")
    scaled = shapes.scaled(traffic, 10, 100)

    assert len(traffic) == 90
    assert (min(scaled), max(scaled)) == (10, 100)
    assert scaled.index(100) == traffic.index(max(traffic))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no second of traffic"),
        ("second,rate\n0,1\n", "row 1: write the columns second and requests_per_second"),
        ("second,requests_per_second\n0,1\n2,1\n", "row 2: second 2 with 1 requests/s"),
        ("second,requests_per_second\n0,-1\n", "a rate is 0 or more"),
        ("second,requests_per_second\n0,nan\n", "a rate is 0 or more"),
    ],
)
def test_a_file_that_is_no_shape_is_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "shape.csv"
    file.write_text(text)
    with pytest.raises(BadShape, match=said):
        shapes.recorded(file)


# All together


def surge_of(variant: int, weight: int) -> Course:
    wanted = plan.workload()
    traffic = shapes.surge(*plan.bounds(wanted))[: shapes.CALM_SECONDS + 600]
    pods = plan.weights(wanted)[weight].pods
    return run(plan.variants(wanted)[variant], pods, traffic, plan.scraping(), requests_metric=REQUESTS_METRIC)


def test_under_the_settings_a_surge_adds_one_pod_every_thirty_seconds_at_most() -> None:
    replicas = surge_of(0, 1).replicas

    assert max(replicas) > 10
    assert all(replicas[at + 30] - replicas[at] <= 1 for at in range(len(replicas) - 30))


def test_the_benchmarks_small_model_refuses_nothing_in_a_surge() -> None:
    assert sum(surge_of(0, 0).refused) == 0


def test_a_faster_pace_refuses_less_of_heavy_requests_than_the_settings_do() -> None:
    slow, fast = (findings.outcome("", surge_of(variant, 1)) for variant in (0, 2))

    assert 0 < fast.refused_percent < slow.refused_percent
    assert fast.most_serving_after_seconds < slow.most_serving_after_seconds


def test_a_run_comes_out_the_same_each_time() -> None:
    assert surge_of(0, 1) == surge_of(0, 1)


def test_the_command_writes_figures_and_chart_and_prints_json(tmp_path: Path) -> None:
    file = Path(shapes.__file__).parent / "shapes" / "overload.csv"
    outcome = CliRunner().invoke(command.app, ["--shape", str(file), "--results", str(tmp_path), "--json"])

    assert outcome.exit_code == 0, outcome.output
    tables = json.loads(outcome.output)
    assert next(row["scaling"] for row in tables[0]["rows"]) == "as set, with adapter"
    assert json.loads((tmp_path / "autoscaling-overload.json").read_text())["settings"]["shape"] == "overload"
    assert (tmp_path / "autoscaling-overload.svg").read_text().startswith("<svg")


def test_bounds_the_wrong_way_round_and_unknown_shapes_are_refused(tmp_path: Path) -> None:
    runner = CliRunner()
    turned = runner.invoke(command.app, ["--least", "9", "--most", "3", "--results", str(tmp_path)])
    unknown = runner.invoke(command.app, ["--shape", "wave", "--results", str(tmp_path)])

    assert (turned.exit_code, unknown.exit_code) == (2, 2)
    assert "the least is not above the most" in turned.output
    assert "cannot be read" in unknown.output
    assert not list(tmp_path.iterdir())
