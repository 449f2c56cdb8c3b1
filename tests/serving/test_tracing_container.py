"""The container as a collector sees it, from its first request to its end."""

from __future__ import annotations

import json
import signal

import pytest

from ops.demo_model import DemoModel
from tests.serving.conftest import Publish, StartContainer
from tests.serving.otlp_collector import OtlpCollector

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
MARKER = "planted-marker-4711"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_answer_log_and_collector_tell_of_the_same_span_and_none_of_what_was_sent(
    workers: str, start: StartContainer, upload: Publish, first: DemoModel
) -> None:
    upload(first)
    with OtlpCollector() as collector:
        container = start(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint, SERVEML_WORKERS=workers)
        container.wait_for_line("serving breast-cancer 1.0.0")
        sent = {"traceparent": f"00-{TRACE_ID}-{CALLER}-01", "x-request-id": MARKER, "content-type": "application/json"}
        body = json.dumps({"instances": [[4711.5] * 30]})
        answer = container.call("POST", f"/predict?{MARKER}", body, sent)
        alone = container.call("GET", f"/{MARKER}")
        container.signal(signal.SIGTERM)
        assert container.wait() == 0
        by_name = {received.span.name: received for received in collector.spans(2)}
        predicted, unknown = by_name["POST /predict"], by_name["GET"]
        assert answer.status == 200
        assert answer.headers["traceresponse"] == f"00-{TRACE_ID}-{predicted.span.span_id.hex()}-01"
        assert (predicted.span.trace_id.hex(), predicted.span.parent_span_id.hex()) == (TRACE_ID, CALLER)
        assert predicted.attributes["serveml.model.version"] == "1.0.0"
        assert predicted.attributes["server.port"] == container.port
        assert alone.headers["traceresponse"].split("-")[1] == unknown.span.trace_id.hex()
        traces = {line["message"]: line["trace_id"] for line in container.log()}
        assert traces["POST /predict 200"] == TRACE_ID
        assert traces["GET other 404 not_found"] == unknown.span.trace_id.hex()
        for _, _, exported in collector.requests:
            assert MARKER.encode() not in exported
            assert b"4711.5" not in exported
