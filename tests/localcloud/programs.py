"""Small programs for the local account: each a part of a platform, with SPEC's figures."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pulumi_aws as aws

from tests.localcloud.conftest import REGION
from tests.support.components import TAGS

ROLE_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "s3.amazonaws.com"}},
        ],
    }
)


def tls_only(bucket: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "RefusePlainHttp",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
    )


def bucket() -> None:
    key = aws.kms.Key("key", description="data", enable_key_rotation=True, region=REGION, tags=TAGS)
    made = aws.s3.Bucket("models", bucket="models-test", region=REGION, tags=TAGS)
    aws.s3.BucketPolicy("policy", bucket=made.bucket, policy=tls_only("models-test"), region=REGION)
    aws.s3.BucketVersioning(
        "versioning", bucket=made.bucket, versioning_configuration={"status": "Enabled"}, region=REGION
    )
    aws.s3.BucketServerSideEncryptionConfiguration(
        "encryption",
        bucket=made.bucket,
        rules=[
            {
                "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key.arn},
                "bucket_key_enabled": True,
            }
        ],
        region=REGION,
    )
    aws.s3.BucketLifecycleConfiguration(
        "lifecycle",
        bucket=made.bucket,
        rules=[{"id": "expire", "status": "Enabled", "filter": {}, "expiration": {"days": 30}}],
        region=REGION,
    )
    pulumi.export("key_arn", key.arn)


def replicated_buckets() -> None:
    role = aws.iam.Role("role", name="replication", assume_role_policy=ROLE_TRUST, tags=TAGS)
    buckets: list[aws.s3.BucketVersioning] = []
    for name, region in (("source-test", REGION), ("copy-test", "eu-central-1")):
        made = aws.s3.Bucket(name, bucket=name, region=region)
        buckets.append(
            aws.s3.BucketVersioning(
                f"{name}-versioning",
                bucket=made.bucket,
                versioning_configuration={"status": "Enabled"},
                region=region,
            )
        )
    aws.s3.BucketReplicationConfig(
        "replication",
        bucket=buckets[0].bucket,
        role=role.arn,
        rules=[
            {
                "id": "all",
                "status": "Enabled",
                "priority": 0,
                "filter": {},
                "delete_marker_replication": {"status": "Disabled"},
                "destination": {"bucket": buckets[1].bucket.apply(lambda name: f"arn:aws:s3:::{name}")},
            }
        ],
        region=REGION,
    )


def table(**more: Any) -> aws.dynamodb.Table:
    names = ("user_id", "deployment_id", "status", "created_at")
    return aws.dynamodb.Table(
        "deployments",
        name="deployments",
        attributes=[{"name": name, "type": "S"} for name in names],
        hash_key="user_id",
        range_key="deployment_id",
        billing_mode="PAY_PER_REQUEST",
        global_secondary_indexes=[
            {
                "name": "status-created-index",
                "hash_key": "status",
                "range_key": "created_at",
                "projection_type": "ALL",
            }
        ],
        stream_enabled=True,
        stream_view_type="NEW_AND_OLD_IMAGES",
        ttl={"attribute_name": "ttl", "enabled": True},
        point_in_time_recovery={"enabled": True},
        deletion_protection_enabled=True,
        region=REGION,
        tags=TAGS,
        **more,
    )


def replicated_table() -> None:
    aws.dynamodb.TableReplica(
        "copy", global_table_arn=table().arn, point_in_time_recovery=True, region="eu-central-1", tags=TAGS
    )


def network() -> tuple[aws.ec2.Vpc, list[aws.ec2.Subnet]]:
    """A public and two private subnets; the private ones reach out through a NAT gateway."""
    vpc = aws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", enable_dns_hostnames=True, region=REGION, tags=TAGS)
    gateway = aws.ec2.InternetGateway("gateway", vpc_id=vpc.id, region=REGION, tags=TAGS)
    subnets = [
        aws.ec2.Subnet(
            f"subnet-{zone}",
            vpc_id=vpc.id,
            cidr_block=f"10.0.{number}.0/24",
            availability_zone=f"{REGION}{zone}",
            map_public_ip_on_launch=zone == "a",
            region=REGION,
            tags={**TAGS, "Name": f"subnet-{zone}"},
        )
        for number, zone in enumerate("abc")
    ]
    address = aws.ec2.Eip("address", domain="vpc", region=REGION, tags=TAGS)
    nat = aws.ec2.NatGateway("nat", allocation_id=address.id, subnet_id=subnets[0].id, region=REGION, tags=TAGS)
    public = aws.ec2.RouteTable("public", vpc_id=vpc.id, region=REGION, tags=TAGS)
    private = aws.ec2.RouteTable("private", vpc_id=vpc.id, region=REGION, tags=TAGS)
    aws.ec2.Route(
        "out", route_table_id=public.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id, region=REGION
    )
    aws.ec2.Route(
        "nat", route_table_id=private.id, destination_cidr_block="0.0.0.0/0", nat_gateway_id=nat.id, region=REGION
    )
    for number, subnet in enumerate(subnets):
        route_table = private if number else public
        aws.ec2.RouteTableAssociation(
            f"association-{number}", route_table_id=route_table.id, subnet_id=subnet.id, region=REGION
        )
    return vpc, subnets


def security_groups() -> None:
    vpc, _ = network()
    edge = aws.ec2.get_managed_prefix_list(name="com.amazonaws.global.cloudfront.origin-facing", region=REGION)
    group = aws.ec2.SecurityGroup("balancer", vpc_id=vpc.id, description="from CloudFront", region=REGION, tags=TAGS)
    pods = aws.ec2.SecurityGroup("pods", vpc_id=vpc.id, description="from the load balancer", region=REGION)
    aws.vpc.SecurityGroupIngressRule(
        "https",
        security_group_id=group.id,
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        prefix_list_id=edge.id,
        description="CloudFront",
        region=REGION,
        tags=TAGS,
    )
    aws.vpc.SecurityGroupIngressRule(
        "pod-port",
        security_group_id=pods.id,
        ip_protocol="tcp",
        from_port=8000,
        to_port=8000,
        referenced_security_group_id=group.id,
        region=REGION,
    )
    aws.ec2.DefaultSecurityGroup("default", vpc_id=vpc.id, region=REGION, tags=TAGS)
    pulumi.export("group", group.id)
    pulumi.export("pods", pods.id)
    pulumi.export("prefix_list", edge.id)
    pulumi.export("default", vpc.default_security_group_id)


def failover() -> None:
    """Two regions behind one name: weighted aliases, 100 to 0, each with a health check."""
    zone = aws.route53.Zone("zone", name="example.com", tags=TAGS)
    for name, weight in (("primary", 100), ("secondary", 0)):
        check = aws.route53.HealthCheck(
            f"{name}-check",
            type="HTTPS",
            fqdn=f"{name}.example.com",
            port=443,
            resource_path="/health",
            request_interval=30,
            failure_threshold=3,
            tags={**TAGS, "Name": name},
        )
        aws.route53.Record(
            name,
            zone_id=zone.zone_id,
            name="origin",
            type="A",
            set_identifier=name,
            weighted_routing_policies=[{"weight": weight}],
            health_check_id=check.id,
            aliases=[
                {
                    "name": f"{name}-123.{REGION}.elb.amazonaws.com",
                    "zone_id": "Z32O12XQLNTSW2",
                    "evaluate_target_health": True,
                }
            ],
        )
    pulumi.export("zone", zone.zone_id)


def balancer() -> None:
    vpc, subnets = network()
    load_balancer = aws.lb.LoadBalancer(
        "balancer",
        name="balancer",
        load_balancer_type="application",
        subnets=[subnet.id for subnet in subnets],
        enable_deletion_protection=True,
        drop_invalid_header_fields=True,
        region=REGION,
        tags=TAGS,
    )
    groups = [
        aws.lb.TargetGroup(
            name,
            port=8000,
            protocol="HTTP",
            target_type="ip",
            vpc_id=vpc.id,
            health_check={
                "path": "/health",
                "port": "8001",
                "interval": 30,
                "timeout": 5,
                "healthy_threshold": 2,
                "unhealthy_threshold": 3,
                "matcher": "200",
            },
            region=REGION,
            tags=TAGS,
        )
        for name in ("stable", "canary")
    ]
    aws.lb.Listener(
        "http",
        load_balancer_arn=load_balancer.arn,
        port=80,
        protocol="HTTP",
        default_actions=[
            {
                "type": "forward",
                "forward": {
                    "target_groups": [
                        {"arn": group.arn, "weight": weight} for group, weight in zip(groups, (90, 10), strict=True)
                    ]
                },
            }
        ],
        region=REGION,
    )
    pulumi.export("balancer", load_balancer.arn)
    pulumi.export("suffix", load_balancer.arn_suffix)


def edge() -> None:
    behavior = {
        "viewer_protocol_policy": "redirect-to-https",
        "allowed_methods": ["GET", "HEAD"],
        "cached_methods": ["GET", "HEAD"],
        "compress": True,
        "cache_policy_id": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    }
    control = aws.cloudfront.OriginAccessControl(
        "control",
        name="static",
        origin_access_control_origin_type="s3",
        signing_behavior="always",
        signing_protocol="sigv4",
    )
    distribution = aws.cloudfront.Distribution(
        "edge",
        enabled=True,
        is_ipv6_enabled=True,
        aliases=["api.example.com"],
        origins=[
            {
                "origin_id": "api",
                "domain_name": "origin.example.com",
                "custom_origin_config": {
                    "http_port": 80,
                    "https_port": 443,
                    "origin_protocol_policy": "https-only",
                    "origin_ssl_protocols": ["TLSv1.2"],
                },
            },
            {
                "origin_id": "static",
                "domain_name": "static.s3.eu-west-1.amazonaws.com",
                "origin_access_control_id": control.id,
            },
        ],
        default_cache_behavior={**behavior, "target_origin_id": "api"},
        ordered_cache_behaviors=[{**behavior, "path_pattern": "/static/*", "target_origin_id": "static"}],
        restrictions={"geo_restriction": {"restriction_type": "none"}},
        viewer_certificate={"cloudfront_default_certificate": True},
        tags=TAGS,
    )
    pulumi.export("distribution", distribution.id)


def firewall() -> None:
    visibility = {"cloudwatch_metrics_enabled": True, "sampled_requests_enabled": False, "metric_name": "edge"}
    aws.wafv2.WebAcl(
        "firewall",
        name="edge",
        scope="CLOUDFRONT",
        default_action={"allow": {}},
        visibility_config=visibility,
        rules=[
            {
                "name": "rate",
                "priority": 0,
                "action": {"block": {}},
                "statement": {"rate_based_statement": {"limit": 2000, "aggregate_key_type": "IP"}},
                "visibility_config": visibility,
            },
            {
                "name": "common",
                "priority": 1,
                "override_action": {"none": {}},
                "statement": {
                    "managed_rule_group_statement": {"name": "AWSManagedRulesCommonRuleSet", "vendor_name": "AWS"}
                },
                "visibility_config": visibility,
            },
        ],
        region="us-east-1",
        tags=TAGS,
    )
