"""The autoscaler's arithmetic: cases of Kubernetes' own documentation and tests, and what holds for every course."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.autoscaling.autoscaler import SYNC_SECONDS, Autoscaler
from bench.autoscaling.pace import DEFAULT_DOWN, DEFAULT_UP, Pace, Policy, Rules
from bench.autoscaling.proposal import Metric, Reading, proposed
from components.workload.autoscaling import autoscaler
from tests.support.workload import SCALING

AT_ONCE = Rules(policies=(Policy(kind="Percent", value=1000, period_seconds=15),), window_seconds=0)


def percent(target: int) -> Metric:
    return Metric(name="cpu", target=target, missing_value=max(target, 100), whole=True)


# A proposal


@pytest.mark.parametrize(("value", "pods"), [(200, 2), (50, 1), (109, 1), (111, 2)])
def test_the_ratio_of_value_to_target_times_the_pods_rounded_up_beyond_a_tenth(value: float, pods: int) -> None:
    # kubernetes.io, "Horizontal Pod Autoscaling": a value of 200m for a target of 100m doubles, one of 50m halves.
    assert proposed(percent(100), Reading(values=[value]), 1) == pods


@pytest.mark.parametrize(
    ("target", "values", "missing", "unready", "replicas", "pods"),
    [
        (30, [30, 50, 70], 0, 0, 3, 5),  # TestReplicaCalcScaleUp
        (50, [10, 30, 50, 25, 25], 0, 0, 5, 3),  # TestReplicaCalcScaleDown
        (30, [50, 70], 0, 1, 3, 4),  # TestReplicaCalcScaleUpUnreadyLessScale
        (100, [100], 1, 0, 2, 2),  # TestReplicaCalcMissingMetricsNoChangeEq
        (100, [190], 1, 0, 2, 2),  # TestReplicaCalcMissingMetricsNoChangeGt
        (100, [60], 1, 0, 2, 2),  # TestReplicaCalcMissingMetricsNoChangeLt
    ],
)
def test_cases_of_kubernetes_own_tests_come_out_the_same(
    target: int, values: Sequence[float], missing: int, unready: int, replicas: int, pods: int
) -> None:
    # kubernetes/kubernetes, pkg/controller/podautoscaler/replica_calculator_test.go, in percent of the request.
    reading = Reading(values=values, missing=missing, unready=unready)

    assert proposed(percent(target), reading, replicas) == pods


def test_without_any_figure_there_is_no_proposal() -> None:
    assert proposed(percent(70), Reading(values=[], missing=3), 3) is None


@given(
    values=st.lists(st.floats(0, 1000), min_size=1, max_size=20),
    missing=st.integers(0, 5),
    unready=st.integers(0, 5),
)
def test_pods_without_figures_never_make_a_change_larger(values: list[float], missing: int, unready: int) -> None:
    replicas = len(values) + missing + unready
    sure = proposed(percent(70), Reading(values=values), len(values))
    unsure = proposed(percent(70), Reading(values=values, missing=missing, unready=unready), replicas)

    assert sure is not None
    assert unsure is not None
    # Averages are cut to whole percent, which may come to a pod.
    if sum(values) / len(values) > 70:
        assert unsure <= max(sure, replicas) + 1
    else:
        assert unsure >= min(sure, replicas) - 1


# The pace


def test_a_tenth_at_a_time_falls_by_rounded_up_steps() -> None:
    # kubernetes.io, the same page: 80 replicas, at most a tenth or 4 pods a minute, whichever is more.
    down = Rules(
        policies=(
            Policy(kind="Pods", value=4, period_seconds=60),
            Policy(kind="Percent", value=10, period_seconds=60),
        ),
        window_seconds=0,
    )
    pace, replicas, course = Pace(AT_ONCE, down), 80, list[int]()
    for minute in range(12):
        replicas = pace.follow(60 * minute, replicas, 10, least=1, most=100)
        course.append(replicas)

    assert course[:3] == [72, 64, 57]
    assert all(before - after == 4 for before, after in pairwise(course) if before < 40 and after > 10)
    assert course[-1] > 10


def test_kubernetes_own_pace_adds_four_and_then_doubles() -> None:
    pace, replicas, course = Pace(DEFAULT_UP, DEFAULT_DOWN), 1, list[int]()
    for look in range(4):
        replicas = pace.follow(SYNC_SECONDS * look, replicas, 100, least=1, most=60)
        course.append(replicas)

    assert course == [5, 10, 20, 40]


def test_fewer_pods_come_only_once_the_whole_window_asked_for_fewer() -> None:
    pace = Pace(DEFAULT_UP, DEFAULT_DOWN)
    pace.follow(0, 10, 10, least=1, most=20)
    early = [pace.follow(now, 10, 2, least=1, most=20) for now in range(15, 300, 15)]

    assert set(early) == {10}
    assert pace.follow(300, 10, 2, least=1, most=20) == 2


def test_a_direction_that_is_disabled_does_not_change() -> None:
    still = Rules(policies=AT_ONCE.policies, select="Disabled", window_seconds=0)

    assert Pace(still, AT_ONCE).follow(0, 3, 9, least=1, most=20) == 3
    assert Pace(AT_ONCE, still).follow(0, 9, 3, least=1, most=20) == 9


def test_of_several_policies_the_least_counts_where_that_is_said() -> None:
    policies = (Policy(kind="Pods", value=1, period_seconds=15), Policy(kind="Percent", value=100, period_seconds=15))

    slow = Pace(Rules(policies=policies, select="Min", window_seconds=0), AT_ONCE)
    assert slow.follow(0, 8, 20, least=1, most=20) == 9
    assert Pace(Rules(policies=policies, window_seconds=0), AT_ONCE).follow(0, 8, 20, least=1, most=20) == 16


# The manifest that is deployed

LOADS = st.lists(st.floats(0, 2000), min_size=10, max_size=120)


def course_of(manifest: dict[str, Any], loads: Sequence[float]) -> list[int]:
    """Replicas after each look; every pod is ready, and the traffic of each look is shared by all."""
    found, replicas, course = Autoscaler(manifest), 3, list[int]()
    for look, load in enumerate(loads):
        each = Reading(values=[load / replicas] * replicas)
        idle = Reading(values=[1.0] * replicas)
        readings = {"cpu": idle, "memory": idle, "http_requests_per_second": each}
        replicas = found.look(SYNC_SECONDS * look, replicas, readings)
        course.append(replicas)
    return course


@given(LOADS)
def test_pods_stay_within_the_bounds_and_never_change_faster_than_is_set(loads: list[float]) -> None:
    course = [3, *course_of(autoscaler(SCALING), loads)]

    assert all(SCALING.replicas_min <= replicas <= SCALING.replicas_max for replicas in course)
    up, down = (
        seconds // SYNC_SECONDS for seconds in (SCALING.scale_up_period_seconds, SCALING.scale_down_period_seconds)
    )
    added = [max(after - before, 0) for before, after in pairwise(course)]
    removed = [max(before - after, 0) for before, after in pairwise(course)]
    assert all(sum(added[at : at + up]) <= SCALING.scale_up_pods for at in range(len(added)))
    assert all(sum(removed[at : at + down]) <= SCALING.scale_down_pods for at in range(len(removed)))


def test_a_lasting_surge_adds_a_pod_every_thirty_seconds_until_the_target_is_met() -> None:
    course = course_of(autoscaler(SCALING), [900.0] * 20)

    # At nine tenths of the last pod's share the ratio is within a tenth: 900 requests/s rest on 9 pods.
    assert course[:13] == [4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 9]


def test_a_metric_that_nobody_answers_forbids_fewer_pods_and_lets_the_others_ask_for_more() -> None:
    unknown = Reading(values=[], missing=5)
    low, high = Reading(values=[1.0] * 5), Reading(values=[210.0] * 5)
    for cpu, expected in ((low, 5), (high, 6)):
        found = Autoscaler(autoscaler(SCALING))
        readings = {"cpu": cpu, "memory": low, "http_requests_per_second": unknown}
        assert found.look(0, 5, readings) == expected
