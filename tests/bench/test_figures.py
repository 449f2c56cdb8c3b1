"""What the benchmark makes of raw figures: percentiles, spreads, slopes, ratios, and who they compare with."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree

import pytest

from bench.serving import chart
from bench.serving.results import Measurement, Record, Results, Scenario, plan
from bench.serving.statistics import Spread, percentile, ratio, slope_per_minute

SINGLE = Scenario(64, 1)


def measurement(rate: float, errors: int = 0, p99_ms: float | None = 9.0) -> Measurement:
    return Measurement(
        requests_per_second=rate,
        p50_ms=1.0,
        p95_ms=2.0,
        p99_ms=p99_ms,
        most_ms=p99_ms,
        errors=errors,
        refused=0,
        cpu_us_per_request=10.0,
        others_cpu_percent=0.0,
    )


def record(name: str, *rates: float, peer: bool = False, excluded: str | None = None) -> Record:
    return Record(name, None, peer, [], {SINGLE: [measurement(rate) for rate in rates]}, excluded)


def results(*records: Record) -> Results:
    return Results({"cores": 2}, "python -m bench.serving", [SINGLE], list(records))


def test_a_percentile_is_always_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([3.0], 99) == 3.0
    with pytest.raises(ValueError, match="no value"):
        percentile([], 50)


def test_a_spread_is_the_median_with_the_least_and_the_most() -> None:
    assert Spread.of([9, 1, 4]) == Spread(4, 1, 9)
    with pytest.raises(ValueError, match="at least one round"):
        Spread.of([])


def test_memory_that_grows_by_a_mebibyte_a_second_grows_by_sixty_a_minute() -> None:
    assert slope_per_minute([(10.0, 100.0), (11.0, 101.0), (12.0, 102.0)]) == pytest.approx(60)
    assert slope_per_minute([(10.0, 100.0)]) == 0


def test_nothing_compares_with_nothing() -> None:
    assert ratio(5, 10) == 0.5
    assert ratio(5, None) is None
    assert ratio(5, 0.0) is None


def test_rates_are_compared_by_their_medians_with_the_floor_plain_fastapi_and_the_best_of_the_peers() -> None:
    ours = record("ours", 400, 500, 900)
    run = results(
        record("floor", 1000),
        record("fastapi", 250),
        record("slow", 50, peer=True),
        record("fast", 100, peer=True),
        ours,
    )
    assert run.to_floor(ours, SINGLE) == 0.5
    assert run.to_plain(ours, SINGLE) == 2
    assert run.to_best_peer(ours, SINGLE) == 5


def test_a_server_that_answers_wrongly_has_no_figures_and_is_nobody_s_best_peer() -> None:
    wrong = record("wrong", 9000, peer=True, excluded="it answers the labels [1]")
    ours = record("ours", 500)
    run = results(wrong, record("right", 100, peer=True), ours)
    assert wrong.rate(SINGLE) is None
    assert run.to_best_peer(ours, SINGLE) == 5
    document = json.loads(run.as_json())["servers"][0]
    assert document["excluded"] == "it answers the labels [1]"
    assert document["scenarios"]["64 connections, 1 row"]["requests_per_second"] is None


def test_errors_of_all_rounds_are_added_and_a_round_without_answers_has_no_latency() -> None:
    seen = Record("ours", None, False, [], {SINGLE: [measurement(10, errors=2), measurement(0, errors=3, p99_ms=None)]})
    document = json.loads(results(seen).as_json())["servers"][0]["scenarios"][SINGLE.name]
    assert document["errors"] == 5
    assert document["p99_ms"] == {"median": 9.0, "least": 9.0, "most": 9.0}


def test_the_plan_is_one_connection_then_many_with_each_number_of_rows_then_the_fixed_rate() -> None:
    names = [scenario.name for scenario in plan((1, 64), (1, 32), 1000, 64)]
    assert names == [
        "1 connection, 1 row",
        "64 connections, 1 row",
        "64 connections, 32 rows",
        "1000 requests/s, 1 row",
    ]
    assert [scenario.rate_per_second for scenario in plan((1, 64), (1, 32), None, 64)] == [None, None, None]


def test_the_chart_is_svg_with_a_bar_for_each_server_that_has_figures() -> None:
    run = results(
        record("floor", 1000), record("a<b", 100, peer=True), record("wrong", 9, excluded="no"), record("ours", 500)
    )
    root = ElementTree.fromstring(chart.render(run))
    space = {"svg": "http://www.w3.org/2000/svg"}
    words = [text.text or "" for text in root.findall("svg:text", space)]
    assert "a<b" in words
    assert "wrong" not in words
    assert any("500 · 0.5 of floor · 5 of best peer" in word for word in words)
    widths = [float(bar.attrib["width"]) for bar in root.findall("svg:rect", space)[1:]]
    assert widths[0] > widths[2] > widths[1]
