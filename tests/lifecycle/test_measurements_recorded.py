"""Measurements over recorded series: the container's own page, and what a real Prometheus shows only now and then."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from contract.objects import Version
from ops.canary.measurements import RESTARTS, STARTED, Measurements, Queries, Shadowed, Times, selector_of
from ops.canary.prometheus import Series
from serving.metrics import FAILED, INVALID, OK, Metrics
from serving.shadow.counts import ShadowCounts

MODEL = "churn"
STABLE, CANDIDATE = Version(1, 0, 0), Version(1, 1, 0)


def test_the_containers_own_page_is_understood() -> None:
    """What the container calls its metrics, labels and outcomes is what is asked for here."""
    metrics = Metrics()
    counts = ShadowCounts(metrics)
    copied = SimpleNamespace(name=MODEL, version=str(CANDIDATE))
    for outcome, count in ((OK, 20), (INVALID, 3), (FAILED, 2)):
        for _ in range(count):
            metrics.prediction(MODEL, str(CANDIDATE), outcome, 0.3)
    for differs in (True, False, False):
        answer = SimpleNamespace(differs=differs, largest_absolute=0.5)
        counts.compared(cast(Any, copied), cast(Any, answer), 0.1)
    counts.failed(cast(Any, copied))
    counts.dropped(cast(Any, copied))
    page, _ = metrics.page()
    recorded = Recorded(
        *(
            ({"__name__": sample.name, **sample.labels, "pod": "a"}, [(5_000, sample.value)])
            for family in text_string_to_metric_families(page.decode())
            for sample in family.samples
        )
    )
    measurements = Measurements(recorded, settle_seconds=0)
    window = (datetime.fromtimestamp(1, UTC), datetime.fromtimestamp(10, UTC))
    measured = measurements(MODEL, CANDIDATE, *window, slow_ms=100)
    assert (measured.requests, measured.errors, measured.timed, measured.slow) == (22, 2, 25, 25)
    assert measured.p95_ms == pytest.approx(100 + 400 * 0.95)
    found = measurements.shadowed(MODEL, CANDIDATE, *window)
    assert found == Shadowed(compared=3, differing=1, failed=1, dropped=1)
    for name in (RESTARTS, STARTED):
        assert f"\n{name}" in page.decode()


Samples = list[tuple[int, float]]


class Recorded:
    """Answers like a Prometheus that holds these samples; range selectors are closed at both ends, as before 3.0."""

    def __init__(self, *series: tuple[Mapping[str, str], Samples]) -> None:
        self._series = series
        self.asked: list[tuple[str, int]] = []

    def query(self, query: str, at_ms: int) -> list[Series]:
        self.asked.append((query, at_ms))
        length = query[query.rindex("[") + 1 : query.rindex("]")]
        first = at_ms - (int(length[:-2]) if length.endswith("ms") else 6 * 3_600_000)
        found: list[Series] = []
        for labels, samples in self._series:
            name = labels["__name__"]
            inside = tuple(sample for sample in samples if first <= sample[0] <= at_ms)
            if inside and (f'"{name}' in query or f"|{name}" in query):
                last = ((at_ms, inside[-1][1]),)
                found.append(Series(labels=labels, samples=last if query.startswith("last_over") else inside))
        return found


def _counter(pod: str, samples: Samples, outcome: str = "ok") -> tuple[Mapping[str, str], Samples]:
    labels = {"__name__": "model_predictions_total", "model": MODEL, "model_version": str(CANDIDATE)}
    return {**labels, "outcome": outcome, "pod": pod}, samples


def _over(queries: Queries, since_ms: int, until_ms: int) -> int:
    moments = [datetime.fromtimestamp(ms / 1000, UTC) for ms in (since_ms, until_ms)]
    return Measurements(queries, settle_seconds=0)(MODEL, CANDIDATE, *moments).requests


def test_a_sample_on_the_boundary_belongs_to_the_window_that_it_ends() -> None:
    recorded = Recorded(_counter("a", [(10_000, 5), (20_000, 9), (30_000, 16)]))
    assert _over(recorded, 10_000, 20_000) == 4
    assert _over(recorded, 20_000, 30_000) == 7
    assert _over(recorded, 9_999, 30_000) == 16


def test_every_fall_of_a_counter_is_a_new_beginning() -> None:
    samples: Samples = [(1_000, 100), (2_000, 103), (3_000, 2), (4_000, 2), (5_000, 1), (6_000, 8)]
    assert _over(Recorded(_counter("a", samples)), 1_000, 6_000) == 3 + 2 + 0 + 1 + 7


def test_a_pod_that_ended_keeps_what_it_counted_and_a_silent_one_adds_nothing() -> None:
    recorded = Recorded(_counter("ended", [(1_000, 5), (2_000, 50)]), _counter("silent", [(500, 1_000)]))
    assert _over(recorded, 1_000, 600_000) == 45


def test_a_pod_that_was_unreachable_for_an_hour_does_not_count_as_new() -> None:
    hour = 3_600_000
    assert _over(Recorded(_counter("a", [(1_000, 9_000), (hour, 9_003)])), hour - 60_000, hour) == 3


def test_long_windows_are_asked_for_in_pieces_and_add_up() -> None:
    minutes = [(minute * 60_000, float(minute * minute)) for minute in range(1, 61)]
    recorded = Recorded(_counter("a", minutes))
    assert _over(recorded, 60_000, 3_600_000) == 3600 - 1
    assert (
        max(int(query[query.rindex("[") + 1 : -3]) for query, _ in recorded.asked if query.endswith("ms]")) == 600_000
    )


def test_windows_lie_back_by_the_time_that_a_scrape_takes() -> None:
    recorded = Recorded(_counter("a", [(1_000, 5), (9_500, 9)]))
    moments = (datetime.fromtimestamp(2, UTC), datetime.fromtimestamp(10, UTC))
    assert Measurements(recorded, settle_seconds=1)(MODEL, CANDIDATE, *moments).requests == 0
    assert {at_ms for _, at_ms in recorded.asked} == {1_000, 9_000}


@pytest.mark.parametrize(
    ("counts", "quantile", "p95_seconds"),
    [
        ({0.1: 95, 0.5: 100, float("inf"): 100}, 0.95, 0.1),
        ({0.1: 0, 0.5: 10, float("inf"): 10}, 0.95, 0.1 + 0.4 * 0.95),
        ({0.1: 100, 0.5: 100, float("inf"): 100}, 0.95, 0.095),
        ({0.1: 1, 0.5: 2, float("inf"): 100}, 0.95, 0.5),
        ({0.1: 0, 0.5: 0, float("inf"): 0}, 0.95, None),
        ({}, 0.95, None),
    ],
)
def test_a_quantile_is_interpolated_in_its_bucket(
    counts: dict[float, float], quantile: float, p95_seconds: float | None
) -> None:
    assert Times(counts).quantile(quantile) == pytest.approx(p95_seconds)


def test_slow_is_what_lies_beyond_the_next_bound() -> None:
    times = Times({0.1: 60, 0.5: 90, 1.0: 97, float("inf"): 100})
    assert [times.beyond(seconds) for seconds in (0.0, 0.1, 0.2, 0.5, 0.5000001, 1.0, 5.0)] == [40, 40, 10, 10, 3, 3, 3]


def test_without_times_before_the_trial_slow_is_the_default() -> None:
    moment = datetime.fromtimestamp(1_000, UTC)
    assert Measurements(Recorded()).slow_bound_ms(MODEL, STABLE, moment) == 500


def test_a_selector_quotes_its_values() -> None:
    assert selector_of(["a", "b"], {"model": 'x"y\\z'}) == '{__name__=~"a|b",model="x\\"y\\\\z"}'
