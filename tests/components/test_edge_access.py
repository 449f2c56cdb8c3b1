"""Behind the edge: who may read the files, what the Web ACL turns away, and what is logged where."""

from __future__ import annotations

import json

import pytest

from components.edge.access_logs import bucket_statement
from components.edge.policies import distribution_reads, static_key_policy
from components.keys.policies import Scope, logs_key
from localcloud.graph import Graph, Node
from tests.components.edge import ACCESS_LOG_BUCKET, ACCOUNT, NAMES, STATIC_BUCKET, edge, origin

DISTRIBUTION = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"


@pytest.fixture(scope="module")
def graph() -> Graph:
    return edge()


@pytest.fixture(scope="module")
def distribution(graph: Graph) -> Node:
    return graph.one("Distribution")


def test_the_web_acl_stands_before_the_distribution_in_us_east_1(graph: Graph, distribution: Node) -> None:
    acl = graph.one("WebAcl")
    assert (acl.region, acl.inputs["scope"]) == ("us-east-1", "CLOUDFRONT")
    assert distribution.inputs["webAclId"] == acl.outputs["arn"]
    limits = [
        rule["statement"]["rateBasedStatement"]
        for rule in acl.inputs["rules"]
        if "rateBasedStatement" in rule["statement"]
    ]
    assert [(limit["limit"], limit["aggregateKeyType"]) for limit in limits] == [(2000, "IP")]
    managed = {
        rule["statement"]["managedRuleGroupStatement"]["name"]
        for rule in acl.inputs["rules"]
        if "managedRuleGroupStatement" in rule["statement"]
    }
    assert managed == {
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesSQLiRuleSet",
    }


def test_the_web_acl_logs_to_an_encrypted_group_in_us_east_1(graph: Graph) -> None:
    group = graph.one("LogGroup")
    assert group.inputs["name"].startswith("aws-waf-logs-")
    key = graph.one("aws:kms/key:Key", "waf-log")
    assert (group.region, key.region) == ("us-east-1", "us-east-1")
    assert group.inputs["kmsKeyId"] == key.outputs["arn"]
    assert json.loads(key.inputs["policy"]) == logs_key(Scope(ACCOUNT, "us-east-1"))
    assert group.inputs["retentionInDays"] == 90
    logging = graph.one("WebAclLoggingConfiguration")
    assert logging.inputs["logDestinationConfigs"] == [group.outputs["arn"]]


def test_only_this_distribution_reads_the_bucket(graph: Graph, distribution: Node) -> None:
    policy = graph.one("BucketPolicy")
    statements = json.loads(policy.inputs["policy"])["Statement"]
    allowed = [statement for statement in statements if statement["Effect"] == "Allow"]
    assert allowed == [
        {
            "Sid": "DistributionReads",
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{STATIC_BUCKET}/*",
            "Condition": {"StringEquals": {"AWS:SourceArn": distribution.outputs["arn"]}},
        }
    ]
    assert {"RefusePlainHttp", "RefuseOldTls"} <= {statement["Sid"] for statement in statements}


def test_requests_to_the_bucket_are_signed(graph: Graph, distribution: Node) -> None:
    access = graph.one("OriginAccessControl")
    assert (access.inputs["signingBehavior"], access.inputs["signingProtocol"]) == ("always", "sigv4")
    static = origin(distribution, "static")
    assert static["originAccessControlId"] == access.id
    assert static["domainName"] == f"{STATIC_BUCKET}.s3.eu-west-1.amazonaws.com"


def test_the_bucket_waits_for_its_access_block_before_it_takes_a_policy(graph: Graph) -> None:
    assert any("BucketPublicAccessBlock" in urn for urn in graph.one("BucketPolicy").dependencies)


def test_files_are_encrypted_with_a_rotated_key_that_only_this_distribution_may_decrypt_with(
    graph: Graph, distribution: Node
) -> None:
    key = graph.one("aws:kms/key:Key", "static")
    assert key.inputs["enableKeyRotation"] is True
    assert key.protect
    policy = graph.one("KeyPolicy")
    assert policy.inputs["keyId"] == key.outputs["keyId"]
    assert json.loads(policy.inputs["policy"]) == static_key_policy(
        Scope(ACCOUNT, "eu-west-1"), distribution.outputs["arn"]
    )
    service = [
        statement
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    ]
    assert [(statement["Action"], statement["Condition"]) for statement in service] == [
        (["kms:Decrypt"], {"StringEquals": {"AWS:SourceArn": distribution.outputs["arn"]}})
    ]


def test_the_key_of_the_files_names_every_action_and_is_used_through_s3_only() -> None:
    statements = {
        statement["Sid"]: statement
        for statement in static_key_policy(Scope(ACCOUNT, "eu-west-1"), DISTRIBUTION)["Statement"]
    }
    assert all("*" not in action for statement in statements.values() for action in statement["Action"])
    use = statements["UseThroughServicesByIam"]
    assert use["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}


def test_a_distribution_may_get_objects_but_not_list_them() -> None:
    statement = distribution_reads("arn:aws:s3:::files", DISTRIBUTION)
    assert (statement["Action"], statement["Resource"]) == ("s3:GetObject", "arn:aws:s3:::files/*")


def test_access_logs_go_to_the_bucket_without_cookies_or_query_strings(graph: Graph, distribution: Node) -> None:
    source, destination, delivery = (
        graph.one(kind) for kind in ("LogDeliverySource", "LogDeliveryDestination", "LogDelivery")
    )
    assert {node.region for node in (source, destination, delivery)} == {"us-east-1"}
    assert source.inputs["resourceArn"] == distribution.outputs["arn"]
    assert destination.inputs["deliveryDestinationConfiguration"]["destinationResourceArn"] == (
        f"arn:aws:s3:::{ACCESS_LOG_BUCKET}/cloudfront"
    )
    fields = set(delivery.inputs["recordFields"])
    assert {"date", "time", "c-ip", "sc-status", "time-taken"} <= fields
    assert not fields & {"cs(Cookie)", "cs-uri-query", "cs(Referer)"}
    # Logging of the older kind needs a bucket with ACLs.
    assert "loggingConfig" not in distribution.inputs


def test_the_bucket_of_access_logs_admits_this_delivery_alone(graph: Graph) -> None:
    statement = bucket_statement(NAMES, ACCESS_LOG_BUCKET, ACCOUNT)
    name = graph.one("LogDeliverySource").inputs["name"]
    assert statement["Resource"] == f"arn:aws:s3:::{ACCESS_LOG_BUCKET}/cloudfront/*"
    assert statement["Condition"] == {
        "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:delivery-source:{name}"},
    }
