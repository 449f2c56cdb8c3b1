"""What the Web ACLs refuse, in which order, and within which of AWS WAF's limits."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.waf import (
    CLOUDFRONT_INSPECTED_BODY_BYTES,
    FORWARDED_FOR_HEADER,
    LOAD_BALANCER_INSPECTED_BODY_BYTES,
    SECRET_HEADERS,
    InvalidWebAcl,
    data_protection,
    number_over,
    rules,
)

MAX_BODY_BYTES = 1_048_576
REGEX_MAX = 200
"""AWS WAF's quota for a regular expression was 200 characters before it became 512."""


def plain(value: Any) -> Any:
    """The SDK's argument classes as dictionaries, None left out."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__"):
        return {key: plain(item) for key, item in vars(value).items() if item is not None}
    return value


def edge_rules(**changes: Any) -> dict[str, dict[str, Any]]:
    """The rules where clients connect directly, by name."""
    given_args: dict[str, Any] = {
        "metric_prefix": "serveml-test",
        "rate_limit_per_5_minutes": 2000,
        "max_body_bytes": MAX_BODY_BYTES,
        "inspected_body_bytes": CLOUDFRONT_INSPECTED_BODY_BYTES,
        "hidden_paths": ["/metrics"],
    }
    return {rule["name"]: rule for rule in plain(rules(**{**given_args, **changes}))}


def load_balancer_rules(**changes: Any) -> dict[str, dict[str, Any]]:
    """The rules behind the edge, by name."""
    return edge_rules(
        **{
            "forwarded_by": FORWARDED_FOR_HEADER,
            "inspected_body_bytes": LOAD_BALANCER_INSPECTED_BODY_BYTES,
            **changes,
        }
    )


def status(rule: dict[str, Any]) -> int:
    return rule["action"]["block"]["custom_response"]["response_code"]


@pytest.mark.parametrize("make", [edge_rules, load_balancer_rules])
def test_rules_have_distinct_ascending_priorities_and_metrics_of_their_own(make: Any) -> None:
    ruleset = list(make().values())
    assert [rule["priority"] for rule in ruleset] == list(range(len(ruleset)))
    assert [rule["visibility_config"]["metric_name"] for rule in ruleset] == [
        f"serveml-test-{rule['name']}" for rule in ruleset
    ]
    assert all(rule["visibility_config"]["cloudwatch_metrics_enabled"] for rule in ruleset)


@pytest.mark.parametrize("make", [edge_rules, load_balancer_rules])
def test_each_rule_blocks_by_itself_or_lets_its_managed_group_decide(make: Any) -> None:
    for rule in make().values():
        managed = "managed_rule_group_statement" in rule["statement"]
        assert ("action" in rule) != managed
        assert ("override_action" in rule) == managed
        if managed:
            assert "none" in rule["override_action"], "the group's blocks must not be turned into counts"


def test_at_the_edge_a_client_is_its_own_address() -> None:
    rate = edge_rules()["rate-limit"]
    assert rate["statement"]["rate_based_statement"] == {
        "limit": 2000,
        "evaluation_window_sec": 300,
        "aggregate_key_type": "IP",
    }
    assert status(rate) == 429


def test_behind_the_edge_a_client_is_the_forwarded_address_and_a_forged_one_is_refused() -> None:
    rate = load_balancer_rules()["rate-limit"]["statement"]["rate_based_statement"]
    assert rate["aggregate_key_type"] == "FORWARDED_IP"
    assert rate["forwarded_ip_config"] == {"header_name": "X-Forwarded-For", "fallback_behavior": "MATCH"}


def test_the_rate_is_counted_before_anything_else_so_that_refused_requests_count_too() -> None:
    assert next(iter(edge_rules())) == next(iter(load_balancer_rules())) == "rate-limit"


def managed_groups(ruleset: dict[str, dict[str, Any]]) -> set[str]:
    statements = [rule["statement"].get("managed_rule_group_statement") for rule in ruleset.values()]
    assert all(statement["vendor_name"] == "AWS" for statement in statements if statement)
    return {statement["name"] for statement in statements if statement}


def test_the_edge_has_every_managed_group_of_the_specification() -> None:
    assert managed_groups(edge_rules()) == {
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesSQLiRuleSet",
    }


def test_behind_the_edge_only_address_reputation_is_left_out_for_it_would_judge_the_edge() -> None:
    assert managed_groups(edge_rules()) - managed_groups(load_balancer_rules()) == {
        "AWSManagedRulesAmazonIpReputationList"
    }


def test_the_common_rules_count_large_bodies_and_block_everything_else() -> None:
    for ruleset in (edge_rules(), load_balancer_rules()):
        overrides = ruleset["common"]["statement"]["managed_rule_group_statement"]["rule_action_overrides"]
        assert overrides == [{"name": "SizeRestrictions_BODY", "action_to_use": {"count": {}}}]


def test_a_declared_body_is_refused_exactly_from_one_byte_over_the_limit() -> None:
    rule = load_balancer_rules()["declared-body"]
    match = rule["statement"]["regex_match_statement"]
    assert match["field_to_match"] == {"single_header": {"name": "content-length"}}
    assert re.search(match["regex_string"], str(MAX_BODY_BYTES)) is None
    assert re.search(match["regex_string"], str(MAX_BODY_BYTES + 1))
    assert status(rule) == 413


def test_a_body_without_a_declared_length_may_be_no_longer_than_what_is_inspected() -> None:
    for ruleset, inspected in ((edge_rules(), 16_384), (load_balancer_rules(), 8_192)):
        rule = ruleset["undeclared-body"]
        undeclared, large = rule["statement"]["and_statement"]["statements"]
        declared = undeclared["not_statement"]["statement"]["regex_match_statement"]
        assert declared["field_to_match"] == {"single_header": {"name": "content-length"}}
        assert large["size_constraint_statement"]["size"] == inspected
        assert large["size_constraint_statement"]["comparison_operator"] == "GT"
        assert large["size_constraint_statement"]["field_to_match"] == {"body": {"oversize_handling": "MATCH"}}
        assert status(rule) == 411


def test_a_limit_below_what_is_inspected_holds_for_undeclared_bodies_too() -> None:
    _, large = edge_rules(max_body_bytes=1024)["undeclared-body"]["statement"]["and_statement"]["statements"]
    assert large["size_constraint_statement"]["size"] == 1024


def test_a_hidden_path_is_not_found_in_whatever_spelling() -> None:
    rule = edge_rules()["hidden-paths"]
    match = rule["statement"]["byte_match_statement"]
    assert (match["positional_constraint"], match["search_string"]) == ("STARTS_WITH", "/metrics")
    assert [transformation["type"] for transformation in match["text_transformations"]] == [
        "URL_DECODE",
        "NORMALIZE_PATH",
        "LOWERCASE",
    ]
    assert status(rule) == 404


def test_several_hidden_paths_are_one_rule_and_none_is_no_rule() -> None:
    several = edge_rules(hidden_paths=["/metrics", "/Debug"])["hidden-paths"]["statement"]["or_statement"]
    assert [part["byte_match_statement"]["search_string"] for part in several["statements"]] == ["/metrics", "/debug"]
    assert "hidden-paths" not in edge_rules(hidden_paths=[])


def test_a_rate_limit_that_aws_would_refuse_is_refused_with_the_least_allowed() -> None:
    with pytest.raises(InvalidWebAcl, match=r"9 requests .* 10 or more"):
        edge_rules(rate_limit_per_5_minutes=9)


@given(limit=st.integers(0, 10**12), number=st.integers(0, 10**14), zeros=st.integers(0, 3))
def test_the_number_pattern_agrees_with_arithmetic(limit: int, number: int, zeros: int) -> None:
    written = "0" * zeros + str(number)
    assert bool(re.search(number_over(limit), written)) == (number > limit)


@pytest.mark.parametrize("limit", [0, 8, 9, 10, 99, 100, 8191, 8192, 999_999, MAX_BODY_BYTES])
def test_the_number_pattern_is_exact_at_its_limit(limit: int) -> None:
    assert re.search(number_over(limit), str(limit)) is None
    assert re.search(number_over(limit), str(limit + 1))


@given(limit=st.integers(0, 104_857_600))
def test_the_number_pattern_keeps_to_the_quotas_of_aws_waf(limit: int) -> None:
    pattern = number_over(limit)
    assert len(pattern) <= REGEX_MAX
    assert "(" not in pattern.replace("(?:", ""), "AWS WAF takes no capturing groups"


def test_a_negative_body_limit_is_refused() -> None:
    with pytest.raises(InvalidWebAcl, match="-1 bytes is not allowed"):
        number_over(-1)


def test_credentials_and_bodies_stay_out_of_samples_and_logs() -> None:
    protections = plain(data_protection())["data_protections"]
    assert {protection["action"] for protection in protections} == {"SUBSTITUTION"}
    assert [protection["field"] for protection in protections] == [
        {"field_type": "SINGLE_HEADER", "field_keys": list(SECRET_HEADERS)},
        {"field_type": "BODY"},
    ]
    assert {"authorization", "x-api-key"} <= set(SECRET_HEADERS)
