"""The settings of tracing: what they are read from, what is not allowed, and which of them are never shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from contract import service
from serving.reader import Reader
from serving.tracing.exporter import FAILED
from serving.tracing.settings import Sampling, TracingSettings, read
from serving.tracing.worker import tracing_of
from tests.serving.otlp_collector import OtlpCollector
from tests.serving.spans import MARKER, PATIENCE_SECONDS, Counts, predict_request, record, settings

ENDPOINT = "http://127.0.0.1:4318"


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as running:
        yield running


@pytest.fixture
def counts() -> Counts:
    return Counts()


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
