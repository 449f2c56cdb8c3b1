"""Traces: which requests are recorded, what their spans say and do not say, and what a collector gets of them."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import logging
import queue
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contract import service
from serving.messages import Request
from serving.reader import Reader
from serving.tracing import calls, context, exporter
from serving.tracing.collector import Collector
from serving.tracing.exporter import DROPPED, EXPORTED, FAILED, Exporter
from serving.tracing.settings import Sampling, TracingSettings, read
from serving.tracing.span import Kind, Span, Trace, active, child, current, current_headers
from serving.tracing.tracer import Tracer, finish
from serving.tracing.worker import Tracing, tracing_of
from tests.serving.otlp_collector import OtlpCollector, Received
from tests.serving.process import ROOT

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{CALLER}-01".encode()
NOT_SAMPLED = f"00-{TRACE_ID}-{CALLER}-00".encode()
MARKER = "planted-marker-4711"
ENDPOINT = "http://127.0.0.1:4318"
ALWAYS = Sampling(True, 1.0)
PATIENCE_SECONDS = 20


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as running:
        yield running


class Counts:
    """What an exporter reported, and a way to wait for more of it."""

    def __init__(self) -> None:
        self.by_outcome = {EXPORTED: 0, DROPPED: 0, FAILED: 0}
        self._reports: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()

    def __call__(self, outcome: str, spans: int) -> None:
        self._reports.put((outcome, spans))

    def wait_for(self, outcome: str, spans: int) -> None:
        while self.by_outcome[outcome] < spans:
            told, count = self._reports.get(timeout=PATIENCE_SECONDS)
            self.by_outcome[told] += count


@pytest.fixture
def counts() -> Counts:
    return Counts()


StartExporter = Callable[..., Exporter]


@pytest.fixture
def start_exporter(counts: Counts) -> Iterator[StartExporter]:
    """Starts exporters that try again and send without long pauses; they end with the test."""
    started: list[Exporter] = []

    def start(endpoint: str, *, timeout_seconds: float = 5, pause: float = 0.001, every: float = 0.01) -> Exporter:
        made = Exporter(
            Collector(settings(endpoint=f"{endpoint}/v1/traces")),
            {"service.name": "inference"},
            version="1",
            timeout_seconds=timeout_seconds,
            report=counts,
            first_pause_seconds=pause,
            every_seconds=every,
        )
        made.start()
        started.append(made)
        return made

    yield start
    for made in started:
        made.stop(0.1)


@pytest.fixture
def tracing(collector: OtlpCollector, counts: Counts) -> Iterator[Tracing]:
    """A worker's tracing as the container has it, recording every request."""
    made = worker_tracing(collector.endpoint, counts)
    made.exporter.start()
    yield made
    made.exporter.stop(PATIENCE_SECONDS)


def worker_tracing(endpoint: str, counts: Counts) -> Tracing:
    chosen = settings(endpoint=f"{endpoint}/v1/traces")
    return tracing_of(chosen, environment="staging", pod_name="pod-1", server_port=8000, report=counts)


def sent(tracing: Tracing, collector: OtlpCollector) -> list[Received]:
    """All that the collector has once the worker has stopped."""
    assert tracing.exporter.stop(PATIENCE_SECONDS)
    return collector.spans(0)


def settings(**given: Any) -> TracingSettings:
    needed: dict[str, Any] = {"sampling": ALWAYS, "service_name": "inference"}
    return TracingSettings(**needed, **given)


def recorder(sampling: Sampling = ALWAYS) -> tuple[Tracer, list[Span]]:
    """A tracer whose spans stay here."""
    spans: list[Span] = []
    return Tracer(sampling, spans.append, server_address="pod-1", server_port=8000), spans


def predict_request(headers: dict[bytes, bytes] | None = None, **others: Any) -> Request:
    request = Request("POST", service.PREDICT_PATH, headers or {}, **others)
    request.route = service.PREDICT_PATH
    return request


def record(tracer: Tracer, request: Request, status: int = 200, code: str = "", seconds: float = 0.25) -> Span:
    span = tracer.start(request.headers)
    assert span is not None
    finish(span, request, status, code, seconds)
    return span


def some_span(export: Callable[[Span], None]) -> Span:
    return Span(Trace(TRACE_ID.encode(), 1, b"", export), b"", "POST /predict", Kind.SERVER)


# What arrives


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


# Which requests are recorded


def test_a_request_without_a_context_starts_a_trace_of_its_own() -> None:
    tracer, _ = recorder()
    spans = [record(tracer, predict_request()) for _ in range(2)]
    assert len({span.trace_id for span in spans}) == 2
    assert all(len(span.trace_id) == 32 and span.parent_id == b"" for span in spans)
    # Sampled, and made of random digits.
    assert spans[0].traceparent == f"00-{spans[0].trace_id}-{spans[0].id.decode()}-03".encode()


def test_the_callers_word_on_sampling_counts_where_it_is_parent_based() -> None:
    silent, _ = recorder(Sampling(True, 0.0))
    talkative, _ = recorder(Sampling(True, 1.0))
    assert silent.start({}) is None
    assert silent.start({b"traceparent": SAMPLED}) is not None
    assert talkative.start({b"traceparent": NOT_SAMPLED}) is None
    assert talkative.start({b"traceparent": NOT_SAMPLED[:-2] + b"02"}) is None
    assert talkative.start({b"traceparent": b"cc" + NOT_SAMPLED[2:] + b"-more"}) is None


def test_the_callers_word_on_sampling_does_not_count_otherwise() -> None:
    always, _ = recorder(Sampling(False, 1.0))
    span = always.start({b"traceparent": NOT_SAMPLED})
    assert span is not None
    assert (span.trace_id, span.parent_id, span.trace.flags) == (TRACE_ID, CALLER.encode(), 1)
    half, _ = recorder(Sampling(False, 0.5))
    low, high = (b"00-" + b"1" * 16 + digit * 16 + b"-00f067aa0ba902b7-01" for digit in (b"7", b"8"))
    assert half.start({b"traceparent": low}) is not None
    assert half.start({b"traceparent": high}) is None


def test_the_ratio_picks_about_so_many_of_the_traces_that_start_here() -> None:
    tracer, _ = recorder(Sampling(True, 0.25))
    picked = sum(tracer.start({}) is not None for _ in range(4000))
    # Six standard deviations either way.
    assert 830 < picked < 1170


@pytest.mark.parametrize(
    "malformed",
    [
        b"",
        b"00",
        f"00-{TRACE_ID}-{CALLER}-01-more".encode(),
        f"00-{TRACE_ID}-{CALLER}-01.".encode(),
        f"cc-{TRACE_ID}-{CALLER}-01.more".encode(),
        f"ff-{TRACE_ID}-{CALLER}-01".encode(),
        f"0-{TRACE_ID}-{CALLER}-01".encode(),
        f"000-{TRACE_ID}-{CALLER}-01".encode(),
        f"00-{'0' * 32}-{CALLER}-01".encode(),
        f"00-{TRACE_ID}-{'0' * 16}-01".encode(),
        f"00-{TRACE_ID.upper()}-{CALLER}-01".encode(),
        f"00-{TRACE_ID[:-1]}-{CALLER}-01".encode(),
        f"00-{TRACE_ID}-{CALLER}0-01".encode(),
        f"00-{TRACE_ID}-{CALLER}-1".encode(),
        f"00-{TRACE_ID}-{CALLER}-x1".encode(),
        f"00-{TRACE_ID}-{CALLER}-01\n".encode(),
        # As the server joins a header that came twice.
        SAMPLED + b", " + SAMPLED,
    ],
)
def test_a_malformed_context_starts_a_new_trace(malformed: bytes) -> None:
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": malformed, b"tracestate": b"vendor=1"})
    assert span is not None
    assert span.trace_id != TRACE_ID
    assert (span.parent_id, span.trace.state) == (b"", b"")


@pytest.mark.parametrize("version", ["cc", "01"])
@pytest.mark.parametrize("rest", ["", "-", "-what-the-future-holds"])
def test_a_later_versions_context_is_read_as_far_as_it_is_known(version: str, rest: str) -> None:
    parent = context.parse(f"{version}-{TRACE_ID}-{CALLER}-fb{rest}".encode())
    assert parent == (TRACE_ID.encode(), CALLER.encode(), 0xFB)
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": f"{version}-{TRACE_ID}-{CALLER}-fb{rest}".encode()})
    assert span is not None
    # The flags without a meaning are not passed on.
    assert span.traceparent == f"00-{TRACE_ID}-{span.id.decode()}-03".encode()


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [
        (b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", b"congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
        (b"a=1, ,\tt/v@x=2 3,,", b"a=1,t/v@x=2 3"),
        (b"", b""),
        (b"a=1,a=2", b""),
        (b"A=1", b""),
        (b"a=1,b", b""),
        (b"a=1=2", b""),
        (b"a=", b""),
        (b",".join(b"k%d=1" % number for number in range(33)), b""),
        (b"a=" + b"x" * 256 + b",b=" + b"y" * 256, b""),
    ],
)
def test_a_malformed_or_overlong_tracestate_is_dropped(given: bytes, passed_on: bytes) -> None:
    assert context.passed_on(given) == passed_on


# To the caller, and to whoever is called


def test_the_answer_names_the_span_that_the_request_became() -> None:
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": SAMPLED})
    assert span is not None
    assert span.answer_line == f"traceresponse: 00-{TRACE_ID}-{span.id.decode()}-01\r\n".encode()


def test_calls_of_a_request_carry_its_current_span_also_from_tasks_and_threads() -> None:
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": SAMPLED, b"tracestate": b"vendor=1"})
    assert span is not None

    async def route() -> list[Mapping[str, str]]:
        with span.child("features", Kind.CLIENT) as features:
            headers = [current_headers(), await asyncio.to_thread(current_headers)]
        assert headers[0] == {"traceparent": features.traceparent.decode(), "tracestate": "vendor=1"}
        return [*headers, current_headers()]

    async def answer() -> list[Mapping[str, str]]:
        with active(span):
            task = asyncio.ensure_future(route())
        assert current() is None
        return await task

    within, in_thread, after = asyncio.run(answer())
    assert within == in_thread != after
    assert after["traceparent"] == span.traceparent.decode()
    assert current_headers() == {}


def test_a_child_of_nothing_is_nothing() -> None:
    with child("inference") as span:
        assert span is None


def test_a_botocore_client_sends_the_context_of_the_request_and_none_without_one(endpoint: str) -> None:
    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    calls.link(client)
    requests: list[dict[str, Any]] = []

    def keep(request: Any, **_: Any) -> None:
        requests.append(dict(request.headers))

    client.meta.events.register_last("before-send", keep)
    tracer, _ = recorder()
    span = tracer.start({b"traceparent": SAMPLED})
    assert span is not None
    with active(span):
        client.list_tables()
    client.list_tables()
    traced, alone = requests
    assert traced["traceparent"] == span.traceparent.decode()
    assert b"traceparent" not in traced["Authorization"]
    assert "traceparent" not in alone


# The collector is away, slow, or does not want them


def test_what_is_left_is_sent_when_the_worker_stops(collector: OtlpCollector, counts: Counts) -> None:
    made = worker_tracing(collector.endpoint, counts)
    made.exporter.start()
    for _ in range(exporter.BATCH + 3):
        record(made.tracer, predict_request())
    assert made.exporter.stop(PATIENCE_SECONDS)
    assert len(collector.spans(0)) == exporter.BATCH + 3
    counts.wait_for(EXPORTED, exporter.BATCH + 3)


def test_a_full_batch_does_not_wait_for_the_next_look(collector: OtlpCollector, start_exporter: StartExporter) -> None:
    running = start_exporter(collector.endpoint, every=3600)
    for _ in range(exporter.BATCH):
        some_span(running.add).end()
    assert len(collector.spans(exporter.BATCH)) == exporter.BATCH
    assert len(collector.requests) == 1


def test_a_slow_collector_costs_spans_and_no_time_and_the_losses_are_counted(
    collector: OtlpCollector, start_exporter: StartExporter, counts: Counts
) -> None:
    collector.open.clear()
    running = start_exporter(collector.endpoint)
    some_span(running.add).end()
    collector.wait_for_requests(1)
    slowest = 0.0
    tracemalloc.start()
    try:
        for _ in range(exporter.MAX_WAITING * 3):
            began = time.thread_time()
            some_span(running.add).end()
            slowest = max(slowest, time.thread_time() - began)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert slowest < 0.1
    assert held < exporter.MAX_WAITING * 2048
    collector.open.set()
    counts.wait_for(DROPPED, exporter.MAX_WAITING * 2)
    counts.wait_for(EXPORTED, exporter.MAX_WAITING + 1)
    assert counts.by_outcome == {EXPORTED: exporter.MAX_WAITING + 1, DROPPED: exporter.MAX_WAITING * 2, FAILED: 0}


def test_a_collector_that_is_away_loses_spans_and_the_log_says_so_once(
    start_exporter: StartExporter, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpCollector() as gone:
        endpoint = gone.endpoint
    running = start_exporter(endpoint)
    for lost in (1, 2):
        some_span(running.add).end()
        counts.wait_for(FAILED, lost)
    said = [entry.getMessage() for entry in caplog.records if entry.name == exporter.__name__]
    assert len(said) == 1
    assert "cannot be reached (ConnectionRefusedError)" in said[0]


def test_an_answer_to_come_again_is_followed_and_any_other_refusal_is_not(
    collector: OtlpCollector, start_exporter: StartExporter, counts: Counts
) -> None:
    collector.answers = [(503, {"Retry-After": "0"}), (429, {}), (200, {}), (400, {})]
    running = start_exporter(collector.endpoint)
    some_span(running.add).end()
    counts.wait_for(EXPORTED, 1)
    assert len(collector.requests) == 3
    some_span(running.add).end()
    counts.wait_for(FAILED, 1)
    assert len(collector.requests) == 4


def test_a_collector_that_never_wants_them_is_asked_so_often_and_no_more(
    collector: OtlpCollector, start_exporter: StartExporter, counts: Counts
) -> None:
    collector.answers = [(503, {})] * exporter.ATTEMPTS
    running = start_exporter(collector.endpoint)
    some_span(running.add).end()
    counts.wait_for(FAILED, 1)
    assert len(collector.requests) == exporter.ATTEMPTS


def test_spans_that_the_collector_rejects_count_as_lost(
    collector: OtlpCollector, start_exporter: StartExporter, counts: Counts
) -> None:
    collector.rejected_spans = 300
    running = start_exporter(collector.endpoint, every=3600)
    for _ in range(exporter.BATCH):
        some_span(running.add).end()
    counts.wait_for(FAILED, 300)
    assert counts.by_outcome[EXPORTED] == exporter.BATCH - 300


def test_a_kept_connection_that_was_closed_meanwhile_loses_nothing(
    collector: OtlpCollector, start_exporter: StartExporter, counts: Counts
) -> None:
    running = start_exporter(collector.endpoint, pause=3600)
    for sent in (1, 2):
        some_span(running.add).end()
        counts.wait_for(EXPORTED, sent)
    assert collector.connections == 1
    collector.close_connections = True
    for sent in (3, 4):
        some_span(running.add).end()
        counts.wait_for(EXPORTED, sent)
    assert collector.connections == 2


def test_stopping_takes_no_longer_than_it_may(
    collector: OtlpCollector, start_exporter: StartExporter, caplog: pytest.LogCaptureFixture
) -> None:
    collector.open.clear()
    running = start_exporter(collector.endpoint, timeout_seconds=PATIENCE_SECONDS)
    some_span(running.add).end()
    collector.wait_for_requests(1)
    began = time.monotonic()
    assert not running.stop(0.05)
    assert time.monotonic() - began < 5
    assert "did not take them in time" in caplog.text


def test_a_stop_does_not_wait_out_the_pause_between_attempts(
    collector: OtlpCollector, start_exporter: StartExporter, counts: Counts
) -> None:
    collector.answers = [(503, {"Retry-After": "3600"})]
    running = start_exporter(collector.endpoint, pause=3600)
    some_span(running.add).end()
    collector.wait_for_requests(1)
    assert running.stop(PATIENCE_SECONDS)
    counts.wait_for(EXPORTED, 1)


def test_no_thread_is_started_before_it_is_told_to(collector: OtlpCollector, counts: Counts) -> None:
    before = threading.active_count()
    worker_tracing(collector.endpoint, counts)
    assert threading.active_count() == before


def test_over_https_the_certificate_is_checked(
    tmp_path: Path, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = self_signed(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with OtlpCollector(tls) as collector:
        endpoint = f"https://127.0.0.1:{collector.port}/v1/traces"
        trusting = Collector(settings(endpoint=endpoint, certificate=certificate))
        doubting = Collector(settings(endpoint=endpoint))
        assert trusting.send(b"", PATIENCE_SECONDS).taken
        refused = doubting.send(b"", PATIENCE_SECONDS)
        assert not refused.taken
        assert "SSLCertVerificationError" in refused.said
        trusting.close()


# Settings


def read_settings(**variables: str) -> TracingSettings | None:
    reader = Reader(variables)
    found = read(reader)
    assert reader.faults == []
    return found


def faults(**variables: str) -> list[str]:
    reader = Reader({service.ENV_OTLP_ENDPOINT: ENDPOINT, **variables})
    read(reader)
    return reader.faults


def test_without_a_collector_nothing_is_traced_and_nothing_else_is_read() -> None:
    assert read_settings(OTEL_TRACES_SAMPLER="no such thing") is None
    assert read_settings(OTEL_EXPORTER_OTLP_ENDPOINT=ENDPOINT, OTEL_TRACES_SAMPLER="always_off") is None


def test_the_collectors_address_is_all_that_must_be_set() -> None:
    assert read_settings(OTEL_EXPORTER_OTLP_ENDPOINT=f"{ENDPOINT}/") == TracingSettings(
        sampling=Sampling(True, 1.0), service_name="inference", endpoint=f"{ENDPOINT}/v1/traces", timeout_ms=10_000
    )


def test_a_variable_for_traces_comes_before_the_one_for_all_signals() -> None:
    found = read_settings(
        OTEL_EXPORTER_OTLP_ENDPOINT=ENDPOINT,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="https://traces.example/in",
        OTEL_EXPORTER_OTLP_HEADERS="a=1",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="api-key=two%20words%2C, x-tenant = t=1 ,",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
        OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="250",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.01",
        OTEL_SERVICE_NAME="churn-api",
    )
    assert found == TracingSettings(
        sampling=Sampling(True, 0.01),
        service_name="churn-api",
        endpoint="https://traces.example/in",
        headers=(("api-key", "two words,"), ("x-tenant", "t=1")),
        timeout_ms=250,
    )


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (service.ENV_OTLP_ENDPOINT, "collector:4317", "with http or https and a host"),
        (service.ENV_OTLP_ENDPOINT, "http://[::1", "this is not a URL"),
        (service.ENV_OTLP_ENDPOINT, "http://collector:99999", "this is not a URL"),
        (service.ENV_OTLP_ENDPOINT, "http://coll ector", "with http or https and a host"),
        (service.ENV_OTLP_ENDPOINT, f"https://user:{MARKER}@collector", "put credentials into"),
        (service.ENV_OTLP_ENDPOINT, f"https://collector/?key={MARKER}", "put credentials into"),
        (service.ENV_OTLP_HEADERS, f"a=1,{MARKER}", "member 2"),
        (service.ENV_OTLP_HEADERS, f"api-key={MARKER}%0d%0aevil: 1", "member 1"),
        (service.ENV_OTLP_HEADERS, f"Content-Type={MARKER}", "content-type itself"),
        (service.ENV_OTLP_CERTIFICATE, "/nowhere/ca.pem", "name one in PEM"),
        (service.ENV_OTLP_TIMEOUT_MS, "10s", "a whole number from 1 to 60000"),
        (service.ENV_OTLP_PROTOCOL, "grpc", "one of http/protobuf"),
        (service.ENV_TRACES_SAMPLER, "jaeger_remote", "one of always_on, always_off, traceidratio"),
        (service.ENV_TRACES_SAMPLER_ARG, "0.5", "parentbased_always_on, which takes none"),
        (service.ENV_OTEL_SERVICE_NAME, " churn", "blanks around it"),
    ],
)
def test_what_is_not_allowed_is_one_fault_that_tells_no_secret(variable: str, value: str, said: str) -> None:
    [fault] = faults(**{variable: value})
    assert variable in fault
    assert said in fault
    assert MARKER not in fault


@pytest.mark.parametrize("ratio", ["1.01", "-0.1", "5%", "nan", "1e-3", "\u0660"])
def test_a_ratio_is_a_decimal_from_0_to_1(ratio: str) -> None:
    [fault] = faults(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG=ratio)
    assert "a decimal number from 0 to 1 is allowed" in fault


def test_the_headers_are_sent_and_never_shown(
    collector: OtlpCollector, counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    chosen = settings(endpoint=f"{collector.endpoint}/v1/traces", headers=(("api-key", MARKER),))
    collector.answers = [(403, {})]
    made = tracing_of(chosen, environment="dev", pod_name="pod-1", server_port=1, report=counts)
    made.exporter.start()
    record(made.tracer, predict_request())
    assert made.exporter.stop(PATIENCE_SECONDS)
    counts.wait_for(FAILED, 1)
    [(_, headers, body)] = collector.requests
    assert headers["api-key"] == MARKER
    assert MARKER not in repr(chosen) + caplog.text
    assert MARKER.encode() not in body


def test_the_container_needs_nothing_of_opentelemetry() -> None:
    code = "import sys, serving.tracing.worker; sys.exit('opentelemetry' in sys.modules or 'google' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0


def self_signed(directory: Path) -> tuple[Path, Path]:
    """A certificate for loopback that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "collector")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = directory / "ca.pem", directory / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key_file
