"""Settings: what a stack file may say, and the one error that says everything wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.naming import Names
from infra.regions import PAIRS, Residency
from infra.settings import Environment, Settings, SettingsError, load, reference
from infra.settings.checks import LONGEST_BUCKET_KIND, LONGEST_ROLE_PART
from localcloud.program import ROOT, STACKS, stack_config
from stacks.environments import defaults
from stacks.reference import FOLDER, documents

DIGEST = "sha256:" + "a" * 64
TOKENS = {
    "token_issuer": "https://issuer.example.com",
    "token_audience": "serveml",
    "token_keys_url": "https://issuer.example.com/.well-known/jwks.json",
}


def settings(environment: str = "dev", **more: Any) -> Settings:
    return load(config(environment, **more), stack=environment, defaults=defaults)


def config(environment: str = "dev", **more: Any) -> dict[str, str]:
    given = {"environment": environment, "domain": "ml.example.com", **more}
    return {f"serveml:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}


def problems(config: Mapping[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as error:
        load(config, stack="test", defaults=defaults)
    return {problem.key: problem.message for problem in error.value.problems}


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_file_of_the_repository_loads(stack: str) -> None:
    loaded = load(stack_config(stack), stack=stack, defaults=defaults)
    assert loaded.environment == stack


def test_prod_runs_in_both_regions_of_its_residency_and_dev_in_one() -> None:
    assert settings("prod").regions == ("us-east-1", "us-west-2")
    assert settings("prod", residency="eu").regions == ("eu-west-1", "eu-central-1")
    assert settings("dev").regions == ("us-east-1",)


def test_a_stack_file_changes_one_field_of_a_group_and_keeps_the_environments_others() -> None:
    loaded = settings("prod", edge={"rate_limit_per_5_minutes": 500})
    assert loaded.edge.rate_limit_per_5_minutes == 500
    assert loaded.edge.price_class == settings("prod").edge.price_class == "PriceClass_All"


def test_settings_cannot_be_changed_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings("dev").network.zones = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_keys_of_other_namespaces_are_left_alone() -> None:
    loaded = load({**config("dev"), "aws:region": "us-east-1"}, stack="dev", defaults=defaults)
    assert loaded.environment is Environment.DEV


def test_a_misspelt_key_is_named_with_the_nearest_right_one() -> None:
    found = problems({**config("dev"), "serveml:residencey": "eu"})
    assert found.keys() == {"serveml:residencey"}
    assert "did you mean 'residency'?" in found["serveml:residencey"]


def test_a_misspelt_key_inside_a_group_is_named_by_its_path() -> None:
    found = problems(config("dev", network={"nat_gatways": "single"}))
    assert "did you mean 'nat_gateways'?" in found["serveml:network.nat_gatways"]


def test_overlapping_address_ranges_name_both() -> None:
    found = problems(config("prod", network={"secondary_cidr": "10.0.128.0/17"}))
    message = found["serveml:network.secondary_cidr"]
    assert "10.0.128.0/17" in message
    assert "10.0.0.0/16" in message


@pytest.mark.parametrize("image", ["repo/inference:latest", "repo/inference", f"repo/inference:1.0@{DIGEST[:-1]}"])
def test_an_image_without_a_digest_is_refused(image: str) -> None:
    message = problems(config("dev", image=image))["serveml:image"]
    assert repr(image) in message
    assert "by digest" in message


def test_prod_with_one_region_is_refused() -> None:
    assert "two regions" in problems(config("prod", secondary_region=False))["serveml:secondary_region"]


def test_an_unknown_residency_lists_those_there_are() -> None:
    message = problems(config("dev", residency="moon"))["serveml:residency"]
    assert "'moon'" in message
    assert all(name in message for name in Residency)


def test_a_project_name_that_makes_a_name_too_long_says_by_how_much() -> None:
    message = problems(config("prod", project="a-quite-long-project-name"))["serveml:project"]
    assert "shorten project by" in message


def test_a_stack_without_settings_is_told_which_file_to_make() -> None:
    with pytest.raises(SettingsError, match=r"create Pulumi\.fresh\.yaml") as error:
        load({}, stack="fresh", defaults=defaults)
    assert error.value.problems[0].key == "serveml:environment"


def test_all_problems_are_reported_at_once() -> None:
    found = problems(
        config(
            "prod",
            residency="moon",
            image="x:latest",
            secondary_region=False,
            network={"secondary_cidr": "10.0.0.0/17"},
            typo=1,
        )
    )
    assert found.keys() == {
        "serveml:residency",
        "serveml:image",
        "serveml:typo",
        "serveml:secondary_region",
        "serveml:network.secondary_cidr",
    }


@pytest.mark.parametrize(
    ("environment", "change", "key"),
    [
        ("prod", {"tls": False}, "tls"),
        ("dev", {"tls": False}, "edge.enabled"),
        ("dev", {"edge": {"enabled": False}}, "ingress.client_cidrs"),
        ("dev", {"ingress": {"client_cidrs": ["198.51.100.0/24"]}}, "ingress.client_cidrs"),
        ("dev", {"cluster": {"endpoint_public_access": True}}, "cluster.endpoint_public_cidrs"),
        (
            "dev",
            {"cluster": {"endpoint_public_access": True, "endpoint_public_cidrs": ["0.0.0.0/0"]}},
            "cluster.endpoint_public_cidrs",
        ),
        ("dev", {"ingress": {"health_timeout_seconds": 30}}, "ingress.health_timeout_seconds"),
        ("dev", {"edge": {"static_default_ttl_seconds": 1}}, "edge.static_default_ttl_seconds"),
        ("prod", {"failover": {"primary_weight": 0}}, "failover.primary_weight"),
        ("dev", {"failover": {"secondary_weight": 10}}, "failover.secondary_weight"),
        ("dev", {"ingress": {"canary_weight": 10}}, "ingress.canary_weight"),
        ("dev", {"workload": {"canary_image": f"repo@{DIGEST}"}}, "workload.canary_image"),
        ("prod", {"workload": {"min_available": 3}}, "workload.min_available"),
        ("prod", {"workload": {"cpu_request_millicores": 3000}}, "workload.cpu_request_millicores"),
        ("prod", {"cluster": {"node_pools": {"gpu": {"enabled": True}}}}, "workload.quota.gpus"),
        ("prod", {"storage": {"force_destroy": True}}, "storage.force_destroy"),
        ("dev", {"network": {"private_prefix_length": 17}}, "network.primary_cidr"),
        ("dev", {"network": {"primary_cidr": "8.8.0.0/16"}}, "network.primary_cidr"),
        ("prod", {"network": {"nat_gateways": "single"}}, "network.nat_gateways"),
        ("prod", {"access": {"authentication": "off"}}, "access.authentication"),
        ("staging", {"access": {"authentication": "off"}}, "access.authentication"),
        (
            "dev",
            {"access": {"authentication": "off", "model_requests_per_minute": {"demo": 1}}},
            "access.model_requests_per_minute",
        ),
        ("dev", {"access": {"authentication": "off", **TOKENS}}, "access.token_issuer"),
        ("dev", {"access": {"token_issuer": "issuer"}}, "access.token_keys_url"),
        ("dev", {"access": {"token_audience": "serveml"}}, "access.token_issuer"),
        ("dev", {"access": {**TOKENS, "token_keys_url": "http://issuer.example.com/keys"}}, "access.token_keys_url"),
        ("dev", {"access": {**TOKENS, "token_keys_url": "https://me:pw@issuer.example/k"}}, "access.token_keys_url"),
        ("dev", {"access": {"model_requests_per_minute": {"fraud": 10}}}, "access.model_requests_per_minute"),
        ("dev", {"access": {"requests_per_minute": 0}}, "access.requests_per_minute"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(environment: str, change: dict[str, Any], key: str) -> None:
    assert f"serveml:{key}" in problems(config(environment, **change))


@pytest.mark.parametrize("environment", Environment)
def test_callers_authenticate_in_every_environment_unless_it_is_told_otherwise(environment: Environment) -> None:
    assert settings(environment).access.authentication == "required"


@pytest.mark.parametrize("environment", ["dev", "local"])
def test_only_dev_and_local_may_let_everybody_call(environment: str) -> None:
    assert settings(environment, access={"authentication": "off"}).access.authentication == "off"
    message = problems(config("prod", access={"authentication": "off"}))["serveml:access.authentication"]
    assert message == "'off' was given; only dev and local may let everybody call, not prod: remove the key"


def test_tokens_of_an_issuer_need_all_three_settings_and_each_missing_one_is_named() -> None:
    assert settings("dev", access=TOKENS).access.token_audience == "serveml"
    found = problems(config("dev", access={"token_issuer": "https://issuer.example.com"}))
    assert found.keys() == {"serveml:access.token_audience", "serveml:access.token_keys_url"}


def test_twenty_pods_at_two_cpus_do_not_fit_a_quota_of_forty_with_surge_and_canary() -> None:
    message = problems(config("prod", workload={"quota": {"cpu_limit_cores": 40}}))["serveml:workload.quota"]
    assert "48000" in message
    assert settings("prod").workload.quota.cpu_limit_cores * 1000 >= 48000


def test_the_defaults_are_the_figures_of_the_specification() -> None:
    prod = settings("prod")
    assert (prod.workload.autoscaling.replicas_min, prod.workload.autoscaling.replicas_max) == (3, 20)
    assert (prod.workload.cpu_request_millicores, prod.workload.memory_request_mib) == (500, 512)
    assert (prod.workload.cpu_limit_millicores, prod.workload.memory_limit_mib) == (2000, 2048)
    assert (prod.budget.limit_usd, prod.budget.actual_percent) == (10_000, 80)
    assert prod.edge.rate_limit_per_5_minutes == 2000
    assert (prod.ingress.health_interval_seconds, prod.ingress.health_timeout_seconds) == (30, 5)
    assert (prod.ingress.healthy_threshold, prod.ingress.unhealthy_threshold) == (2, 3)
    assert (prod.failover.primary_weight, prod.failover.secondary_weight) == (100, 0)
    assert prod.log_level == "warning"
    assert prod.access.requests_per_minute == 100


@given(
    project=st.from_regex(r"[a-z][a-z0-9]{0,17}", fullmatch=True),
    residency=st.sampled_from(list(Residency)),
    environment=st.sampled_from(list(Environment)),
)
def test_whatever_settings_accept_makes_names_within_the_limits_of_aws(
    project: str, residency: Residency, environment: Environment
) -> None:
    try:
        loaded = settings(environment, project=project, residency=residency)
    except SettingsError as error:
        assert all(problem.key == "serveml:project" for problem in error.problems)  # noqa: PT017
        return
    for region in loaded.regions:
        names = Names(loaded.project, loaded.environment, region)
        assert len(names.load_balancer()) <= 32
        assert len(names.bucket(LONGEST_BUCKET_KIND, "1" * 12)) <= 63
        assert len(names.role(LONGEST_ROLE_PART)) <= 64


def test_every_pair_has_two_regions_and_no_region_serves_two_residencies() -> None:
    regions = [region for pair in PAIRS.values() for region in (pair.primary, pair.secondary)]
    assert len(set(regions)) == len(regions) == 2 * len(Residency)


def test_the_reference_lists_every_setting_once() -> None:
    rows = [line for line in reference.table(defaults).splitlines() if line.startswith("| `")]
    keys = [row.split("`")[1] for row in rows]
    assert sorted(keys) == sorted({".".join(path) for path, _ in reference.leaves()})
    assert all(row.split("|")[2].strip() for row in rows), "every setting says what it means"


@pytest.mark.parametrize("stack", STACKS)
def test_the_schema_accepts_the_stack_files_and_refuses_a_misspelt_key(stack: str) -> None:
    schema = json.loads(reference.schema())
    document = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    jsonschema.validate(document, schema)
    document["config"]["serveml:domian"] = "x"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_the_reference_and_the_schema_in_the_repository_are_up_to_date() -> None:
    old = [name for name, text in documents().items() if (FOLDER / name).read_text() != text]
    assert not old, f"run `make reference` and commit {old}"
