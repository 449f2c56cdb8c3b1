"""What the container counts: exact over all workers, unharmed by their deaths, bounded, and read by Prometheus."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, cast

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Exemplar

from serving.metrics import FAILED, INVALID, OK, Metrics, exemplars, memory
from serving.metrics.memory import MetricsMemory
from serving.metrics.registry import OPENMETRICS_TYPE, TEXT_TYPE

parse_openmetrics = cast(Callable[[str], Iterable[Metric]], openmetrics_parser.text_string_to_metric_families)

TRACE = "0af7651916cd43dd8448eb211c80319c"
LATER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ASKS_OPENMETRICS = b"application/openmetrics-text;version=1.0.0"
# What Prometheus 2.42 sends.
PROMETHEUS_ACCEPTS = (
    b"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    b"text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
OK_REQUESTS = 'http_requests_total{method="POST",route="/predict",status="200"}'
SUM = 'http_request_duration_seconds_sum{method="POST",route="/predict"}'


def samples(metrics: Metrics) -> dict[str, float]:
    lines = metrics.page()[0].decode().splitlines()
    parts = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in parts}


def counted(metrics: Metrics) -> dict[str, float]:
    """The samples that do not change while nothing happens."""
    return {name: value for name, value in samples(metrics).items() if not name.startswith("process_")}


def exemplars_of(metrics: Metrics, name: str) -> dict[str, Exemplar]:
    """By the bucket's bound."""
    families = parse_openmetrics(metrics.page(ASKS_OPENMETRICS)[0].decode())
    return {
        sample.labels["le"]: sample.exemplar
        for family in families
        for sample in family.samples
        if sample.name == name and sample.exemplar is not None
    }


def in_worker(live: Callable[[], object]) -> int:
    """Run a worker's life in a process of its own; its id."""
    pid = os.fork()
    if pid == 0:
        try:
            live()
        finally:
            os._exit(0)
    return pid


def end_of(pid: int) -> int:
    """Exit code, or the signal's number below 0."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class TestOverWorkers:
    def test_any_worker_shows_the_exact_sum_of_all(self) -> None:
        shared = memory.create(3)
        workers = [Metrics(shared, number) for number in range(3)]
        for number, worker in enumerate(workers):
            for _ in range(number + 1):
                worker.request("POST", "/predict", 200, 0.1)
                worker.prediction("churn", "1.0.0", OK, 0.1)
            worker.model_error("store")
        pages = [counted(worker) for worker in workers]
        assert pages[0] == pages[1] == pages[2]
        assert pages[0][OK_REQUESTS] == 6
        assert pages[0]['model_predictions_total{model="churn",model_version="1.0.0",outcome="ok"}'] == 6
        assert pages[0]['model_errors_total{error_type="store"}'] == 3
        # Six times 0.1 added one by one, in this order or another, is not 0.6.
        assert pages[0][SUM] == pytest.approx(0.6)

    def test_what_a_forked_worker_counts_is_seen_by_the_others(self) -> None:
        shared = memory.create(2)
        watching = Metrics(shared, 1)

        def live() -> None:
            worker = Metrics(shared, 0)
            for _ in range(1000):
                worker.request("POST", "/predict", 200, 0.001)

        assert end_of(in_worker(live)) == 0
        assert samples(watching)[OK_REQUESTS] == 1000

    def test_counters_never_go_down_while_a_worker_counts_is_killed_and_is_replaced(self) -> None:
        shared = memory.create(2)
        watching = Metrics(shared, 1)

        def live() -> None:
            worker = Metrics(shared, 0)
            while True:
                worker.request("POST", "/predict", 200, 0.001)

        seen: list[tuple[float, float]] = [(0, 0)]

        def look() -> None:
            page = samples(watching)
            seen.append((page.get(OK_REQUESTS, 0), page.get(SUM, 0)))

        for _ in range(3):
            before, deadline = seen[-1][0], time.monotonic() + 20
            pid = in_worker(live)
            try:
                while seen[-1][0] < before + 2000:
                    assert time.monotonic() < deadline, "nothing was counted"
                    look()
            finally:
                os.kill(pid, signal.SIGKILL)
                assert end_of(pid) == -signal.SIGKILL
            look()
        counts, totals = zip(*seen, strict=True)
        assert list(counts) == sorted(counts)
        assert list(totals) == sorted(totals)
        assert samples(watching)['serveml_worker_restarts_total{worker="0"}'] == 2
        assert samples(watching)['serveml_worker_restarts_total{worker="1"}'] == 0

    def test_a_worker_killed_at_any_line_of_its_first_count_leaves_nothing_broken(self) -> None:
        """For each line that runs: a worker is killed before it, and its successor counts on."""
        died = 0
        while True:
            shared = memory.create(2, region_bytes=32_768)
            watching = Metrics(shared, 1)
            pid = in_worker(lambda shared=shared, after=died: self._killed_after(after, shared))
            finished = end_of(pid) == 0
            left = samples(watching).get(OK_REQUESTS, 0)
            assert left in (0, 1)
            assert finished <= (left == 1)
            successor = Metrics(shared, 0)
            successor.request("POST", "/predict", 200, 0.001, LATER_TRACE)
            successor.request("GET", "/health", 200, 0.001)
            page = counted(watching)
            assert page == counted(successor)
            assert page[OK_REQUESTS] == left + 1
            assert page[f"{SUM[: SUM.index('_sum')]}_count{SUM[SUM.index('{') :]}"] == left + 1
            assert page['http_requests_total{method="GET",route="/health",status="200"}'] == 1
            [kept] = exemplars_of(watching, "http_request_duration_seconds_bucket").values()
            assert kept.labels == {exemplars.TRACE_ID_LABEL: LATER_TRACE}
            if finished:
                break
            died += 1
        assert died > 30

    @staticmethod
    def _killed_after(lines: int, shared: MetricsMemory) -> None:
        worker = Metrics(shared, 0)
        left = lines

        def count_down(_: FrameType, event: str, __: object) -> Any:
            nonlocal left
            if event == "line":
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
            return count_down

        sys.settrace(count_down)
        worker.request("POST", "/predict", 200, 0.001, TRACE)
        sys.settrace(None)

    def test_threads_of_a_worker_lose_no_count(self) -> None:
        metrics = Metrics()
        hits = metrics.counter("cache_hits_total", "Hits", ("cache",))

        def let_another_run(frame: FrameType, _: str, __: object) -> Any:
            frame.f_trace_opcodes = True
            time.sleep(0)
            return let_another_run

        def count() -> None:
            sys.settrace(let_another_run)
            for _ in range(50):
                hits.labels("local").inc()

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert samples(metrics)['cache_hits_total{cache="local"}'] == 200

    def test_a_worker_outside_the_memory_is_refused(self) -> None:
        with pytest.raises(ValueError, match="worker 2 has no region: the memory was made for 2"):
            Metrics(memory.create(2), 2)
        with pytest.raises(ValueError, match="1 to 256 workers"):
            memory.create(0)


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


class TestFormats:
    @pytest.mark.parametrize(
        ("accept", "expected"),
        [
            (b"", TEXT_TYPE),
            (b"*/*", TEXT_TYPE),
            (b"text/html, */*;q=0.1", TEXT_TYPE),
            (b"application/openmetrics-text", OPENMETRICS_TYPE),
            (PROMETHEUS_ACCEPTS, OPENMETRICS_TYPE),
            (
                b"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3",
                OPENMETRICS_TYPE,
            ),
            (b"text/plain;version=0.0.4;q=0.8,application/openmetrics-text;version=1.0.0;q=0.3", TEXT_TYPE),
            (b"application/openmetrics-text;version=0.0.1", TEXT_TYPE),
            (b"application/openmetrics-text;q=0", TEXT_TYPE),
            (b"application/openmetrics-text;q=much;\xff,,;", TEXT_TYPE),
        ],
    )
    def test_the_scraper_gets_the_format_that_it_prefers(self, accept: bytes, expected: bytes) -> None:
        body, content_type = Metrics().page(accept)
        assert content_type == expected
        assert body.endswith(b"# EOF\n") is (expected == OPENMETRICS_TYPE)

    def test_the_client_librarys_parsers_read_the_same_from_both(self) -> None:
        metrics = busy()
        text = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in parse_text(metrics.page()[0].decode())
            for sample in family.samples
        }
        openmetrics = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in parse_openmetrics(metrics.page(ASKS_OPENMETRICS)[0].decode())
            for sample in family.samples
        }
        assert text.keys() == openmetrics.keys()
        assert {key: value for key, value in text.items() if not key[0].startswith("process_")} == {
            key: value for key, value in openmetrics.items() if not key[0].startswith("process_")
        }
        assert text["cache_hits_total", ("cache", 'a "quoted\\ name\n')] == 1

    @pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
    def test_promtool_has_nothing_to_say_against_the_page(self) -> None:
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=busy().page()[0], capture_output=True, timeout=60, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def busy() -> Metrics:
    """With something in every kind of metric."""
    metrics = Metrics()
    metrics.request("POST", "/predict", 200, 0.2, TRACE)
    metrics.request("POST", "/predict", 400, 0.2)
    metrics.prediction("churn", "1.0.0", OK, 0.1, TRACE)
    metrics.model_error("store")
    metrics.serving("churn", "1.0.0")
    metrics.counter("cache_hits_total", "Hits", ("cache",)).labels('a "quoted\\ name\n').inc()
    metrics.histogram("batch_rows", "Rows that ran together", buckets=(1, 8)).observe(3)
    return metrics


class TestProcesses:
    def test_processes_are_added_up_and_time_of_ended_workers_stays(self) -> None:
        shared = memory.create(2)
        alone = samples(Metrics(memory.create(1)))
        watching = Metrics(shared, 1)
        ready, told = os.pipe()

        def live() -> None:
            Metrics(shared, 0)
            started = time.process_time()
            while time.process_time() - started < 0.3:
                pass
            os.write(told, b"1")
            signal.pause()

        pid = in_worker(live)
        try:
            assert os.read(ready, 1) == b"1"
            together = samples(watching)
        finally:
            os.kill(pid, signal.SIGKILL)
            # Ended, and not yet noticed.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            unnoticed = samples(watching)
            assert end_of(pid) == -signal.SIGKILL
            os.close(ready)
            os.close(told)
        noticed = samples(watching)
        assert together["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"]
        assert together["process_open_fds"] > alone["process_open_fds"]
        assert together["process_start_time_seconds"] == alone["process_start_time_seconds"]
        assert 0 < together["process_start_time_seconds"] < time.time()
        times = [page["process_cpu_seconds_total"] for page in (alone, together, unnoticed, noticed)]
        assert times == sorted(times)
        assert times[1] - times[0] >= 0.2
