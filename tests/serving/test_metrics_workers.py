"""What workers count is exact over all of them, and unharmed by their deaths."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest

from serving.metrics import OK, Metrics, exemplars, memory
from serving.metrics.memory import MetricsMemory
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
