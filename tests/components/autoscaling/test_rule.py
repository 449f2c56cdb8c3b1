"""The rule's query as the adapter renders it, answered by a real Prometheus that scrapes a page of known rates."""

from __future__ import annotations

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from components.autoscaling.rule import SERIES, configuration, window_seconds
from components.workload.autoscaling import REQUESTS_METRIC
from localcloud import prometheus
from localcloud.moto_server import HOST

PATIENCE_SECONDS = 20.0
ROUTES_PER_SECOND = {
    "/predict": 40,
    "/v2/models/{name}/infer": 20,
    "/inference.GRPCInferenceService/ModelInfer": 10,
    "other": 5,
    "/health": 1000,
    "/v2/health/ready": 1000,
    "/metrics": 1000,
    "/inference.GRPCInferenceService/ServerReady": 1000,
}
"""Requests a second that the page counts up by, so that rates are known."""


def rendered(query: str, *, matchers: str, group_by: str) -> str:
    """As prometheus-adapter v0.12.0 does, `pkg/naming/metrics_query.go`."""
    filled = query.replace("<<.Series>>", SERIES).replace("<<.LabelMatchers>>", matchers)
    return filled.replace("<<.GroupBy>>", group_by)


@contextmanager
def counting_page() -> Generator[str]:
    """Counters of two pods on one page; the target's own labels would be the same for both."""
    began = time.monotonic()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            elapsed = time.monotonic() - began
            lines = [
                f'{SERIES}{{namespace="ml-system",pod="{pod}",route="{route}",method="POST",status="200"}} '
                f"{rate * share * elapsed}"
                for pod, share in (("one", 1), ("two", 2))
                for route, rate in ROUTES_PER_SECOND.items()
            ]
            body = ("\n".join([f"# TYPE {SERIES} counter", *lines]) + "\n").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer((HOST, 0), Page)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_SECONDS)


def ask(address: str, path: str, **parameters: str) -> Any:
    url = f"{address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)["data"]


def rates(address: str, query: str) -> dict[str, float]:
    return {found["metric"]["pod"]: float(found["value"][1]) for found in ask(address, "query", query=query)["result"]}


@pytest.mark.skipif(not prometheus.is_there(), reason=prometheus.ABSENT)
def test_the_rate_of_each_pod_is_that_of_its_requests_without_probes_and_scrapes() -> None:
    (rule,) = configuration(1)["rules"]
    query = rendered(rule["metricsQuery"], matchers='namespace="ml-system",pod=~"one|two"', group_by="pod")
    expected = float(sum(list(ROUTES_PER_SECOND.values())[:4]))
    found: dict[str, float] = {}
    with counting_page() as target, prometheus.prometheus([target], every_seconds=1) as address:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found = rates(address, query)
            # The first scrapes fill only a part of the window, over which the rate is averaged.
            if set(found) == {"one", "two"} and abs(found["one"] - expected) < expected / 10:
                break
            time.sleep(0.2)
        one = rates(address, rendered(rule["metricsQuery"], matchers='namespace="ml-system",pod="two"', group_by="pod"))
        series = ask(address, "series", **{"match[]": rule["seriesQuery"]})

    assert found["one"] == pytest.approx(expected, rel=0.1)
    assert found["two"] == pytest.approx(2 * expected, rel=0.1)
    assert set(one) == {"two"}
    assert {labels["pod"] for labels in series} == {"one", "two"}


def test_labels_stand_for_the_resources_that_the_autoscaler_asks_by() -> None:
    (rule,) = configuration(15)["rules"]

    assert rule["resources"]["overrides"] == {"namespace": {"resource": "namespace"}, "pod": {"resource": "pod"}}
    assert rule["name"] == {"as": REQUESTS_METRIC}


def test_a_scrape_may_fail_and_leave_two_for_a_rate() -> None:
    (rule,) = configuration(15)["rules"]
    (window,) = re.findall(r"\[(\d+)s\]", rule["metricsQuery"])

    assert int(window) == window_seconds(15) == 45
    assert int(window) - 15 >= 2 * 15
