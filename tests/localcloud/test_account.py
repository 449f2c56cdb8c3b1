"""What a program asks for exists in the account afterwards, as boto3 reads it."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random
import pytest

from localcloud.recorder import Registration, RegistrationFailed, record
from tests.localcloud import programs
from tests.localcloud.conftest import REGION, Account
from tests.support.components import TAGS


def tags_of(pairs: list[dict[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def test_bucket_policy_is_stored_and_refuses_plain_http(account: Account) -> None:
    record(programs.bucket, account.backend)
    policy = json.loads(account.client("s3").get_bucket_policy(Bucket="models-test")["Policy"])
    (statement,) = policy["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_bucket_keeps_versions_encrypts_with_our_key_and_expires(account: Account) -> None:
    graph = record(programs.bucket, account.backend)
    s3 = account.client("s3")
    assert s3.get_bucket_versioning(Bucket="models-test")["Status"] == "Enabled"
    encryption = s3.get_bucket_encryption(Bucket="models-test")["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert encryption["BucketKeyEnabled"] is True
    assert encryption["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == graph.exports["key_arn"]
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket="models-test")["Rules"]
    assert rule["Expiration"] == {"Days": 30}
    assert tags_of(s3.get_bucket_tagging(Bucket="models-test")["TagSet"]) == TAGS


def test_key_rotates(account: Account) -> None:
    graph = record(programs.bucket, account.backend)
    key = graph.one("aws:kms/key:Key")
    assert account.client("kms").get_key_rotation_status(KeyId=key.id)["KeyRotationEnabled"] is True


def test_bucket_lies_in_the_region_it_names(account: Account) -> None:
    record(programs.replicated_buckets, account.backend)
    assert account.client("s3").get_bucket_location(Bucket="copy-test")["LocationConstraint"] == "eu-central-1"


def test_replication_names_the_other_bucket(account: Account) -> None:
    record(programs.replicated_buckets, account.backend)
    configuration = account.client("s3").get_bucket_replication(Bucket="source-test")["ReplicationConfiguration"]
    assert configuration["Rules"][0]["Destination"]["Bucket"] == "arn:aws:s3:::copy-test"
    assert configuration["Role"].endswith(":role/replication")


def test_replication_of_a_bucket_without_versions_is_refused(account: Account) -> None:
    def program() -> None:
        for name in ("source-test", "copy-test"):
            aws.s3.Bucket(name, bucket=name, region=REGION)
        aws.s3.BucketReplicationConfig(
            "replication",
            bucket="source-test",
            role="arn:aws:iam::123456789012:role/replication",
            rules=[{"status": "Enabled", "destination": {"bucket": "arn:aws:s3:::copy-test"}}],
            region=REGION,
        )

    with pytest.raises(RegistrationFailed, match=r"bucketReplicationConfig.*PutBucketReplication was refused"):
        record(program, account.backend)


def test_table_has_its_index_time_to_live_and_stream(account: Account) -> None:
    record(programs.table, account.backend)
    dynamodb = account.client("dynamodb")
    table = dynamodb.describe_table(TableName="deployments")["Table"]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "status-created-index"
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["status", "created_at"]
    assert index["Projection"]["ProjectionType"] == "ALL"
    assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["DeletionProtectionEnabled"] is True
    expiry = dynamodb.describe_time_to_live(TableName="deployments")["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}


def test_table_recovers_to_a_point_in_time(account: Account) -> None:
    record(programs.table, account.backend)
    backups = account.client("dynamodb").describe_continuous_backups(TableName="deployments")
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


def test_table_answers_the_arn_and_stream_that_exist(account: Account) -> None:
    node = record(programs.table, account.backend).one("aws:dynamodb/table:Table")
    table = account.client("dynamodb").describe_table(TableName=node.id)["Table"]
    assert (node.outputs["arn"], node.outputs["streamArn"]) == (table["TableArn"], table["LatestStreamArn"])


def test_replica_has_the_tables_form_in_the_other_region(account: Account) -> None:
    record(programs.replicated_table, account.backend)
    copy = account.client("dynamodb", "eu-central-1").describe_table(TableName="deployments")["Table"]
    assert copy["GlobalSecondaryIndexes"][0]["IndexName"] == "status-created-index"
    assert {key["AttributeName"] for key in copy["KeySchema"]} == {"user_id", "deployment_id"}


def test_private_subnets_are_routed_through_the_nat_gateway(account: Account) -> None:
    graph = record(programs.network, account.backend)
    ec2 = account.client("ec2")
    nat = graph.one("aws:ec2/natGateway:NatGateway").id
    for name in ("subnet-b", "subnet-c"):
        subnet = graph.one("aws:ec2/subnet:Subnet", name).id
        (table,) = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])[
            "RouteTables"
        ]
        out = [route for route in table["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"]
        assert [route["NatGatewayId"] for route in out] == [nat]


def test_only_the_public_subnet_hands_out_public_addresses(account: Account) -> None:
    graph = record(programs.network, account.backend)
    ids = {node.id: node.name for node in graph.of_type("aws:ec2/subnet:Subnet")}
    subnets = account.client("ec2").describe_subnets(SubnetIds=list(ids))["Subnets"]
    public = [ids[subnet["SubnetId"]] for subnet in subnets if subnet["MapPublicIpOnLaunch"]]
    assert public == ["subnet-a"]
    assert all(tags_of(subnet["Tags"])["Environment"] == "test" for subnet in subnets)


def test_subnet_outside_its_network_is_refused_by_name(account: Account) -> None:
    def program() -> None:
        vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", region=REGION)
        aws.ec2.Subnet("stray", vpc_id=vpc.id, cidr_block="10.9.0.0/24", region=REGION)

    with pytest.raises(RegistrationFailed, match=r"InvalidSubnet\.Range") as refusal:
        record(program, account.backend)
    assert "urn:pulumi:test::serveml::aws:ec2/subnet:Subnet::stray" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def rules_of(account: Account, group: str) -> list[dict[str, Any]]:
    filters = [{"Name": "group-id", "Values": [group]}]
    rules: list[dict[str, Any]] = account.client("ec2").describe_security_group_rules(Filters=filters)[
        "SecurityGroupRules"
    ]
    return rules


def test_security_group_lets_in_the_prefix_list_alone(account: Account) -> None:
    exports = record(programs.security_groups, account.backend).exports
    (rule,) = rules_of(account, exports["group"])
    assert (rule["IsEgress"], rule["FromPort"], rule["ToPort"]) == (False, 443, 443)
    assert rule["PrefixListId"] == exports["prefix_list"]


def test_security_group_rule_names_its_peer_group(account: Account) -> None:
    exports = record(programs.security_groups, account.backend).exports
    (rule,) = rules_of(account, exports["pods"])
    assert rule["ReferencedGroupInfo"]["GroupId"] == exports["group"]


def test_default_security_group_is_left_without_rules(account: Account) -> None:
    exports = record(programs.security_groups, account.backend).exports
    assert rules_of(account, exports["default"]) == []


def test_weighted_records_carry_their_health_checks(account: Account) -> None:
    graph = record(programs.failover, account.backend)
    answer = account.client("route53").list_resource_record_sets(HostedZoneId=graph.exports["zone"])
    records = {item["SetIdentifier"]: item for item in answer["ResourceRecordSets"] if "SetIdentifier" in item}
    assert {name: item["Weight"] for name, item in records.items()} == {"primary": 100, "secondary": 0}
    for name, item in records.items():
        assert item["Name"] == "origin.example.com."
        assert item["AliasTarget"]["EvaluateTargetHealth"] is True
        assert item["HealthCheckId"] == graph.one("aws:route53/healthCheck:HealthCheck", name).id


def test_health_check_probes_over_https(account: Account) -> None:
    graph = record(programs.failover, account.backend)
    check = graph.one("aws:route53/healthCheck:HealthCheck", "primary")
    config = account.client("route53").get_health_check(HealthCheckId=check.id)["HealthCheck"]["HealthCheckConfig"]
    assert config["FullyQualifiedDomainName"] == "primary.example.com"
    figures = (config["Type"], config["Port"], config["RequestInterval"], config["FailureThreshold"])
    assert figures == ("HTTPS", 443, 30, 3)


def test_listener_splits_by_weight_over_two_groups(account: Account) -> None:
    graph = record(programs.balancer, account.backend)
    elb = account.client("elbv2")
    (listener,) = elb.describe_listeners(LoadBalancerArn=graph.exports["balancer"])["Listeners"]
    groups = listener["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]
    assert sorted(group["Weight"] for group in groups) == [10, 90]
    (stable,) = [
        group for group in elb.describe_target_groups()["TargetGroups"] if group["TargetGroupName"].startswith("stable")
    ]
    assert (stable["HealthCheckPath"], stable["HealthCheckPort"]) == ("/health", "8001")
    assert (stable["HealthyThresholdCount"], stable["UnhealthyThresholdCount"]) == (2, 3)


def test_load_balancer_is_protected_and_answers_the_suffix_that_metrics_use(account: Account) -> None:
    graph = record(programs.balancer, account.backend)
    attributes = account.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=graph.exports["balancer"])
    stored = tags_of(attributes["Attributes"])
    assert stored["deletion_protection.enabled"] == "true"
    assert stored["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert graph.exports["suffix"].startswith("app/balancer/")
    assert graph.exports["balancer"].endswith(f":loadbalancer/{graph.exports['suffix']}")


def test_distribution_serves_static_files_from_their_own_origin(account: Account) -> None:
    graph = record(programs.edge, account.backend)
    answer = account.client("cloudfront", "us-east-1").get_distribution(Id=graph.exports["distribution"])
    config = answer["Distribution"]["DistributionConfig"]
    (static,) = config["CacheBehaviors"]["Items"]
    assert (static["PathPattern"], static["TargetOriginId"]) == ("/static/*", "static")
    assert config["DefaultCacheBehavior"]["TargetOriginId"] == "api"
    api = next(origin for origin in config["Origins"]["Items"] if origin["Id"] == "api")
    assert api["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"


def test_firewall_limits_the_rate_and_uses_the_common_rules(account: Account) -> None:
    node = record(programs.firewall, account.backend).one("aws:wafv2/webAcl:WebAcl")
    answer = account.client("wafv2", "us-east-1").get_web_acl(Name="edge", Scope="CLOUDFRONT", Id=node.id)
    rate, common = answer["WebACL"]["Rules"]
    assert rate["Statement"]["RateBasedStatement"]["Limit"] == 2000
    assert rate["Action"] == {"Block": {}}
    assert common["Statement"]["ManagedRuleGroupStatement"]["Name"] == "AWSManagedRulesCommonRuleSet"
    assert node.outputs["arn"] == answer["WebACL"]["ARN"]


def test_secret_holds_a_random_value_that_the_graph_does_not_show(account: Account) -> None:
    def program() -> None:
        password = random.RandomPassword("password", length=32, special=False)
        secret = aws.secretsmanager.Secret("secret", name="ml-credentials", region=REGION, tags=TAGS)
        aws.secretsmanager.SecretVersion(
            "version", secret_id=secret.id, secret_string=pulumi.Output.secret(password.result), region=REGION
        )

    graph = record(program, account.backend)
    stored = account.client("secretsmanager").get_secret_value(SecretId="ml-credentials")["SecretString"]
    assert len(stored) == 32
    assert stored.isalnum()
    assert stored not in str(graph.one("SecretVersion").inputs)


def test_managed_policy_of_aws_can_be_attached(account: Account) -> None:
    arn = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"

    def program() -> None:
        role = aws.iam.Role("role", name="cluster", assume_role_policy=programs.ROLE_TRUST, tags=TAGS)
        aws.iam.RolePolicyAttachment("attachment", role=role.name, policy_arn=arn)

    record(program, account.backend)
    attached = account.client("iam").list_attached_role_policies(RoleName="cluster")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [arn]


def test_malformed_policy_is_refused(account: Account) -> None:
    def program() -> None:
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Permit", "Action": "s3:*", "Resource": "*"}]}
        aws.iam.Policy("policy", name="policy", policy=json.dumps(document))

    with pytest.raises(
        RegistrationFailed, match="iam/policy:Policy::policy: CreatePolicy was refused: MalformedPolicy"
    ):
        record(program, account.backend)


def test_input_that_nothing_translates_is_refused(account: Account) -> None:
    def program() -> None:
        aws.s3.Bucket("bucket", bucket="bucket-test", request_payer="Requester", region=REGION)

    with pytest.raises(RegistrationFailed, match="no member for the input 'requestPayer'"):
        record(program, account.backend)


def test_unknown_type_is_refused_with_what_to_do(account: Account) -> None:
    ledger = Registration("urn:ledger", "aws:qldb/ledger:Ledger", "ledger", {"region": REGION})
    with pytest.raises(
        RegistrationFailed, match=r"urn:ledger: .* cannot create aws:qldb/ledger:Ledger: write a creator"
    ):
        account.backend.create(ledger)


def test_functions_are_answered_by_the_account(account: Account) -> None:
    def program() -> None:
        pulumi.export("account", aws.get_caller_identity().account_id)
        pulumi.export("zones", aws.get_availability_zones(region=REGION).names)
        name = f"com.amazonaws.{REGION}.route53-healthchecks"
        pulumi.export("lists", [aws.ec2.get_managed_prefix_list(name=name, region=REGION).id for _ in range(2)])

    exports = record(program, account.backend).exports
    assert exports["account"] == account.client("sts").get_caller_identity()["Account"]
    assert exports["zones"] == [f"{REGION}{zone}" for zone in "abc"]
    first, second = exports["lists"]
    assert first == second
    assert first.startswith("pl-")
