"""The production stack holds what the specification asks for."""

from __future__ import annotations

import json

import pytest

from contract import access, registry
from infra import regions
from localcloud.graph import Graph, Node
from localcloud.program import run
from localcloud.synthetic import Synthetic
from tests.stacks.conftest import build, serving_deployments

pytestmark = pytest.mark.xdist_group("prod")

PRIMARY, SECONDARY = "us-east-1", "us-west-2"


def in_region(nodes: list[Node], region: str) -> list[Node]:
    return [node for node in nodes if node.region == region]


def test_both_regions_have_a_network_over_three_zones_with_a_gateway_in_each(prod: Graph) -> None:
    for region, cidr in ((PRIMARY, "10.0.0.0/16"), (SECONDARY, "10.1.0.0/16")):
        (vpc,) = in_region(prod.of_type("aws:ec2/vpc:Vpc"), region)
        assert vpc.inputs["cidrBlock"] == cidr
        assert vpc.inputs["enableDnsHostnames"] is True
        assert vpc.inputs["enableDnsSupport"] is True
        subnets = in_region(prod.of_type("aws:ec2/subnet:Subnet"), region)
        assert len(subnets) == 6
        assert len({subnet.inputs["availabilityZone"] for subnet in subnets}) == 3
        assert len(in_region(prod.of_type("aws:ec2/natGateway:NatGateway"), region)) == 3


def test_dev_has_one_region_and_one_nat_gateway(dev: Graph) -> None:
    assert {node.region for node in dev.of_type("aws:ec2/vpc:Vpc")} == {PRIMARY}
    assert len(dev.of_type("aws:ec2/natGateway:NatGateway")) == 1


def test_aws_services_are_reached_inside_the_vpc(prod: Graph) -> None:
    services = {
        node.inputs["serviceName"].removeprefix(f"com.amazonaws.{PRIMARY}.")
        for node in in_region(prod.of_type("aws:ec2/vpcEndpoint:VpcEndpoint"), PRIMARY)
    }
    assert services == {"s3", "dynamodb", "ecr.api", "ecr.dkr", "sts", "secretsmanager", "kms", "logs"}


def test_the_cluster_is_private_encrypted_and_logs_everything(prod: Graph) -> None:
    for cluster in prod.of_type("aws:eks/cluster:Cluster"):
        assert cluster.inputs["vpcConfig"]["endpointPrivateAccess"] is True
        assert cluster.inputs["vpcConfig"]["endpointPublicAccess"] is False
        assert cluster.inputs["encryptionConfig"]["resources"] == ["secrets"]
        assert len(cluster.inputs["enabledClusterLogTypes"]) == 5
        assert cluster.inputs["deletionProtection"] is True


def test_data_stores_are_protected_and_encrypted_with_our_keys(prod: Graph) -> None:
    keys = {node.outputs["arn"] for node in prod.of_type("aws:kms/key:Key")}
    for kind in ("aws:s3/bucket:Bucket", "aws:dynamodb/table:Table", "aws:dynamodb/tableReplica:TableReplica"):
        for node in prod.of_type(kind):
            assert node.protect, f"{node.urn} could be deleted by a mistaken update"
    assert all(node.protect for node in prod.of_type("aws:kms/key:Key"))
    tables = prod.of_type("aws:dynamodb/table:Table")
    assert len(tables) == 2
    for table in tables:
        assert table.inputs["serverSideEncryption"]["kmsKeyArn"] in keys
    for copy in prod.of_type("aws:dynamodb/tableReplica:TableReplica"):
        assert copy.inputs["kmsKeyArn"] in keys
    for repository in prod.of_type("aws:ecr/repository:Repository"):
        assert repository.inputs["encryptionConfigurations"][0]["kmsKey"] in keys
    for encryption in prod.of_type(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ):
        rule = encryption.inputs["rules"][0]["applyServerSideEncryptionByDefault"]
        # Targets of log delivery take no key of ours.
        assert rule.get("kmsMasterKeyId") in keys or "access-logs" in encryption.name


def test_dev_protects_nothing_so_that_it_can_be_destroyed(dev: Graph) -> None:
    assert not [node.urn for node in dev if node.protect]


def test_every_bucket_of_the_specification_is_there_in_both_regions(prod: Graph) -> None:
    kinds = ("models-production", "models-staging", "datasets", "backups", "audit-logs", "access-logs")
    for region in (PRIMARY, SECONDARY):
        names = [node.inputs["bucket"] for node in in_region(prod.of_type("aws:s3/bucket:Bucket"), region)]
        assert all(any(f"-{kind}-" in name for name in names) for kind in kinds)
    assert prod.one("aws:s3/bucket:Bucket", "static").region == PRIMARY


def test_no_bucket_answers_plain_http_or_the_public(prod: Graph) -> None:
    blocked = {node.inputs["bucket"]: node.inputs for node in prod.of_type("BucketPublicAccessBlock")}
    policies = {node.inputs["bucket"]: node.inputs["policy"] for node in prod.of_type("BucketPolicy")}
    for node in prod.of_type("aws:s3/bucket:Bucket"):
        name = node.inputs["bucket"]
        flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        assert all(blocked[name][flag] is True for flag in flags)
        refusals = [s for s in json.loads(policies[name])["Statement"] if s["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [s["Condition"] for s in refusals]


def test_production_models_are_replicated_within_fifteen_minutes(prod: Graph) -> None:
    replication = prod.one("aws:s3/bucketReplicationConfig:BucketReplicationConfig")
    (rule,) = replication.inputs["rules"]
    assert rule["destination"]["replicationTime"]["time"]["minutes"] == 15
    assert SECONDARY.replace("us-west-2", "usw2") in rule["destination"]["bucket"]


def test_the_deployments_table_is_as_specified(prod: Graph) -> None:
    table = prod.one("aws:dynamodb/table:Table", "registry").inputs
    assert (table["hashKey"], table["rangeKey"]) == (registry.HASH_KEY, registry.RANGE_KEY)
    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert table["streamViewType"] == "NEW_AND_OLD_IMAGES"
    assert table["ttl"] == {"attributeName": registry.TTL_ATTRIBUTE, "enabled": True}
    assert table["pointInTimeRecovery"]["enabled"] is True
    assert table["deletionProtectionEnabled"] is True
    (index,) = table["globalSecondaryIndexes"]
    assert (index["name"], index["projectionType"]) == (registry.STATUS_INDEX, "ALL")
    assert prod.one("aws:dynamodb/tableReplica:TableReplica", "registry").region == SECONDARY


def test_api_keys_lie_in_a_table_of_their_own_with_a_copy_in_the_other_region(prod: Graph) -> None:
    table = prod.one("aws:dynamodb/table:Table", "access").inputs
    assert table["name"] == prod.exports["api_keys_table"]
    assert (table["hashKey"], table.get("rangeKey")) == (access.HASH_KEY, None)
    assert table["ttl"] == {"attributeName": access.TTL_ATTRIBUTE, "enabled": True}
    (index,) = table["globalSecondaryIndexes"]
    assert index["name"] == access.USER_INDEX
    assert prod.one("aws:dynamodb/tableReplica:TableReplica", "access").region == SECONDARY


def test_pods_may_read_the_api_keys_of_their_own_region_and_write_nothing(prod: Graph) -> None:
    copies = {
        node.region: node.outputs["arn"]
        for kind in ("aws:dynamodb/table:Table", "aws:dynamodb/tableReplica:TableReplica")
        for node in prod.of_type(kind)
        if "-access-" in node.name
    }
    data_keys = {node.region: node.outputs["arn"] for node in prod.of_type("aws:kms/key:Key") if "-data" in node.name}
    for region in (PRIMARY, SECONDARY):
        (policy,) = [
            node
            for node in prod.of_type("aws:iam/rolePolicy:RolePolicy")
            if node.name.endswith(f"{regions.code(region)}-inference-identity-policy")
        ]
        rights = json.loads(policy.inputs["policy"])["Statement"]
        of_keys = [right for right in rights if copies[region] in right["Resource"]]
        assert [right["Action"] for right in of_keys] == [["dynamodb:Scan"]]
        (decrypt,) = [right for right in rights if right["Sid"] == "DecryptApiKeys"]
        assert (decrypt["Action"], decrypt["Resource"]) == (["kms:Decrypt"], [data_keys[region]])
        assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}}


def test_pods_follow_the_deployments_of_their_own_region_and_write_reports_alone(prod: Graph) -> None:
    copies = {
        node.region: node.outputs["arn"]
        for kind in ("aws:dynamodb/table:Table", "aws:dynamodb/tableReplica:TableReplica")
        for node in prod.of_type(kind)
        if "-registry-" in node.name
    }
    assert set(copies) == {PRIMARY, SECONDARY}
    for region, arn in copies.items():
        (policy,) = [
            node
            for node in prod.of_type("aws:iam/rolePolicy:RolePolicy")
            if node.name.endswith(f"{regions.code(region)}-inference-identity-policy")
        ]
        rights = json.loads(policy.inputs["policy"])["Statement"]
        read, report = (right for right in rights if arn in right["Resource"])
        assert read["Action"] == ["dynamodb:BatchGetItem"]
        assert report["Action"] == ["dynamodb:PutItem", "dynamodb:DeleteItem"]
        assert report["Condition"]["ForAllValues:StringLike"] == {"dynamodb:LeadingKeys": ["pods#*"]}


def test_without_authentication_pods_have_no_right_to_the_api_keys() -> None:
    graph = build("dev", ("serveml:access", json.dumps({"authentication": "off"})))
    policy = graph.one("aws:iam/rolePolicy:RolePolicy", "inference-identity").inputs["policy"]
    assert "api-keys" not in policy
    assert "dynamodb:Scan" not in policy
    # Turned off for an hour, it must not cost anybody their key.
    assert graph.one("aws:dynamodb/table:Table", "access")


def test_traffic_goes_to_the_primary_and_each_region_is_watched(prod: Graph) -> None:
    weighted = [
        node for node in prod.of_type("aws:route53/record:Record") if node.inputs.get("weightedRoutingPolicies")
    ]
    weights = {node.inputs["setIdentifier"]: node.inputs["weightedRoutingPolicies"][0]["weight"] for node in weighted}
    assert weights == {PRIMARY: 100, SECONDARY: 0}
    assert all(node.inputs["healthCheckId"] for node in weighted)
    for check in prod.of_type("aws:route53/healthCheck:HealthCheck"):
        assert (check.inputs["type"], check.inputs["port"], check.inputs["resourcePath"]) == ("HTTPS", 443, "/health")
        assert (check.inputs["requestInterval"], check.inputs["failureThreshold"]) == (30, 3)
    assert len(prod.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")) >= 2


def test_a_region_without_a_twin_still_has_its_record_and_its_check(dev: Graph) -> None:
    assert len(dev.of_type("aws:route53/healthCheck:HealthCheck")) == 1


def test_pods_scale_between_three_and_twenty_and_never_lose_one_in_a_rollout(prod: Graph) -> None:
    for autoscaler in prod.of_type("kubernetes:autoscaling/v2:HorizontalPodAutoscaler"):
        assert (autoscaler.inputs["spec"]["minReplicas"], autoscaler.inputs["spec"]["maxReplicas"]) == (3, 20)
    serving = serving_deployments(prod)
    assert len(serving) == len(prod.exports["regions"])
    for deployment in serving:
        assert deployment.inputs["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_without_an_image_the_platform_stands_and_no_pod_is_asked_for() -> None:
    graph = run("dev", Synthetic())
    assert not graph.of_type("kubernetes:apps/v1:Deployment")
    assert graph.of_type("kubernetes:core/v1:Namespace")
    assert graph.of_type("aws:lb/loadBalancer:LoadBalancer")


def test_an_image_canary_gets_its_share_and_its_pods() -> None:
    image = "registry.example.com/serveml/inference@sha256:" + "1" * 64
    graph = build(
        "dev",
        ("serveml:workload", json.dumps({"canary_image": image})),
        ("serveml:ingress", json.dumps({"canary_weight": 10})),
    )
    assert graph.one("kubernetes:apps/v1:Deployment", "canary")
    forward = graph.one("aws:lb/listener:Listener", "https").inputs["defaultActions"][0]["forward"]
    assert [group["weight"] for group in forward["targetGroups"]] == [90, 10]


def test_without_an_edge_the_callers_ranges_reach_the_load_balancer() -> None:
    graph = build(
        "dev",
        ("serveml:edge", json.dumps({"enabled": False})),
        ("serveml:ingress", json.dumps({"client_cidrs": ["198.51.100.0/24"]})),
    )
    assert not graph.of_type("aws:cloudfront/distribution:Distribution")
    entries = graph.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert "198.51.100.0/24" in {node.inputs.get("cidrIpv4") for node in entries}


def test_a_development_stack_can_do_without_tls() -> None:
    graph = build(
        "dev",
        ("serveml:tls", "false"),
        ("serveml:edge", json.dumps({"enabled": False})),
        ("serveml:ingress", json.dumps({"client_cidrs": ["198.51.100.0/24"]})),
    )
    assert not graph.of_type("aws:acm/certificate:Certificate")
    (listener,) = graph.of_type("aws:lb/listener:Listener")
    assert (listener.inputs["port"], listener.inputs["protocol"]) == (80, "HTTP")
