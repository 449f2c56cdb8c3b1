"""The container's settings: defaults, limits, and every fault at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contract import service
from contract.objects import Version
from serving.reader import InvalidSettings
from serving.settings import load
from tests.serving.process import ROOT

REQUIRED = {
    service.ENV_MODELS_BUCKET: "models",
    service.ENV_MODEL_NAME: "churn",
    service.ENV_KEYS_TABLE: "api-keys",
}


def test_the_bucket_the_model_and_where_keys_are_must_be_set_and_nothing_else() -> None:
    settings = load(REQUIRED)
    assert (settings.http_port, settings.probe_port) == (8000, 8001)
    assert [model.version for model in settings.models] == [None]
    assert settings.cache_dir == Path("/var/cache/serveml")


def test_an_empty_variable_counts_as_unset() -> None:
    assert load({**REQUIRED, service.ENV_MODEL_VERSION: "", service.ENV_MAX_ROWS: ""}) == load(REQUIRED)


def test_a_version_is_pinned_by_its_number() -> None:
    assert load({**REQUIRED, service.ENV_MODEL_VERSION: "1.4.0"}).models[0].version == Version(1, 4, 0)


def test_every_fault_is_reported_with_variable_value_and_what_is_allowed() -> None:
    with pytest.raises(InvalidSettings) as raised:
        load(
            {
                service.ENV_MODELS_BUCKET: "My Bucket",
                service.ENV_MODEL_VERSION: "newest",
                service.ENV_LOG_LEVEL: "loud",
                service.ENV_HTTP_PORT: "70000",
                service.ENV_DRAIN_SECONDS: "-1",
                service.ENV_MAX_ROWS: "1_000",
                service.ENV_AUTHENTICATION: "off",
            }
        )
    assert str(raised.value).splitlines() == [
        "SERVEML_MODELS_BUCKET: 'My Bucket' is not a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens",
        "SERVEML_MODEL_NAME is not set, and it has no default",
        "SERVEML_MODEL_VERSION: model version 'newest' is not a semantic version: "
        "write MAJOR.MINOR.PATCH, such as 1.4.0",
        "SERVEML_LOG_LEVEL: 'loud' is no level: one of debug, info, warning, error is allowed",
        "SERVEML_HTTP_PORT is '70000': a whole number from 0 to 65535 is allowed",
        "SERVEML_MAX_ROWS is '1_000': a whole number from 1 to 100000 is allowed",
        "SERVEML_DRAIN_SECONDS is '-1': a whole number from 0 to 600 is allowed",
    ]


def test_access_is_required_unless_it_is_turned_off_and_needs_a_source_of_credentials() -> None:
    without = {name: value for name, value in REQUIRED.items() if name != service.ENV_KEYS_TABLE}
    with pytest.raises(InvalidSettings, match="no credential could be checked: set SERVEML_KEYS_TABLE, "):
        load(without)
    assert not load({**without, service.ENV_AUTHENTICATION: "off"}).access.authentication
    assert load(REQUIRED).access.authentication


TOKENS = {
    service.ENV_TOKEN_ISSUER: "https://issuer.example",
    service.ENV_TOKEN_AUDIENCE: "serveml",
    service.ENV_TOKEN_KEYS_URL: "https://issuer.example/keys",
}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({service.ENV_AUTHENTICATION: "maybe"}, "SERVEML_AUTHENTICATION is 'maybe': one of required, off is allowed"),
        ({service.ENV_KEYS_FILE: "keys.json"}, "SERVEML_KEYS_TABLE and SERVEML_KEYS_FILE are both set"),
        (
            {service.ENV_TOKEN_ISSUER: "https://issuer.example"},
            "SERVEML_TOKEN_ISSUER is set and SERVEML_TOKEN_AUDIENCE, SERVEML_TOKEN_KEYS_URL is not",
        ),
        ({**TOKENS, service.ENV_TOKEN_KEYS_URL: "http://issuer.example/keys"}, "use https, or http on loopback"),
        ({service.ENV_MODEL_REQUESTS_PER_MINUTE: "churn"}, "'churn' is no limit: write MODEL=REQUESTS"),
        ({service.ENV_MODEL_REQUESTS_PER_MINUTE: "churn=0"}, "'churn=0' is out of range"),
        ({service.ENV_MODEL_REQUESTS_PER_MINUTE: "Churn=1"}, "model name 'Churn' is not allowed"),
        ({service.ENV_REQUESTS_PER_MINUTE: "0"}, "SERVEML_REQUESTS_PER_MINUTE is '0': a whole number from 1"),
    ],
)
def test_access_that_makes_no_sense_is_refused_with_the_remedy(changes: dict[str, str], fault: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        load({**REQUIRED, **changes})
    assert fault in str(raised.value)


def test_limits_of_models_are_read_by_name() -> None:
    settings = load({**REQUIRED, service.ENV_MODEL_REQUESTS_PER_MINUTE: "churn=6000, fraud=100"})
    assert settings.access.model_requests_per_minute == {"churn": 6000, "fraud": 100}


def test_a_gpu_that_is_asked_for_and_absent_is_told_at_the_start() -> None:
    with pytest.raises(InvalidSettings, match=r"the device gpu was asked for, and ONNX Runtime has .*CPU"):
        load({**REQUIRED, service.ENV_DEVICE: "gpu"})


@pytest.mark.parametrize("variable", [service.ENV_PROBE_PORT, service.ENV_GRPC_PORT])
def test_no_two_listeners_share_a_port(variable: str) -> None:
    with pytest.raises(InvalidSettings, match=f"{variable} is 9100, the port of SERVEML_HTTP_PORT"):
        load({**REQUIRED, service.ENV_HTTP_PORT: "9100", variable: "9100"})


def test_grpc_has_a_port_or_none() -> None:
    assert load(REQUIRED).grpc_port == service.GRPC_PORT
    assert load({**REQUIRED, service.ENV_GRPC_PORT: "off"}).grpc_port is None
    with pytest.raises(InvalidSettings, match="SERVEML_GRPC_PORT: 'no' is no port"):
        load({**REQUIRED, service.ENV_GRPC_PORT: "no"})


def test_the_page_on_the_container_names_every_variable_that_it_reads() -> None:
    page = (ROOT / "docs" / "serving.md").read_text()
    named = {value for name, value in vars(service).items() if name.startswith("ENV_") and name != "ENV_PREFIX"}
    # OpenTelemetry's come in two forms, for traces and for all, which the page says once.
    ours = {name for name in named if name.startswith(service.ENV_PREFIX)}
    assert {name for name in ours if f"`{name}`" not in page} == set()
    assert set(re.findall(r"`(SERVEML_[A-Z_]+)`", page)) <= ours
    assert set(re.findall(r"`(OTEL_[A-Z_]+)`", page)) <= named
