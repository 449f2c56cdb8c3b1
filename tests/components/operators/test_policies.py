"""What the policies keep apart beyond what commands do: writes by hand, other keys, other people's data."""

from __future__ import annotations

import json
import re

import boto3
import pytest
from moto import mock_aws

from components.operators.duties import Approval, Duty
from components.operators.policies import document
from tests.lifecycle.rights_world import AWAY, BUCKETS, HOME, KEYS, PREFIX, key_arn, reach, table_arn, topic_arn
from tests.lifecycle.table import TABLE
from tests.support.iam import Request, is_allowed
from tests.support.policies import as_list

POLICIES = {duty: document(duty, reach()) for duty in Duty}
LONGEST_POLICY = 6144
"""Of a managed policy, in characters without blanks (IAM user guide, "IAM and AWS STS quotas")."""
STAGED, PRODUCED = (f"arn:aws:s3:::{BUCKETS[kind][HOME]}/models/churn/v1.0.0" for kind in ("staging", "production"))
DEPLOYMENTS = table_arn(HOME, TABLE)


def may(duty: Duty, action: str, resource: str, **context: str) -> bool:
    """Context keys are written with `__` for what a name cannot hold: `s3__if_none_match`."""
    found = {name.replace("__", ":").replace("_", "-"): [value] for name, value in context.items()}
    return is_allowed([POLICIES[duty]], Request(action=action, resource=resource, context=found))


def may_touch(duty: Duty, action: str, *keys: str, table: str = DEPLOYMENTS) -> bool:
    request = Request(action=f"dynamodb:{action}", resource=table, context={"dynamodb:LeadingKeys": keys})
    return is_allowed([POLICIES[duty]], request)


@pytest.mark.parametrize("approval", Approval)
@pytest.mark.parametrize("duty", Duty)
def test_a_policy_fits_into_what_iam_takes_and_names_what_it_is_about(duty: Duty, approval: Approval) -> None:
    made = document(duty, reach(approval))
    assert len(json.dumps(made, separators=(",", ":"))) <= LONGEST_POLICY
    names = [statement["Sid"] for statement in made["Statement"]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in names)
    for statement in made["Statement"]:
        assert statement["Resource"]
        assert "*" not in as_list(statement["Resource"])
        assert not [action for action in statement["Action"] if "*" in action]


@mock_aws
def test_iam_takes_every_document() -> None:
    iam = boto3.client("iam", region_name=HOME, aws_access_key_id="test", aws_secret_access_key="test")
    for duty, made in POLICIES.items():
        answer = iam.create_policy(PolicyName=f"{PREFIX}-{duty}", PolicyDocument=json.dumps(made))
        assert answer["Policy"]["Arn"].endswith(f":policy/{PREFIX}-{duty}")


def test_a_version_is_written_once_and_never_over_another() -> None:
    put = ("s3:PutObject", f"{STAGED}/model.onnx")
    assert may(Duty.PUBLISHER, *put, s3__if_none_match="*", s3__ObjectCreationOperation="true")
    assert may(Duty.PUBLISHER, *put, s3__ObjectCreationOperation="false")
    assert not may(Duty.PUBLISHER, *put, s3__ObjectCreationOperation="true")
    assert not may(Duty.PUBLISHER, "s3:DeleteObject", f"{STAGED}/model.onnx")


@pytest.mark.parametrize("file", ["checksums.json", "signature.json", "metadata.json"])
def test_what_makes_a_version_comes_to_production_as_a_copy_of_what_lies_in_staging(file: str) -> None:
    put, new = ("s3:PutObject", f"{PRODUCED}/{file}"), {"s3__if_none_match": "*"}
    source = f"{BUCKETS['staging'][HOME]}/models/churn/v1.0.0/{file}"
    assert may(Duty.APPROVER, *put, **new, s3__x_amz_copy_source=source)
    assert not may(Duty.APPROVER, *put, s3__x_amz_copy_source=source)
    assert not may(Duty.APPROVER, *put, **new)
    assert not may(Duty.APPROVER, *put, **new, s3__x_amz_copy_source=f"elsewhere/models/churn/v1.0.0/{file}")
    assert not may(Duty.APPROVER, *put, **new, s3__x_amz_copy_source=source.replace("models/", "artifacts/", 1))
    by_hand = f"{BUCKETS['production'][HOME]}/models/churn/v1.0.0/other.onnx"
    assert not may(Duty.APPROVER, *put, **new, s3__x_amz_copy_source=by_hand)
    assert not may(Duty.APPROVER, *put, s3__ObjectCreationOperation="false")


def test_large_models_go_to_production_in_parts_and_never_over_another() -> None:
    put = ("s3:PutObject", f"{PRODUCED}/model.int8.onnx")
    assert may(Duty.APPROVER, *put, s3__ObjectCreationOperation="false")
    assert may(Duty.APPROVER, *put, s3__ObjectCreationOperation="true", s3__if_none_match="*")
    assert not may(Duty.APPROVER, *put, s3__ObjectCreationOperation="true")


def test_only_who_publishes_writes_to_staging_and_only_who_approves_to_production() -> None:
    for prefix, only in ((STAGED, Duty.PUBLISHER), (PRODUCED, Duty.APPROVER)):
        source = f"{BUCKETS['staging'][HOME]}/models/churn/v1.0.0/model.onnx"
        asked = {"s3__if_none_match": "*", "s3__x_amz_copy_source": source}
        who = [duty for duty in Duty if may(duty, "s3:PutObject", f"{prefix}/model.onnx", **asked)]
        assert who == [only]


def test_rights_to_the_table_end_at_the_kind_of_item() -> None:
    assert may_touch(Duty.PUBLISHER, "PutItem", "version#churn")
    assert may_touch(Duty.DEPLOYER, "PutItem", "default")
    for keys in (("default",), ("history#default#churn",), ("pods#default#churn",), ("version#churn", "default"), ()):
        assert not may_touch(Duty.PUBLISHER, "PutItem", *keys)
    for keys in (("version#churn",), ("pods#default#churn",), ("another-tenant",), ("default", "version#churn"), ()):
        assert not may_touch(Duty.DEPLOYER, "PutItem", *keys)
    assert may_touch(Duty.DEPLOYER, "ConditionCheckItem", "version#churn", "lease#default")
    for action in ("DeleteItem", "UpdateItem"):
        assert not may_touch(Duty.DEPLOYER, action, "default")
        assert not may_touch(Duty.DEPLOYER, action, "history#default#churn")
    writers = [duty for duty in Duty if may_touch(duty, "PutItem", "ann", table=table_arn(HOME, KEYS))]
    assert writers == [Duty.KEY_ADMIN]
    assert not any(may_touch(duty, "BatchWriteItem", "default") for duty in Duty)


def test_records_can_be_changed_in_the_other_region_while_the_first_is_away() -> None:
    assert may_touch(Duty.DEPLOYER, "PutItem", "default", table=table_arn(AWAY, TABLE))
    assert may_touch(Duty.KEY_ADMIN, "UpdateItem", "abc", table=table_arn(AWAY, KEYS))


def test_nobody_decrypts_but_through_the_service_that_hands_out_the_data() -> None:
    for region in (HOME, AWAY):
        key = key_arn(region, "data")
        for duty in Duty:
            assert not may(duty, "kms:Decrypt", key)
            assert not may(duty, "kms:Decrypt", key, kms__ViaService=f"ec2.{region}.amazonaws.com")
    assert not may(Duty.DEPLOYER, "kms:Decrypt", key_arn(HOME, "data"), kms__ViaService=f"s3.{HOME}.amazonaws.com")
    assert may(Duty.PUBLISHER, "kms:Decrypt", key_arn(AWAY, "data"), kms__ViaService=f"s3.{AWAY}.amazonaws.com")


def test_a_key_signs_what_its_alias_says() -> None:
    key = key_arn(HOME, "1234")
    for duty, purpose in ((Duty.PUBLISHER, "signing"), (Duty.DATA_OFFICER, "privacy")):
        assert may(duty, "kms:Sign", key, kms__ResourceAliases=f"alias/serveml-prod-{purpose}-2026")
    assert not may(Duty.PUBLISHER, "kms:Sign", key, kms__ResourceAliases="alias/serveml-prod-privacy")
    assert not may(Duty.PUBLISHER, "kms:Sign", key, kms__ResourceAliases="alias/serveml-dev-signing")
    assert not may(Duty.PUBLISHER, "kms:Sign", key)


def test_the_key_of_the_topic_encrypts_notices_to_the_topic_alone() -> None:
    asked = ("kms:GenerateDataKey", key_arn(HOME, "any"))

    def may_encrypt(topic: str) -> bool:
        found = {"kms:ViaService": [f"sns.{HOME}.amazonaws.com"], "kms:EncryptionContext:aws:sns:topicArn": [topic]}
        return is_allowed([POLICIES[Duty.DEPLOYER]], Request(action=asked[0], resource=asked[1], context=found))

    assert may_encrypt(topic_arn())
    assert not may_encrypt(f"{topic_arn()}-of-others")


def test_users_data_are_for_the_data_officer_who_reads_no_models() -> None:
    data = f"arn:aws:s3:::{BUCKETS['production'][AWAY]}/artifacts/users/ann/a.csv"
    for action in ("s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObjectVersion"):
        assert [duty for duty in Duty if may(duty, action, data)] == (
            [] if action == "s3:GetObject" else [Duty.DATA_OFFICER]
        )
    for action in ("s3:GetObjectVersion", "s3:DeleteObjectVersion"):
        assert not may(Duty.DATA_OFFICER, action, f"{PRODUCED}/model.onnx")


def test_what_the_custodian_deletes_can_be_had_back() -> None:
    assert may(Duty.CUSTODIAN, "s3:DeleteObject", f"{PRODUCED}/model.onnx")
    assert not may(Duty.CUSTODIAN, "s3:DeleteObjectVersion", f"{PRODUCED}/model.onnx")


def test_audit_logs_are_read_by_the_auditor_and_written_by_nobody() -> None:
    log = f"arn:aws:s3:::{BUCKETS['audit'][HOME]}/AWSLogs/1.json.gz"
    assert [duty for duty in Duty if may(duty, "s3:GetObject", log)] == [Duty.AUDITOR]
    for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"):
        assert not any(may(duty, action, log, s3__if_none_match="*") for duty in Duty)


@pytest.mark.parametrize(("approval", "refused"), [(Approval.BY_ANYBODY, False), (Approval.BY_ANOTHER, True)])
def test_who_approves_may_publish_too_unless_another_has_to_approve(approval: Approval, refused: bool) -> None:
    both = [document(duty, reach(approval)) for duty in (Duty.PUBLISHER, Duty.APPROVER)]
    put = Request(action="s3:PutObject", resource=f"{STAGED}/model.onnx", context={"s3:if-none-match": ["*"]})
    assert is_allowed(both, put) is not refused
