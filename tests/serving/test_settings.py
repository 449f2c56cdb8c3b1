"""The container's settings: defaults, limits, and every fault at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract import service
from contract.objects import Version
from serving.settings import InvalidSettings, load

REQUIRED = {service.ENV_MODELS_BUCKET: "models", service.ENV_MODEL_NAME: "churn"}


def test_the_bucket_and_the_model_are_all_that_must_be_set() -> None:
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


def test_both_listeners_cannot_share_a_port() -> None:
    with pytest.raises(InvalidSettings, match="SERVEML_PROBE_PORT is 9000, the port of SERVEML_HTTP_PORT"):
        load({**REQUIRED, service.ENV_HTTP_PORT: "9000", service.ENV_PROBE_PORT: "9000"})
