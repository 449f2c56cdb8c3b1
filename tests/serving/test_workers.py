"""Several workers on one port: summed metrics, a killed one replaced, and a stop that ends them all."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.service import ENV_WORKERS
from ops.demo_model import DemoModel
from serving import settings, supervisor
from tests.serving.conftest import CREDENTIALS, publish_model
from tests.serving.process import Container, container_environment

PATIENCE_SECONDS = 20
WORKERS = 2
ROW = {"instances": [[1.0] * 30]}
PREDICTED = 'http_requests_total{method="POST",route="/predict",status="200"}'


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


def served(container: Container) -> bool:
    """Every worker answers: a fresh connection goes to either of them."""
    return all(container.predict(ROW).status == 200 for _ in range(20))


@pytest.fixture
def container(endpoint: str, s3: Any, own_bucket: str, first: DemoModel, tmp_path: Path) -> Iterator[Container]:
    publish_model(s3, own_bucket, first, tmp_path)
    environment = container_environment(endpoint, own_bucket, tmp_path / "cache", CREDENTIALS)
    with Container({**environment, ENV_WORKERS: str(WORKERS)}) as started:
        wait_for(lambda: served(started))
        yield started


def metric(container: Container, name: str) -> float:
    page = container.call("GET", "/metrics", probes=True).body.decode()
    return float(re.findall(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)[0])


def test_any_worker_answers_with_the_sum_of_all_metrics(container: Container) -> None:
    before = metric(container, PREDICTED)
    for _ in range(50):
        assert container.predict(ROW).status == 200
    assert [metric(container, PREDICTED) for _ in range(10)] == [before + 50] * 10


def test_what_a_killed_worker_counted_stays_and_its_replacement_is_counted(container: Container) -> None:
    before = metric(container, PREDICTED)
    victim = min(children_of(container.pid))
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(children_of(container.pid) - {victim}) == WORKERS)
    wait_for(lambda: restarts(container) == 1)
    assert [metric(container, PREDICTED) for _ in range(10)] == [before] * 10


def restarts(container: Container) -> float:
    return sum(metric(container, f'serveml_worker_restarts_total{{worker="{number}"}}') for number in range(WORKERS))


def test_a_killed_worker_is_replaced_and_the_other_serves_on(container: Container) -> None:
    workers = children_of(container.pid)
    assert len(workers) == WORKERS
    victim = min(workers)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(children_of(container.pid) - {victim}) == WORKERS)
    wait_for(lambda: served(container))


def test_a_worker_that_dies_before_it_listens_keeps_nobody_waiting(
    endpoint: str, own_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = multiprocessing.get_context("fork").Value("i", 0)

    async def run(*_: object, on_listening: Callable[[], None], **__: object) -> None:
        with starts.get_lock():
            starts.value += 1
            first = starts.value == 1
        if first:
            raise RuntimeError
        on_listening()

    environment = container_environment(endpoint, own_bucket, tmp_path, CREDENTIALS)
    announced = list[int]()
    monkeypatch.setattr(supervisor, "run", run)
    monkeypatch.setattr(supervisor, "SHORTEST_LIFE_SECONDS", 0.0)
    running = supervisor.Supervisor(settings.load({**environment, ENV_WORKERS: str(WORKERS)}))

    def announce(*ports: int) -> None:
        announced.extend(ports)
        # Enough was seen: whatever ends from here on is not replaced.
        running._stopping = True  # pyright: ignore[reportPrivateUsage]

    monkeypatch.setattr(supervisor, "_announce", announce)
    handlers = {number: signal.getsignal(number) for number in supervisor.SIGNALS}
    try:
        assert running.run() == 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert len(announced) == 2
    assert starts.value >= WORKERS + 1


def test_one_signal_ends_all_workers_and_the_exit_is_clean(container: Container) -> None:
    workers = children_of(container.pid)
    container.signal(signal.SIGTERM)
    assert container.wait() == 0
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_workers_do_not_outlive_a_supervisor_that_was_killed(container: Container) -> None:
    workers = children_of(container.pid)
    container.signal(signal.SIGKILL)
    wait_for(lambda: not [pid for pid in workers if Path(f"/proc/{pid}").exists()])
