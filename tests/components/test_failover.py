"""The zone, and the name that steps over a failed region."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from components.base import Place
from components.failover.alarm_topic import topic_policy
from components.failover.failover import Failover, FailoverArgs
from components.failover.targets import FailoverTarget, InvalidFailover, check_probe
from components.failover.zone import Zone, ZoneArgs
from components.keys.policies import Scope, logs_key
from infra.naming import Names
from localcloud.graph import Graph
from tests.support.components import TAGS, graph_of

ACCOUNT = "123456789012"
ORIGIN = "origin.api.example.com"
PLACE = Place(names=Names("serveml", "prod"), region="us-east-1", tags=TAGS, protect=True)


def target(region: str, weight: int) -> FailoverTarget:
    return FailoverTarget(
        region=region,
        load_balancer_dns_name=f"lb.{region}.elb.amazonaws.com",
        load_balancer_zone_id=f"Z{region}",
        weight=weight,
        regional_domain=f"{region}.origin.api.example.com",
    )


ARGS = FailoverArgs(
    place=PLACE,
    account_id=ACCOUNT,
    zone_id="Z1",
    origin_domain=ORIGIN,
    targets=[target("eu-west-1", 100), target("eu-central-1", 0)],
    tls=True,
)


def failover(**changes: Any) -> Graph:
    return graph_of(lambda: Failover("failover", replace(ARGS, **changes)))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return failover()


def test_each_region_is_checked_over_https_at_a_name_of_its_own(graph: Graph) -> None:
    checks = graph.of_type("aws:route53/healthCheck:HealthCheck")
    assert {check.inputs["fqdn"] for check in checks} == {
        "eu-west-1.origin.api.example.com",
        "eu-central-1.origin.api.example.com",
    }
    for check in checks:
        assert (check.inputs["type"], check.inputs["port"], check.inputs["resourcePath"]) == ("HTTPS", 443, "/health")
        assert (check.inputs["requestInterval"], check.inputs["failureThreshold"]) == (30, 3)
        assert check.inputs["enableSni"] is True


def test_a_check_waits_for_the_name_it_asks(graph: Graph) -> None:
    check = graph.one("HealthCheck", "euw1")
    assert any("failover-euw1-own-a" in urn for urn in check.dependencies)


def test_the_origin_is_answered_by_weight_and_only_by_regions_whose_check_passes(graph: Graph) -> None:
    weighted = [node for node in graph.of_type("Record") if node.inputs["name"] == ORIGIN]
    answers = {node.inputs["setIdentifier"]: node.inputs["weightedRoutingPolicies"][0]["weight"] for node in weighted}
    assert answers == {"eu-west-1": 100, "eu-central-1": 0}
    ids = {check.inputs["fqdn"]: check.id for check in graph.of_type("HealthCheck")}
    for node in weighted:
        region = node.inputs["setIdentifier"]
        assert node.inputs["healthCheckId"] == ids[f"{region}.origin.api.example.com"]
        assert node.inputs["aliases"][0]["name"] == f"lb.{region}.elb.amazonaws.com"


def test_a_canary_group_without_healthy_targets_does_not_fail_its_region_over(graph: Graph) -> None:
    for node in graph.of_type("Record"):
        assert node.inputs["aliases"][0]["evaluateTargetHealth"] is False


def test_every_health_alarm_lives_where_route_53_publishes_and_tells_somebody(graph: Graph) -> None:
    alarms = graph.of_type("MetricAlarm")
    assert len(alarms) == 2
    topic = graph.one("Topic")
    assert topic.region == "us-east-1"
    for alarm in alarms:
        assert alarm.region == "us-east-1"
        assert (alarm.inputs["metricName"], alarm.inputs["comparisonOperator"]) == (
            "HealthCheckStatus",
            "LessThanThreshold",
        )
        assert alarm.inputs["treatMissingData"] == "breaching"
        assert alarm.inputs["alarmActions"] == [topic.outputs["arn"]]
        assert "docs/runbooks/" in alarm.inputs["alarmDescription"]


def test_topics_that_exist_are_used_and_none_is_made() -> None:
    topic = f"arn:aws:sns:us-east-1:{ACCOUNT}:pager"
    graph = failover(alarm_topic_arns=[topic])
    assert not graph.of_type("Topic")
    assert not graph.of_type("aws:kms/key:Key")
    assert all(alarm.inputs["alarmActions"] == [topic] for alarm in graph.of_type("MetricAlarm"))
    assert graph.components()[0].registered_outputs is not None
    assert graph.components()[0].registered_outputs["topic_arn"] == topic


def test_a_topic_of_its_own_is_encrypted_with_a_key_beside_it(graph: Graph) -> None:
    key = graph.one("aws:kms/key:Key")
    assert (key.region, key.protect, key.inputs["enableKeyRotation"]) == ("us-east-1", True, True)
    assert graph.one("Topic").inputs["kmsMasterKeyId"] == key.outputs["arn"]
    assert json.loads(key.inputs["policy"]) == logs_key(Scope(ACCOUNT, "us-east-1"))
    assert graph.one("Alias").inputs["name"] == "alias/serveml-prod-health-alarms"


def test_a_topic_of_its_own_is_open_to_alarms_of_this_account_only(graph: Graph) -> None:
    topic = graph.one("Topic")
    document = json.loads(graph.one("TopicPolicy").inputs["policy"])
    assert document == topic_policy(topic.outputs["arn"], ACCOUNT, "us-east-1")
    allowed = [statement for statement in document["Statement"] if statement["Effect"] == "Allow"]
    assert [statement["Principal"] for statement in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert allowed[0]["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_without_tls_the_check_asks_port_80_in_plain_http() -> None:
    check = failover(tls=False).of_type("HealthCheck")[0]
    assert (check.inputs["type"], check.inputs["port"], check.inputs["enableSni"]) == ("HTTP", 80, False)


def test_ipv6_doubles_every_record() -> None:
    graph = failover(ipv6=True)
    kinds = [node.inputs["type"] for node in graph.of_type("Record") if node.inputs["name"] == ORIGIN]
    assert sorted(kinds) == ["A", "A", "AAAA", "AAAA"]


def test_a_preview_registers_the_same_resources(graph: Graph) -> None:
    preview = graph_of(lambda: Failover("failover", ARGS), preview=True)
    assert {node.urn for node in preview} == {node.urn for node in graph}


def test_the_ids_of_the_checks_are_given_by_region(graph: Graph) -> None:
    outputs = graph.components()[0].registered_outputs
    assert outputs is not None
    assert set(outputs["health_check_ids"]) == {"eu-west-1", "eu-central-1"}
    assert outputs["origin_domain"] == ORIGIN


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ([], "at least one target"),
        ([target("eu-west-1", 100), target("eu-west-1", 0)], "given twice"),
        ([target("eu-west-1", 300)], "use 0 to 255"),
        ([target("eu-west-1", -1)], "use 0 to 255"),
        ([target("eu-west-1", 0), target("eu-central-1", 0)], "every weight is 0"),
        ([target("mars-north-1", 100)], "use one of them"),
        ([replace(target("eu-west-1", 100), regional_domain=ORIGIN)], "only this region answers"),
        (
            [
                target("eu-west-1", 100),
                replace(target("eu-central-1", 0), regional_domain=target("eu-west-1", 0).regional_domain),
            ],
            "regional domain",
        ),
    ],
)
def test_targets_that_could_not_answer_are_refused(targets: Sequence[FailoverTarget], says: str) -> None:
    with pytest.raises(InvalidFailover, match=says):
        failover(targets=targets)


@pytest.mark.parametrize(("interval", "threshold"), [(20, 3), (30, 0), (30, 11)])
def test_a_probe_that_route_53_does_not_offer_is_refused(interval: int, threshold: int) -> None:
    with pytest.raises(InvalidFailover, match="use"):
        check_probe(interval, threshold)


def test_a_new_zone_is_guarded_and_names_its_servers() -> None:
    graph = graph_of(lambda: Zone("zone", ZoneArgs(place=PLACE, domain_name="example.com")))
    zone = graph.one("aws:route53/zone:Zone")
    assert zone.protect
    assert zone.inputs["name"] == "example.com"
    assert zone.inputs["forceDestroy"] is False
    assert zone.inputs["tags"]["Environment"] == TAGS["Environment"]
    outputs = graph.components()[0].registered_outputs
    assert outputs is not None
    assert len(outputs["name_servers"]) == 4


def test_an_existing_zone_is_used_and_nothing_is_made() -> None:
    graph = graph_of(
        lambda: Zone("zone", ZoneArgs(place=PLACE, domain_name="example.com", existing_zone_id="ZEXISTING"))
    )
    assert not graph.custom()
    assert graph.components()[0].registered_outputs == {"zone_id": "ZEXISTING", "name_servers": []}
