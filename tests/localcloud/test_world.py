"""The local stack in a moto account: what the program asks for is there, as boto3 sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from contract import registry
from localcloud.coverage import coverage_of
from localcloud.graph import Graph
from localcloud.program import example_overrides, run
from localcloud.recorder import Created, Registration, RegistrationFailed
from localcloud.synthetic import Synthetic
from localcloud.world import CREDENTIALS, LocalWorld, local_world
from tests.stacks.conftest import build

pytestmark = pytest.mark.xdist_group("world")

PRIMARY, SECONDARY = "us-east-1", "us-west-2"


@pytest.fixture(scope="session")
def world() -> Iterator[LocalWorld]:
    with local_world() as world:
        yield world


def client(world: LocalWorld, service: str, region: str = PRIMARY) -> Any:
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=world.endpoint,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def test_the_program_makes_the_same_resources_as_in_the_plan(world: LocalWorld) -> None:
    planned = build("local")
    assert sorted(node.urn for node in world.graph) == sorted(node.urn for node in planned)


def test_at_least_seven_types_in_ten_are_created_and_the_rest_have_a_reason(world: LocalWorld) -> None:
    coverage = coverage_of(world.graph)
    assert coverage.ratio >= 0.7
    assert all(item.reason for item in coverage.types if not item.created)


def test_every_bucket_refuses_plain_http_as_written(world: LocalWorld) -> None:
    s3 = world.s3()
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert len(buckets) == 13
    for bucket in buckets:
        policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
        refusal = next(
            statement
            for statement in policy["Statement"]
            if statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        )
        assert refusal["Effect"] == "Deny"
        assert refusal["Principal"] == "*"
        assert refusal["Action"] == "s3:*"
        assert sorted(refusal["Resource"]) == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
        assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_the_models_bucket_is_encrypted_with_our_key_and_replicated(world: LocalWorld) -> None:
    s3 = world.s3()
    rules = s3.get_bucket_encryption(Bucket=world.models_bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    key = rules[0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert client(world, "kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    replication = s3.get_bucket_replication(Bucket=world.models_bucket)["ReplicationConfiguration"]
    destination = replication["Rules"][0]["Destination"]["Bucket"]
    assert destination == f"arn:aws:s3:::{world.graph.exports['models_buckets'][SECONDARY]}"


def test_the_table_has_its_index_its_expiry_and_its_stream(world: LocalWorld) -> None:
    dynamodb = client(world, "dynamodb")
    name = world.graph.exports["deployments_table"]
    table = dynamodb.describe_table(TableName=name)["Table"]
    assert {key["AttributeName"] for key in table["KeySchema"]} == {registry.HASH_KEY, registry.RANGE_KEY}
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == registry.STATUS_INDEX
    assert [key["AttributeName"] for key in index["KeySchema"]] == [
        registry.STATUS_ATTRIBUTE,
        registry.CREATED_AT_ATTRIBUTE,
    ]
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    expiry = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert (expiry["AttributeName"], expiry["TimeToLiveStatus"]) == (registry.TTL_ATTRIBUTE, "ENABLED")
    recovery = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert client(world, "dynamodb", SECONDARY).describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE"


@pytest.mark.parametrize("region", [PRIMARY, SECONDARY])
def test_private_subnets_leave_by_a_nat_gateway_and_public_ones_by_the_internet_gateway(
    world: LocalWorld, region: str
) -> None:
    ec2 = client(world, "ec2", region)
    (vpc,) = (vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"])
    here = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    tables = ec2.describe_route_tables(Filters=here)["RouteTables"]
    way_out = {
        association["SubnetId"]: route
        for table in tables
        for association in table["Associations"]
        if "SubnetId" in association
        for route in table["Routes"]
        if route.get("DestinationCidrBlock") == "0.0.0.0/0"
    }
    subnets = ec2.describe_subnets(Filters=here)["Subnets"]
    assert len(subnets) == 6
    for subnet in subnets:
        name = next(tag["Value"] for tag in subnet["Tags"] if tag["Key"] == "Name")
        gateway = "NatGatewayId" if "private" in name else "GatewayId"
        assert way_out[subnet["SubnetId"]].get(gateway), f"{name} leaves by {way_out[subnet['SubnetId']]}"


def test_each_region_has_its_health_check_and_its_weighted_record(world: LocalWorld) -> None:
    route53 = client(world, "route53")
    records = route53.list_resource_record_sets(HostedZoneId=world.graph.exports["hosted_zone_id"])[
        "ResourceRecordSets"
    ]
    weighted = {record["SetIdentifier"]: record for record in records if "Weight" in record}
    assert {region: record["Weight"] for region, record in weighted.items()} == {PRIMARY: 100, SECONDARY: 0}
    for record in weighted.values():
        check = route53.get_health_check(HealthCheckId=record["HealthCheckId"])["HealthCheck"]["HealthCheckConfig"]
        assert (check["Type"], check["Port"], check["ResourcePath"]) == ("HTTPS", 443, "/health")
        assert record["AliasTarget"]["DNSName"].rstrip(".").endswith("elb.amazonaws.com")


def test_the_load_balancer_is_reached_from_the_edge_only(world: LocalWorld) -> None:
    balancer = client(world, "elbv2").describe_load_balancers()["LoadBalancers"][0]
    rules = client(world, "ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": balancer["SecurityGroups"]}]
    )["SecurityGroupRules"]
    entries = [rule for rule in rules if not rule["IsEgress"]]
    assert {(rule["FromPort"], rule["ToPort"]) for rule in entries} == {(443, 443)}
    assert all("CidrIpv4" not in rule for rule in entries)


def test_a_refusal_names_the_resource_the_reason_and_the_message_of_aws() -> None:
    class Refusing(Synthetic):
        def create(self, registration: Registration) -> Created:
            if registration.type.endswith(":Vpc"):
                raise RegistrationFailed(f"{registration.urn}: CreateVpc was refused: VpcLimitExceeded: no more")
            return super().create(registration)

    with pytest.raises(RegistrationFailed, match=r"ec2/vpc:Vpc::serveml-local-use1.*VpcLimitExceeded"):
        _ = _graph(Refusing())


def _graph(backend: Synthetic) -> Graph:
    return run("local", backend, overrides=example_overrides("local"))
