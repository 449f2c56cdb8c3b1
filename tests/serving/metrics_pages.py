"""Pages of metrics as tests read them, and workers in processes of their own that count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import cast

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.samples import Exemplar

from serving.metrics import Metrics

parse_openmetrics = cast(Callable[[str], Iterable[Metric]], openmetrics_parser.text_string_to_metric_families)
TRACE = "0af7651916cd43dd8448eb211c80319c"
LATER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ASKS_OPENMETRICS = b"application/openmetrics-text;version=1.0.0"
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
