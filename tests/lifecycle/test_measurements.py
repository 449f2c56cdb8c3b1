"""Measurements are exactly what the pods counted, over a real Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from contract.objects import Version
from localcloud import prometheus as local
from ops.canary.measurements import Measurements, Shadowed
from ops.canary.prometheus import Prometheus
from tests.lifecycle.exporters import Exporter

MODEL = "churn"
STABLE, CANDIDATE = Version(1, 0, 0), Version(1, 1, 0)
EVERY_SECONDS = 0.2
SETTLE_SECONDS = 0.3
PATIENCE_SECONDS = 20.0
PODS = 3


class World:
    """Pods, and a Prometheus that scrapes them."""

    def __init__(self, pods: list[Exporter], address: str) -> None:
        self.pods = pods
        self.prometheus = Prometheus(address)
        self.measurements = Measurements(self.prometheus, settle_seconds=SETTLE_SECONDS)

    def scraped(self) -> datetime:
        """A moment whose window ends after all that is counted now was scraped."""
        asked = time.time()
        deadline = time.monotonic() + PATIENCE_SECONDS
        query = "timestamp(process_start_time_seconds)"
        while time.monotonic() < deadline:
            now = time.time()
            found = self.prometheus.query(query, round(now * 1000))
            # The second scrape from then on: the first may have been on its way already.
            current = [series for series in found if series.samples[0][1] > asked + EVERY_SECONDS]
            if len(current) == sum(not pod.away for pod in self.pods):
                settled = now + SETTLE_SECONDS
                # The window must lie in the past, or a scrape of its last moment may still be missing.
                time.sleep(max(0.0, settled - time.time()))
                return datetime.fromtimestamp(settled, UTC)
            time.sleep(0.02)
        raise AssertionError("the pods were not scraped")


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    if not local.is_there():
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    with ExitStack() as stack:
        pods = [stack.enter_context(Exporter()) for _ in range(PODS)]
        address = stack.enter_context(local.prometheus([pod.target for pod in pods], every_seconds=EVERY_SECONDS))
        yield World(pods, address)


@pytest.fixture
def world(running: World) -> World:
    """With all pods there. Most tests have a model of their own, since counters stay."""
    for pod in running.pods:
        pod.away = False
    return running


def _predict(pod: Exporter, version: Version, ok: int, failed: int = 0, invalid: int = 0, model: str = MODEL) -> None:
    with pod.lock:
        for outcome, count in (("ok", ok), ("failed", failed), ("invalid", invalid)):
            if count:
                pod.counted.predict(model, str(version), outcome, count)


def test_a_new_versions_counters_count_in_full_from_nothing(world: World) -> None:
    for pod in world.pods:
        _predict(pod, STABLE, 1000)
    since = world.scraped()
    for number, pod in enumerate(world.pods, start=1):
        _predict(pod, CANDIDATE, 100 * number, failed=number, invalid=7)
        _predict(pod, STABLE, 10)
    until = world.scraped()
    measured = world.measurements(MODEL, CANDIDATE, since, until)
    assert (measured.requests, measured.errors, measured.timed) == (606, 6, 627)
    assert measured.crashes == 0
    assert world.measurements(MODEL, STABLE, since, until).requests == 30


def test_windows_that_follow_each_other_add_up_to_the_whole(world: World) -> None:
    model = "following"
    moments = [world.scraped()]
    for count in (13, 0, 170, 1):
        _predict(world.pods[count % PODS], CANDIDATE, count, failed=2, model=model)
        moments.append(world.scraped())
    parts = [world.measurements(model, CANDIDATE, since, until) for since, until in pairwise(moments)]
    whole = world.measurements(model, CANDIDATE, moments[0], moments[-1])
    assert [part.requests for part in parts] == [15, 2, 172, 3]
    assert whole.requests == 192
    assert whole.errors == sum(part.errors for part in parts) == 8


def test_a_pod_that_begins_anew_goes_on_counting_and_is_a_crash(world: World) -> None:
    model = "restarting"
    for pod in world.pods:
        _predict(pod, CANDIDATE, 50, model=model)
    since = world.scraped()
    _predict(world.pods[0], CANDIDATE, 5, model=model)
    world.scraped()
    world.pods[0].restart()
    _predict(world.pods[0], CANDIDATE, 20, failed=1, model=model)
    until = world.scraped()
    measured = world.measurements(model, CANDIDATE, since, until)
    assert (measured.requests, measured.errors, measured.crashes) == (26, 1, 1)
    assert world.measurements(model, CANDIDATE, until, world.scraped()).crashes == 0


def test_a_worker_that_ended_is_a_crash_of_the_models_that_its_pod_serves_alone(world: World) -> None:
    _predict(world.pods[0], STABLE, 5, model="here")
    _predict(world.pods[1], STABLE, 5, model="elsewhere")
    since = world.scraped()
    with world.pods[0].lock:
        world.pods[0].counted.worker_restarts += 2
    until = world.scraped()
    # The version on trial has not answered anything yet: a pod that it kills counts all the same.
    assert world.measurements("here", CANDIDATE, since, until).crashes == 2
    assert world.measurements("elsewhere", CANDIDATE, since, until).crashes == 0


def test_a_pod_that_is_not_scraped_is_missing_and_comes_back_with_what_it_counted_since(world: World) -> None:
    model = "missing"
    for pod in world.pods:
        _predict(pod, CANDIDATE, 1000, model=model)
    since = world.scraped()
    world.pods[2].away = True
    for pod in world.pods:
        _predict(pod, CANDIDATE, 10, model=model)
    during = world.scraped()
    assert world.measurements(model, CANDIDATE, since, during).requests == 20
    world.pods[2].away = False
    until = world.scraped()
    assert world.measurements(model, CANDIDATE, during, until).requests == 10
    assert world.measurements(model, CANDIDATE, since, until).requests == 30


def test_times_are_those_of_the_window_over_all_pods(world: World) -> None:
    model = "timed"
    with world.pods[0].lock:
        world.pods[0].counted.predict(model, str(CANDIDATE), "ok", 5000, seconds=0.9)
    since = world.scraped()
    with world.pods[0].lock:
        world.pods[0].counted.predict(model, str(CANDIDATE), "ok", 90, seconds=0.02)
    with world.pods[1].lock:
        world.pods[1].counted.predict(model, str(CANDIDATE), "ok", 10, seconds=0.3)
    until = world.scraped()
    measured = world.measurements(model, CANDIDATE, since, until, slow_ms=100)
    # The 95th of 100 is half way through the ten between 100 and 500 ms.
    assert measured.p95_ms == pytest.approx(300)
    assert (measured.p95_bound_ms, measured.slow, measured.timed) == (pytest.approx(500), 10, 100)
    assert world.measurements(model, CANDIDATE, since, until, slow_ms=500).slow == 0
    assert world.measurements.slow_bound_ms(model, CANDIDATE, since) == pytest.approx(1000)


def test_copies_are_counted_by_what_became_of_them(world: World) -> None:
    version = Version(7, 0, 0)
    since = world.scraped()
    for pod in world.pods[:2]:
        with pod.lock:
            for outcome, count in (("agrees", 40), ("differs", 3), ("failed", 2), ("dropped", 9)):
                pod.counted.copy(MODEL, str(version), outcome, count)
                pod.counted.copy("another", str(version), outcome, 1)
    found = world.measurements.shadowed(MODEL, version, since, world.scraped())
    assert found == Shadowed(compared=86, differing=6, failed=4, dropped=18)


def test_a_version_that_nobody_asked_has_no_figures(world: World) -> None:
    now = world.scraped()
    measured = world.measurements("unknown", CANDIDATE, now - timedelta(seconds=30), now)
    assert (measured.requests, measured.timed, measured.slow, measured.p95_ms, measured.crashes) == (0, 0, 0, None, 0)
    assert world.measurements(MODEL, CANDIDATE, now, now).requests == 0


def test_values_of_labels_are_names_and_never_syntax(world: World) -> None:
    now = world.scraped()
    since = now - timedelta(seconds=30)
    for model in ('churn"} or {job="inference', "back\\slash", "new\nline", ".*"):
        assert world.measurements(model, STABLE, since, now).requests == 0


def test_a_scope_leaves_out_what_other_targets_counted(world: World) -> None:
    model = "scoped"
    since = world.scraped()
    for pod in world.pods:
        _predict(pod, CANDIDATE, 4, model=model)
    until = world.scraped()
    scope = {"instance": world.pods[1].target}
    narrow = Measurements(world.prometheus, scope=scope, settle_seconds=SETTLE_SECONDS)
    assert narrow(model, CANDIDATE, since, until).requests == 4
    assert world.measurements(model, CANDIDATE, since, until).requests == 12
