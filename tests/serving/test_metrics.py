"""What the container counts: gauges, histograms and exemplars, their room, and what may be declared."""

from __future__ import annotations

import os
import signal
import time

import pytest

from serving.metrics import FAILED, INVALID, OK, Metrics, exemplars, memory
from tests.serving.metrics_pages import (
    LATER_TRACE,
    OK_REQUESTS,
    SUM,
    TRACE,
    counted,
    end_of,
    exemplars_of,
    in_worker,
    samples,
)


class TestGauges:
    def test_a_version_is_marked_while_any_live_worker_serves_it(self) -> None:
        shared = memory.create(2)
        first, second = Metrics(shared, 0), Metrics(shared, 1)
        first.serving("churn", "1.0.0")
        second.serving("churn", "1.0.0")
        first.serving("churn", "1.1.0")
        assert self._marked(first) == {"1.0.0": 1, "1.1.0": 1}
        second.serving("churn", "1.1.0")
        assert self._marked(first) == {"1.1.0": 1}

    def test_a_successor_does_not_inherit_what_its_predecessor_served(self) -> None:
        shared = memory.create(2)
        watching = Metrics(shared, 1)
        queued = watching.gauge("queued_rows", "Rows that wait")
        queued.set(2)

        def live() -> None:
            worker = Metrics(shared, 0)
            worker.serving("churn", "1.0.0")
            worker.gauge("queued_rows", "Rows that wait").set(5)
            os.kill(os.getpid(), signal.SIGKILL)

        assert end_of(in_worker(live)) == -signal.SIGKILL
        assert (self._marked(watching), samples(watching)["queued_rows"]) == ({"1.0.0": 1}, 7)
        Metrics(shared, 0)
        assert (self._marked(watching), samples(watching)["queued_rows"]) == ({}, 2)

    def test_a_gauge_is_the_sum_of_what_the_workers_set_or_the_greatest(self) -> None:
        shared = memory.create(2)
        workers = Metrics(shared, 0), Metrics(shared, 1)
        for metrics, depth in zip(workers, (3, 4), strict=True):
            metrics.gauge("queue_depth", "Requests that wait", ("model",)).labels("churn").set(depth)
            oldest = metrics.gauge("oldest_seconds", "Longest wait", combine=max)
            oldest.set(depth)
            oldest.inc(2)
            oldest.dec()
        page = samples(workers[0])
        assert page['queue_depth{model="churn"}'] == 7
        assert page["oldest_seconds"] == 5

    @staticmethod
    def _marked(metrics: Metrics) -> dict[str, float]:
        prefix = 'model_version{name="churn",version="'
        return {
            name.removeprefix(prefix).removesuffix('"}'): value
            for name, value in samples(metrics).items()
            if name.startswith(prefix)
        }


class TestHistograms:
    def test_a_bucket_holds_what_is_at_most_its_bound(self) -> None:
        metrics = Metrics()
        rows = metrics.histogram("batch_rows", "Rows that ran together", buckets=(1, 8, 64))
        for value in (1, 8, 8.5, 64, 65):
            rows.observe(value)
        page = samples(metrics)
        buckets = {bound: page[f'batch_rows_bucket{{le="{bound}"}}'] for bound in ("1.0", "8.0", "64.0", "+Inf")}
        assert buckets == {"1.0": 1, "8.0": 2, "64.0": 4, "+Inf": 5}
        assert (page["batch_rows_count"], page["batch_rows_sum"]) == (5, 146.5)

    def test_requests_and_predictions_are_timed_over_all_their_outcomes_and_errors_counted(self) -> None:
        metrics = Metrics()
        for status in (200, 200, 400, 503):
            metrics.request("POST", "/predict", status, 0.25)
        for outcome in (OK, INVALID, FAILED):
            metrics.prediction("churn", "1.0.0", outcome, 0.5)
        page = samples(metrics)
        assert page[OK_REQUESTS] == 2
        errors = {name: value for name, value in page.items() if name.startswith("http_request_errors_total")}
        assert errors == {
            'http_request_errors_total{method="POST",route="/predict",status="400"}': 1,
            'http_request_errors_total{method="POST",route="/predict",status="503"}': 1,
        }
        assert page['http_request_duration_seconds_bucket{le="0.1",method="POST",route="/predict"}'] == 0
        assert page['http_request_duration_seconds_bucket{le="0.25",method="POST",route="/predict"}'] == 4
        assert page[SUM] == 1
        version = '{model="churn",model_version="1.0.0"}'
        assert page[f"model_prediction_duration_seconds_count{version}"] == 3
        assert page[f"model_prediction_duration_seconds_sum{version}"] == 1.5


class TestExemplars:
    def test_a_bucket_shows_the_last_sampled_trace_of_any_worker(self) -> None:
        shared = memory.create(2)
        first, second = Metrics(shared, 0), Metrics(shared, 1)
        first.request("POST", "/predict", 200, 0.2, TRACE)
        first.request("POST", "/predict", 500, 0.002, TRACE)
        second.request("POST", "/predict", 200, 0.21, LATER_TRACE)
        second.request("POST", "/predict", 200, 0.22)
        second.prediction("churn", "1.0.0", OK, 0.3, TRACE)
        found = exemplars_of(first, "http_request_duration_seconds_bucket")
        assert {bound: (kept.labels["trace_id"], kept.value) for bound, kept in found.items()} == {
            "0.0025": (TRACE, 0.002),
            "0.25": (LATER_TRACE, 0.21),
        }
        assert float(found["0.25"].timestamp or 0) == pytest.approx(time.time(), abs=60)
        [predicted] = exemplars_of(first, "model_prediction_duration_seconds_bucket").values()
        assert predicted.labels == {"trace_id": TRACE}

    def test_without_a_sampled_trace_there_is_none_and_the_text_format_has_none_at_all(self) -> None:
        metrics = Metrics()
        metrics.request("POST", "/predict", 200, 0.2)
        assert exemplars_of(metrics, "http_request_duration_seconds_bucket") == {}
        metrics.request("POST", "/predict", 200, 0.2, TRACE)
        assert TRACE.encode() not in metrics.page()[0]

    def test_one_that_is_half_written_is_not_shown(self) -> None:
        shared = memory.create(1)
        exemplars.write(shared, 100, TRACE, 0.2)
        exemplars.write(shared, 200, LATER_TRACE, 0.3)
        whole = exemplars.read(shared, 100)
        assert whole is not None
        assert whole.labels["trace_id"] == TRACE
        for words in range(1, exemplars.EXEMPLAR_WORDS):
            exemplars.write(shared, 100, TRACE, 0.2)
            shared.integers[100 : 100 + words] = shared.integers[200 : 200 + words]
            assert exemplars.read(shared, 100) is None
        assert exemplars.read(shared, 300) is None


class TestRoom:
    def test_label_sets_without_room_are_counted_under_one_name_and_the_sum_stays_right(self) -> None:
        shared = memory.create(2, region_bytes=16_384)
        first, second = Metrics(shared, 0), Metrics(shared, 1)
        for number in range(100):
            first.prediction("churn", f"1.{number}.0", OK, 0.1)
        first.model_error("store")
        page = counted(second)
        predictions = {name: value for name, value in page.items() if name.startswith("model_predictions_total")}
        assert sum(predictions.values()) == 100
        lost = predictions['model_predictions_total{model="other",model_version="other",outcome="other"}']
        assert 0 < lost < 100
        assert page["serveml_metric_overflows_total"] >= lost
        assert page == counted(first)
        successor = Metrics(shared, 0)
        successor.prediction("churn", "2.0.0", OK, 0.1)
        again = counted(second)
        assert again['model_predictions_total{model="other",model_version="other",outcome="other"}'] == lost + 1

    def test_nothing_is_said_of_other_label_sets_while_all_have_room(self) -> None:
        metrics = Metrics()
        metrics.request("POST", "/predict", 200, 0.1)
        assert '="other"' not in metrics.page()[0].decode()
        assert samples(metrics)["serveml_metric_overflows_total"] == 0

    def test_a_metric_that_is_declared_too_late_for_any_room_says_so(self) -> None:
        metrics = Metrics(memory.create(1, region_bytes=16_384))
        for number in range(100):
            metrics.prediction("churn", f"1.{number}.0", OK, 0.1)
        with pytest.raises(ValueError, match="no room is left for the metric late_seconds: declare it at start"):
            metrics.histogram("late_seconds", "Late", buckets=[0.1 * step for step in range(1, 60)])


class TestDeclaring:
    def test_the_same_metric_declared_twice_is_one(self) -> None:
        metrics = Metrics()
        for _ in range(2):
            metrics.counter("refused_total", "Refused", ("reason",)).labels("rate_limited").inc(2)
        assert samples(metrics)['refused_total{reason="rate_limited"}'] == 4

    def test_a_name_with_two_meanings_is_refused(self) -> None:
        metrics = Metrics()
        metrics.histogram("wait_seconds", "Wait", buckets=(1, 2))
        with pytest.raises(ValueError, match="wait_seconds is declared already"):
            metrics.histogram("wait_seconds", "Wait", buckets=(1, 3))
        with pytest.raises(ValueError, match="wait_seconds is declared already"):
            metrics.gauge("wait_seconds", "Wait")

    def test_names_and_labels_that_prometheus_would_not_take_are_refused(self) -> None:
        metrics = Metrics()
        with pytest.raises(ValueError, match="'hits' is a counter: its name must end with _total"):
            metrics.counter("hits", "Hits")
        with pytest.raises(ValueError, match="'Queue-Depth' names no metric"):
            metrics.gauge("Queue-Depth", "Depth")
        with pytest.raises(ValueError, match="ascending"):
            metrics.histogram("rows", "Rows", buckets=(2, 1))
        with pytest.raises(ValueError, match="has the labels"):
            metrics.counter("hits_total", "Hits", ("cache",)).inc()
