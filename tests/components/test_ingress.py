"""A region's way in: the load balancer, its listeners and target groups, and its Web ACL."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from components.ingress.ingress import Ingress, IngressArgs, InvalidIngress
from components.ingress.target_group import TARGET_GROUP_MAX, target_group_name
from contract import service
from infra import regions
from infra.naming import AUTONAME_SUFFIX_LENGTH, Names, NameTooLong
from localcloud.graph import Graph
from tests.support.components import TAGS, graph_of, place

REGION = "eu-west-1"
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
ARGS = IngressArgs(
    place=place(REGION),
    load_balancer_name="serveml-test-euw1",
    vpc_id="vpc-1",
    subnet_ids=["subnet-a", "subnet-b", "subnet-c"],
    security_group_ids=["sg-edge", "sg-checkers"],
    certificate_arn=CERTIFICATE,
    cluster_name="serveml-test-euw1",
    access_log_bucket="serveml-test-euw1-logs",
    deletion_protection=True,
    pod_port=service.HTTP_PORT,
    probe_port=service.PROBE_PORT,
    health_path=service.HEALTH_PATH,
    deregistration_delay_seconds=20,
    idle_timeout_seconds=60,
    max_body_bytes=1_048_576,
    rate_limit_per_5_minutes=2000,
    forwarded_by="X-Forwarded-For",
    hidden_paths=[service.METRICS_PATH],
    log_key_arn="arn:aws:kms:eu-west-1:123456789012:key/1",
    waf_log_retention_days=30,
)


def ingress(**changes: Any) -> Graph:
    return graph_of(lambda: Ingress("ingress", replace(ARGS, **changes)))


def forward_of(listener: Any) -> list[dict[str, Any]]:
    (action,) = listener.inputs["defaultActions"]
    assert action["type"] == "forward"
    return action["forward"]["targetGroups"]


def test_the_load_balancer_faces_the_internet_in_every_zone_given() -> None:
    inputs = ingress().one("LoadBalancer").inputs
    assert inputs["name"] == "serveml-test-euw1"
    assert inputs["loadBalancerType"] == "application"
    assert inputs["internal"] is False
    assert inputs["subnets"] == ["subnet-a", "subnet-b", "subnet-c"]
    assert inputs["securityGroups"] == ["sg-edge", "sg-checkers"]
    assert inputs["enableCrossZoneLoadBalancing"] is True


@pytest.mark.parametrize("protected", [True, False])
def test_deletion_protection_follows_the_argument(protected: bool) -> None:
    load_balancer = ingress(deletion_protection=protected).one("LoadBalancer")
    assert load_balancer.inputs["enableDeletionProtection"] is protected


def test_requests_that_servers_could_read_differently_go_no_further() -> None:
    inputs = ingress().one("LoadBalancer").inputs
    assert inputs["desyncMitigationMode"] == "strictest"
    assert inputs["dropInvalidHeaderFields"] is True
    assert inputs["enableWafFailOpen"] is False


def test_access_and_connections_are_logged_under_prefixes_of_their_own() -> None:
    inputs = ingress().one("LoadBalancer").inputs
    logs = [inputs["accessLogs"], inputs["connectionLogs"]]
    assert all(log["enabled"] and log["bucket"] == "serveml-test-euw1-logs" for log in logs)
    assert logs[0]["prefix"] != logs[1]["prefix"]


def test_health_is_checked_on_the_probe_port_as_specified() -> None:
    for group in ingress().of_type("TargetGroup"):
        assert group.inputs["healthCheck"] == {
            "enabled": True,
            "protocol": "HTTP",
            "port": "8001",
            "path": "/health",
            "matcher": "200",
            "interval": 30,
            "timeout": 5,
            "healthyThreshold": 2,
            "unhealthyThreshold": 3,
        }


def test_pods_of_the_cluster_alone_join_the_groups_by_address() -> None:
    groups = ingress().of_type("TargetGroup")
    assert len(groups) == 2
    for group in groups:
        assert group.inputs["targetType"] == "ip"
        assert group.inputs["port"] == service.HTTP_PORT
        assert group.inputs["vpcId"] == "vpc-1"
        assert group.inputs["deregistrationDelay"] == 20
        assert group.inputs["loadBalancingAlgorithmType"] == "least_outstanding_requests"
        assert group.inputs["tags"]["eks:eks-cluster-name"] == "serveml-test-euw1"
        assert group.inputs["tags"].items() >= TAGS.items()


def test_canary_pods_that_are_sick_or_absent_do_not_turn_dns_away_from_the_region() -> None:
    graph = ingress()
    failover = {
        role: graph.one("TargetGroup", role).inputs["targetGroupHealth"]["dnsFailover"] for role in ("stable", "canary")
    }
    assert failover["stable"]["minimumHealthyTargetsCount"] == "1"
    assert failover["canary"]["minimumHealthyTargetsCount"] == "off"


def test_a_target_group_can_be_replaced_and_its_name_fits_in_the_longest_place() -> None:
    assert all("name" not in group.inputs for group in ingress().of_type("TargetGroup"))
    names = [
        target_group_name(Names("serveml", environment, region), role)
        for environment, region, role in itertools.product(
            ("dev", "staging", "prod", "local"), regions.CODES, ("stable", "canary")
        )
    ]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) + AUTONAME_SUFFIX_LENGTH <= TARGET_GROUP_MAX


def test_https_takes_tls_1_2_and_later_with_the_certificate_given() -> None:
    https = ingress().one("Listener", "https")
    assert (https.inputs["port"], https.inputs["protocol"]) == (443, "HTTPS")
    assert https.inputs["certificateArn"] == CERTIFICATE
    assert https.inputs["sslPolicy"].startswith("ELBSecurityPolicy-TLS13-1-2-Res-")


def test_http_is_redirected_for_good_and_never_forwarded() -> None:
    (plain,) = [listener for listener in ingress().of_type("Listener") if listener.inputs["port"] == 80]
    (action,) = plain.inputs["defaultActions"]
    assert action["type"] == "redirect"
    assert action["redirect"] == {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}


def test_without_tls_the_only_listener_forwards_plain_http() -> None:
    listener = ingress(certificate_arn=None).one("Listener")
    assert (listener.inputs["port"], listener.inputs["protocol"]) == (80, "HTTP")
    assert [target["weight"] for target in forward_of(listener)] == [100, 0]


@pytest.mark.parametrize(("canary", "weights"), [(0, [100, 0]), (10, [90, 10]), (100, [0, 100])])
def test_requests_are_shared_between_stable_and_canary_by_weight(canary: int, weights: list[int]) -> None:
    graph = ingress(canary_weight_percent=canary)
    groups = [graph.one("TargetGroup", role).outputs["arn"] for role in ("stable", "canary")]
    listener = graph.one("Listener", "https")
    assert [(target["arn"], target["weight"]) for target in forward_of(listener)] == list(
        zip(groups, weights, strict=True)
    )
    assert listener.inputs["defaultActions"][0]["forward"]["stickiness"]["enabled"] is False


def test_no_listener_opens_before_the_web_acl_guards_it() -> None:
    graph = ingress()
    guard = graph.one("WebAclAssociation")
    assert guard.inputs["resourceArn"] == graph.one("LoadBalancer").outputs["arn"]
    assert guard.inputs["webAclArn"] == graph.one("WebAcl").outputs["arn"]
    assert all(guard.urn in listener.dependencies for listener in graph.of_type("Listener"))


def test_the_web_acl_is_regional_counts_by_forwarded_address_and_hides_metrics() -> None:
    inputs = ingress().one("WebAcl").inputs
    assert inputs["scope"] == "REGIONAL"
    assert inputs["defaultAction"] == {"allow": {}}
    rules = {rule["name"]: rule for rule in inputs["rules"]}
    rate = rules["rate-limit"]["statement"]["rateBasedStatement"]
    assert (rate["limit"], rate["aggregateKeyType"]) == (2000, "FORWARDED_IP")
    assert rules["hidden-paths"]["statement"]["byteMatchStatement"]["searchString"] == "/metrics"
    assert inputs["dataProtectionConfig"]["dataProtections"]


def test_without_an_edge_a_client_is_the_address_that_connects() -> None:
    inputs = ingress(forwarded_by=None).one("WebAcl").inputs
    rate = next(rule for rule in inputs["rules"] if rule["name"] == "rate-limit")
    assert rate["statement"]["rateBasedStatement"]["aggregateKeyType"] == "IP"


def test_the_web_acls_log_is_encrypted_kept_as_set_and_without_credentials() -> None:
    graph = ingress()
    log_group = graph.one("LogGroup")
    assert log_group.inputs["name"] == "aws-waf-logs-serveml-test-euw1-ingress"
    assert log_group.inputs["kmsKeyId"] == ARGS.log_key_arn
    assert log_group.inputs["retentionInDays"] == 30
    logging = graph.one("WebAclLoggingConfiguration")
    assert logging.inputs["logDestinationConfigs"] == [log_group.outputs["arn"]]
    assert logging.inputs["resourceArn"] == graph.one("WebAcl").outputs["arn"]
    redacted = {field["singleHeader"]["name"] for field in logging.inputs["redactedFields"]}
    assert redacted >= {"authorization", "x-api-key"}


def test_everything_lies_in_the_region_under_the_component_with_its_tags() -> None:
    graph = ingress()
    component = graph.one("serveml:ingress:Ingress")
    for node in graph.custom():
        assert node.region == REGION
        assert node.parent == component.urn
        if node.type.rsplit(":", 1)[-1] not in ("WebAclAssociation", "WebAclLoggingConfiguration"):
            assert node.inputs["tags"].items() >= TAGS.items()


def test_the_component_registers_every_output_it_declares() -> None:
    graph = ingress()
    outputs = graph.one("serveml:ingress:Ingress").registered_outputs
    assert outputs is not None
    assert outputs["listener_arn"] == graph.one("Listener", "https").outputs["arn"]
    assert outputs["load_balancer_arn_suffix"].startswith("app/serveml-test-euw1/")
    assert outputs["stable_target_group_arn"] != outputs["canary_target_group_arn"]
    assert outputs["stable_target_group_arn_suffix"].startswith("targetgroup/")
    assert set(outputs) == set(vars(Ingress)["__annotations__"])


def test_a_preview_has_the_same_resources_as_an_update() -> None:
    preview = graph_of(lambda: Ingress("ingress", ARGS), preview=True)
    assert set(preview.by_urn()) == set(ingress().by_urn())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subnet_ids": ["subnet-a"]}, "1 subnets: give one in each of at least 2 zones"),
        ({"canary_weight_percent": 101}, "canary weight of 101 is not allowed: give 0 to 100"),
        ({"health_timeout_seconds": 30}, "30 s and is sent every 30 s: make the timeout shorter"),
    ],
)
def test_arguments_that_aws_would_refuse_are_refused_with_the_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidIngress, match=message):
        replace(ARGS, **changes)


def test_a_load_balancer_name_over_32_characters_is_refused() -> None:
    with pytest.raises(NameTooLong, match="load balancer has 33 characters"):
        replace(ARGS, load_balancer_name="x" * 33)
