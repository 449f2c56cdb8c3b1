"""The two formats of a page of metrics: which one a scraper gets, and that parsers read the same from both."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from serving.metrics import OK, Metrics
from serving.metrics.registry import OPENMETRICS_TYPE, TEXT_TYPE
from tests.serving.metrics_pages import ASKS_OPENMETRICS, TRACE, parse_openmetrics

# What Prometheus 2.42 sends.
PROMETHEUS_ACCEPTS = (
    b"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    b"text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


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
