"""How the serving pods are configured: the environment that they read, and what is refused before they would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from components.workload import authentication, configuration
from components.workload.authentication import TokenIssuer
from components.workload.errors import InvalidWorkload
from components.workload.pods import pod_spec
from contract.objects import InvalidName
from serving.access import settings as access_settings
from serving.reader import Reader
from tests.support.workload import AUTHENTICATION, POD, SETTINGS


def container() -> dict[str, Any]:
    (only,) = pod_spec(POD, "stable")["containers"]
    return only


def test_the_environment_carries_the_settings_by_the_names_of_the_contract() -> None:
    variables = configuration.environment(SETTINGS, "eu-west-1")

    assert variables == {
        "SERVEML_ENVIRONMENT": "prod",
        "SERVEML_LOG_LEVEL": "warning",
        "SERVEML_MODELS_BUCKET": "serveml-prod-euw1-models",
        "SERVEML_DEPLOYMENTS_TABLE": "serveml-prod-deployments",
        "SERVEML_MODEL_NAME": "churn",
        "SERVEML_MODEL_VERSION": "latest",
        "SERVEML_HTTP_PORT": "8000",
        "SERVEML_PROBE_PORT": "8001",
        "SERVEML_MAX_BODY_BYTES": "1048576",
        "SERVEML_DRAIN_SECONDS": "20",
        "SERVEML_REFRESH_SECONDS": "30",
        "SERVEML_KEEP_ALIVE_SECONDS": "75",
        "SERVEML_WORKERS": "2",
        "SERVEML_MAX_WAIT_MS": "100",
        "SERVEML_MAX_CONNECTIONS": "4096",
        "SERVEML_GRPC_PORT": "9000",
        "SERVEML_CACHE_DIR": "/var/cache/serveml",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "SERVEML_AUTHENTICATION": "required",
        "SERVEML_KEYS_TABLE": "serveml-prod-api-keys",
        "SERVEML_KEYS_REFRESH_SECONDS": "10",
        "SERVEML_REQUESTS_PER_MINUTE": "100",
    }
    assert container()["envFrom"] == [
        {"configMapRef": {"name": configuration.config_map(variables)["metadata"]["name"]}}
    ]


def test_without_authentication_the_container_is_told_so_and_given_no_keys_and_no_limits() -> None:
    variables = configuration.environment(replace(SETTINGS, authentication=None), "eu-west-1")

    assert variables["SERVEML_AUTHENTICATION"] == "off"
    assert not [name for name in variables if "KEYS" in name or "PER_MINUTE" in name or "TOKEN" in name]


def test_limits_of_models_and_an_issuer_of_tokens_are_written_as_the_container_reads_them() -> None:
    issuer = TokenIssuer(
        issuer="https://issuer.example.com", audience="serveml", keys_url="https://issuer.example.com/keys.json"
    )
    limits = {"fraud": 100, "churn": 6000}
    given = replace(AUTHENTICATION, model_requests_per_minute=limits, token_issuer=issuer)
    read = access_settings.read(Reader(cast(dict[str, str], authentication.variables(given))))

    assert read.model_requests_per_minute == limits
    assert read.tokens == access_settings.TokenSettings(
        issuer="https://issuer.example.com", audience="serveml", keys_url="https://issuer.example.com/keys.json"
    )
    assert (read.authentication, read.keys_table) == (True, "serveml-prod-api-keys")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"requests_per_minute": 0}, "requests_per_minute is 0: give a whole number from 1 to 6000000"),
        ({"model_requests_per_minute": {"churn": 6_000_001}}, "model_requests_per_minute of churn is 6000001"),
        ({"keys_refresh_seconds": 0}, "keys_refresh_seconds is 0"),
    ],
)
def test_limits_that_the_server_would_refuse_are_refused_before(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidWorkload, match=message):
        replace(AUTHENTICATION, **change)


def test_the_issuers_keys_are_read_over_https_alone() -> None:
    with pytest.raises(InvalidWorkload, match="give an https address"):
        TokenIssuer(issuer="issuer", audience="serveml", keys_url="http://issuer.example.com/keys.json")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"log_level": "verbose"}, InvalidWorkload, "'verbose' is not known: use one of debug, info, warning, error"),
        ({"model_version": "newest"}, InvalidName, "'newest' is not a semantic version"),
        ({"model_name": "Churn!"}, InvalidName, "'Churn!' is not allowed"),
        ({"refresh_seconds": 0}, InvalidWorkload, "refresh_seconds is 0: give a whole number, 1 or more"),
        ({"max_wait_ms": 0}, InvalidWorkload, "max_wait_ms is 0: give a whole number, 1 or more"),
        ({"max_connections": 0}, InvalidWorkload, "max_connections is 0: give a whole number, 1 or more"),
    ],
)
def test_settings_that_the_server_would_refuse_are_refused_before(
    change: dict[str, Any], error: type[ValueError], message: str
) -> None:
    with pytest.raises(error, match=message):
        replace(SETTINGS, **change)
