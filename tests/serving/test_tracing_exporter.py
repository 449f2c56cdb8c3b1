"""Spans and a collector that is away, slow, closed to us or does not want them."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.tracing import exporter
from serving.tracing.collector import Collector
from serving.tracing.exporter import DROPPED, EXPORTED, FAILED, Exporter
from tests.serving.otlp_collector import OtlpCollector
from tests.serving.spans import PATIENCE_SECONDS, Counts, predict_request, record, settings, some_span, worker_tracing


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as running:
        yield running


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
