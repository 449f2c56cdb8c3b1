"""A real Prometheus scrapes the container of two workers, and finds every request once, with its trace."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from localcloud import prometheus as local
from localcloud.moto_server import HOST
from ops.demo_model import DemoModel
from tests.serving.conftest import Publish, StartContainer
from tests.serving.otlp_collector import OtlpCollector
from tests.serving.process import PATIENCE_SECONDS, Container

REQUESTS = 40
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"

T = TypeVar("T")


class Prometheus:
    """A server, asked by its HTTP API."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, path: str, **parameters: str) -> Any:
        url = f"{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def value(self, query: str) -> float:
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else 0.0


@contextmanager
def scraping(container: Container) -> Generator[Prometheus]:
    target = f"{HOST}:{container.probe_port}"
    with local.prometheus([target], every_seconds=0.5, features=["exemplar-storage"]) as address:
        yield Prometheus(address)


def until(read: Callable[[], T], holds: Callable[[T], bool]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    last: object = None
    while time.monotonic() < deadline:
        try:
            found = read()
        except (urllib.error.URLError, ConnectionError) as error:
            last = error
        else:
            if holds(found):
                return found
            last = found
        time.sleep(0.1)
    raise AssertionError(f"it did not come about: {last}")


@pytest.mark.skipif(not local.is_there(), reason=local.ABSENT)
def test_prometheus_counts_every_request_once_and_leads_from_a_bucket_to_a_trace(
    start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    upload(first)
    with OtlpCollector() as collector:
        container = start(SERVEML_WORKERS="2", OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
        with scraping(container) as prometheus:
            sent = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
            row = {"instances": [first.holdout_rows[0]]}
            until(lambda: container.predict(row).status, lambda status: status == 200)
            for _ in range(REQUESTS):
                assert container.predict(row, sent).status == 200
            until(lambda: prometheus.value('model_predictions_total{outcome="ok"}'), lambda n: n >= REQUESTS + 1)
            predicted = prometheus.value('sum(model_predictions_total{outcome="ok",model="breast-cancer"})')
            assert prometheus.value('http_requests_total{route="/predict",status="200"}') == predicted
            assert prometheus.value('model_version{name="breast-cancer",version="1.0.0"}') == 1
            assert prometheus.value("up") == 1
            now = time.time()
            exemplars = until(
                lambda: prometheus.ask(
                    "query_exemplars",
                    query="http_request_duration_seconds_bucket",
                    start=str(now - 60),
                    end=str(time.time() + 60),
                ),
                lambda found: bool(found),
            )
    labels = [exemplar["labels"] for series in exemplars for exemplar in series["exemplars"]]
    assert {"trace_id": TRACE_ID} in labels
