"""Key policies by value: who may do what with each key, and under which condition."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from components.keys import policies
from components.keys.policies import Document, Scope

ACCOUNT_ID = "123456789012"
SCOPE = Scope(account_id=ACCOUNT_ID, region="eu-west-1")
ACCOUNT = {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"}

EVERY_KEY = [policies.data_key, policies.cluster_key, policies.logs_key, policies.images_key]
BOUND_KEYS = [policies.data_key, policies.logs_key, policies.images_key]

every_key = pytest.mark.parametrize("key", EVERY_KEY, ids=lambda key: key.__name__)


def statements(key: Callable[[Scope], Document]) -> list[Document]:
    return key(SCOPE)["Statement"]


def for_service(key: Callable[[Scope], Document], service: str) -> Document:
    (statement,) = [one for one in statements(key) if one["Principal"] == {"Service": service}]
    return statement


def for_account(key: Callable[[Scope], Document], action: str) -> Document:
    (statement,) = [one for one in statements(key) if one["Principal"] == ACCOUNT and action in one["Action"]]
    return statement


@every_key
def test_no_action_is_a_wildcard(key: Callable[[Scope], Document]) -> None:
    assert not [action for one in statements(key) for action in one["Action"] if "*" in action]


@every_key
def test_nobody_is_allowed_without_a_name(key: Callable[[Scope], Document]) -> None:
    assert all(one["Principal"] == ACCOUNT or set(one["Principal"]) == {"Service"} for one in statements(key))


@every_key
def test_every_service_is_held_to_this_account(key: Callable[[Scope], Document]) -> None:
    for one in statements(key):
        if "Service" in one["Principal"]:
            # IfExists lets a request through that lacks the key, so it binds nothing by itself.
            binding = {test: keys for test, keys in one["Condition"].items() if not test.endswith("IfExists")}
            assert ACCOUNT_ID in str(binding), one["Sid"]


@every_key
def test_the_account_can_always_change_the_policy_so_that_no_key_is_locked_out(
    key: Callable[[Scope], Document],
) -> None:
    assert "Condition" not in for_account(key, "kms:PutKeyPolicy")


@every_key
def test_who_administers_a_key_cannot_read_with_it_by_that(key: Callable[[Scope], Document]) -> None:
    administration = for_account(key, "kms:PutKeyPolicy")
    assert not set(administration["Action"]) & {*policies.CRYPTOGRAPHY, "kms:CreateGrant"}


@pytest.mark.parametrize("key", BOUND_KEYS, ids=lambda key: key.__name__)
def test_a_role_uses_a_key_only_through_services_of_the_region(key: Callable[[Scope], Document]) -> None:
    for action in ("kms:Decrypt", "kms:CreateGrant"):
        condition = for_account(key, action)["Condition"]
        assert set(condition) == {"StringEquals"}
        services = condition["StringEquals"]["kms:ViaService"]
        assert services
        assert all(service.endswith(".eu-west-1.amazonaws.com") for service in services)


def test_buckets_and_tables_are_encrypted_and_replicated_with_the_data_key() -> None:
    services = for_account(policies.data_key, "kms:Decrypt")["Condition"]["StringEquals"]["kms:ViaService"]
    assert {"s3.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com"} <= set(services)


def test_the_data_key_encrypts_only_the_log_groups_of_airflow() -> None:
    statement = for_service(policies.data_key, "logs.eu-west-1.amazonaws.com")
    assert statement["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:eu-west-1:{ACCOUNT_ID}:log-group:airflow-*"}
    }


def test_eks_can_take_its_grant_which_it_does_under_no_condition() -> None:
    statement = for_account(policies.cluster_key, "kms:CreateGrant")
    assert "Condition" not in statement
    assert "kms:DescribeKey" in for_account(policies.cluster_key, "kms:DescribeKey")["Action"]


def test_log_groups_of_this_region_and_account_are_encrypted_with_the_logs_key() -> None:
    statement = for_service(policies.logs_key, "logs.eu-west-1.amazonaws.com")
    assert set(policies.CRYPTOGRAPHY) <= set(statement["Action"])
    assert statement["Condition"] == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:eu-west-1:{ACCOUNT_ID}:log-group:*"}
    }


def test_the_trail_encrypts_and_describes_for_trails_of_this_account() -> None:
    statement = for_service(policies.logs_key, "cloudtrail.amazonaws.com")
    assert {"kms:GenerateDataKey", "kms:DescribeKey"} <= set(statement["Action"])
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": f"arn:aws:cloudtrail:eu-west-1:{ACCOUNT_ID}:trail/*"}


def test_flow_logs_of_this_account_and_region_are_delivered_encrypted() -> None:
    statement = for_service(policies.logs_key, "delivery.logs.amazonaws.com")
    assert "kms:GenerateDataKey" in statement["Action"]
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT_ID},
        "ArnLike": {"aws:SourceArn": f"arn:aws:logs:eu-west-1:{ACCOUNT_ID}:*"},
    }


@pytest.mark.parametrize("publisher", ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"])
def test_alarms_and_budgets_publish_to_encrypted_topics(publisher: str) -> None:
    statement = for_service(policies.logs_key, publisher)
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT_ID}


def test_images_are_encrypted_by_the_registry_alone() -> None:
    assert {str(one["Principal"]) for one in statements(policies.images_key)} == {str(ACCOUNT)}
    services = for_account(policies.images_key, "kms:CreateGrant")["Condition"]["StringEquals"]["kms:ViaService"]
    assert services == ["ecr.eu-west-1.amazonaws.com"]


@every_key
def test_a_policy_keeps_to_the_size_that_kms_takes(key: Callable[[Scope], Document]) -> None:
    # AWS KMS Developer Guide, "Resource quotas": key policy document size, 32 KB.
    assert len(json.dumps(key(SCOPE))) < 32 * 1024
