"""Traces: what the spans of a request say and do not say when they arrive at a collector."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from serving.messages import Request
from serving.tracing.span import Kind, child
from serving.tracing.tracer import finish
from serving.tracing.worker import Tracing
from tests.serving.otlp_collector import OtlpCollector, Received
from tests.serving.process import ROOT
from tests.serving.spans import (
    CALLER,
    MARKER,
    PATIENCE_SECONDS,
    SAMPLED,
    TRACE_ID,
    Counts,
    predict_request,
    record,
    recorder,
    worker_tracing,
)


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as running:
        yield running


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def tracing(collector: OtlpCollector, counts: Counts) -> Iterator[Tracing]:
    """A worker's tracing as the container has it, recording every request."""
    made = worker_tracing(collector.endpoint, counts)
    made.exporter.start()
    yield made
    made.exporter.stop(PATIENCE_SECONDS)


def sent(tracing: Tracing, collector: OtlpCollector) -> list[Received]:
    """All that the collector has once the worker has stopped."""
    assert tracing.exporter.stop(PATIENCE_SECONDS)
    return collector.spans(0)


def test_a_span_arrives_as_the_child_of_the_callers_with_the_conventions_attributes(
    tracing: Tracing, collector: OtlpCollector
) -> None:
    request = predict_request({b"traceparent": SAMPLED})
    request.model_version = "1.4.0"
    span = tracing.tracer.start(request.headers)
    assert span is not None
    span.set("serveml.model.name", "churn")
    before = time.time_ns()
    finish(span, request, 200, "", 0.25)
    after = time.time_ns()

    [received] = sent(tracing, collector)
    exported = received.span
    assert (exported.trace_id.hex(), exported.parent_span_id.hex()) == (TRACE_ID, CALLER)
    assert exported.span_id.hex() == span.id.decode() != CALLER
    assert (exported.name, exported.kind, exported.status.code) == ("POST /predict", exported.SPAN_KIND_SERVER, 0)
    assert exported.flags == 0x301
    assert received.attributes == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "server.address": "pod-1",
        "server.port": 8000,
        "serveml.model.name": "churn",
        "serveml.model.version": "1.4.0",
    }
    assert exported.end_time_unix_nano - exported.start_time_unix_nano == pytest.approx(250_000_000, abs=1000)
    # The clock may be corrected meanwhile, by no more than this.
    assert before - 10**9 <= exported.end_time_unix_nano <= after + 10**9


def test_the_resource_says_which_worker_of_which_pod_it_was(tracing: Tracing, collector: OtlpCollector) -> None:
    record(tracing.tracer, predict_request())
    [received] = sent(tracing, collector)
    instance = received.resource.pop("service.instance.id")
    assert received.resource == {
        "service.name": "inference",
        "service.version": "0.1.0",
        "deployment.environment.name": "staging",
        "k8s.pod.name": "pod-1",
    }
    assert len(instance) == 36
    assert received.scope == "serveml 0.1.0"
    [(path, headers, _)] = collector.requests
    assert (path, headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")


def test_what_takes_long_has_spans_of_its_own_within_the_requests(tracing: Tracing, collector: OtlpCollector) -> None:
    request = predict_request()
    span = tracing.tracer.start(request.headers)
    assert span is not None
    now = time.monotonic_ns()
    span.child_done("queue", now - 2000, now - 1000)
    with span.child("features", Kind.CLIENT) as features, child("decode") as decode:
        assert decode is not None
        features.set("hit", True)
        features.set("rows", -3)
    finish(span, request, 200, "", 0.25)

    by_name = {received.span.name: received for received in sent(tracing, collector)}
    server = by_name["POST /predict"].span
    assert not server.parent_span_id
    assert {received.span.trace_id for received in by_name.values()} == {server.trace_id}
    parents = {name: received.span.parent_span_id for name, received in by_name.items()}
    assert parents["queue"] == parents["features"] == server.span_id
    assert parents["decode"] == by_name["features"].span.span_id
    queued = by_name["queue"].span
    assert queued.end_time_unix_nano - queued.start_time_unix_nano == 1000
    assert queued.kind == queued.SPAN_KIND_INTERNAL
    assert by_name["features"].span.kind == queued.SPAN_KIND_CLIENT
    assert by_name["features"].attributes == {"hit": True, "rows": -3}


@pytest.mark.parametrize(
    ("status", "code", "failed"),
    [
        (200, "", None),
        (400, "invalid_input", None),
        (500, "internal", "internal"),
        (503, "", "503"),
        (499, "client_closed_request", "client_closed_request"),
    ],
)
def test_only_what_is_not_the_clients_fault_is_marked_as_failed(status: int, code: str, failed: str | None) -> None:
    tracer, spans = recorder()
    record(tracer, predict_request(), status, code)
    [span] = spans
    assert span.failed == (failed is not None)
    assert span.attributes.get("error.type") == failed
    # 499 is what the log says of an answer that nobody waited for: no status was exported.
    assert span.attributes.get("http.response.status_code") == (None if status == 499 else status)


def test_a_failure_arrives_as_one(tracing: Tracing, collector: OtlpCollector) -> None:
    record(tracing.tracer, predict_request(), 500, "internal")
    [received] = sent(tracing, collector)
    assert received.span.status.code == received.span.status.STATUS_CODE_ERROR
    assert received.attributes["error.type"] == "internal"


def test_a_childs_failure_is_told_by_its_class_alone() -> None:
    tracer, spans = recorder()
    span = tracer.start({})
    assert span is not None
    with pytest.raises(ValueError, match=MARKER), span.child("features"):
        raise ValueError(MARKER)
    assert (spans[0].failed, spans[0].attributes) == (True, {"error.type": "ValueError"})


def test_nothing_that_a_client_sent_is_exported(tracing: Tracing, collector: OtlpCollector) -> None:
    headers = {name: MARKER.encode() for name in (b"x-request-id", b"host", b"user-agent", b"authorization", b"cookie")}
    headers |= {b"traceparent": SAMPLED, b"tracestate": b"vendor=" + MARKER.encode()}
    for method in ("POST", MARKER):
        request = Request(method, f"/v2/models/{MARKER}", headers, MARKER.encode(), b"q=" + MARKER.encode())
        record(tracing.tracer, request, 404, "not_found")
        request.route, request.parameters = "/v2/models/{name}", {"name": MARKER}
        record(tracing.tracer, request, 404, "unknown_model")
    arrived = sent(tracing, collector)
    names = [received.span.name for received in arrived]
    assert names == ["POST", "POST /v2/models/{name}", "HTTP", "HTTP /v2/models/{name}"]
    assert arrived[2].attributes["http.request.method"] == "_OTHER"
    for path, sent_headers, body in collector.requests:
        assert MARKER not in path + str(sent_headers)
        assert MARKER.encode() not in body


def test_the_container_needs_nothing_of_opentelemetry() -> None:
    code = "import sys, serving.tracing.worker; sys.exit('opentelemetry' in sys.modules or 'google' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0
