"""Alarms follow from what exists: one more resource has its own, one that does not exist has none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from components.alarms.facts import Facts, alarms_of
from components.alarms.metrics import Alarm, Comparison, InvalidAlarm, Metric, Missing, Severity, Term
from components.alarms.objectives import Objectives
from tests.components.alarms.examples import (
    EDGE,
    EVERYTHING,
    LOAD_BALANCER,
    OTHER_REGION,
    REGION,
    nat_gateway,
    replication,
    table,
    target_group,
    web_acl,
)


def names(facts: Facts) -> set[str]:
    return {alarm.name for alarm in alarms_of(facts)}


def one(facts: Facts, name: str) -> Alarm:
    (found,) = [alarm for alarm in alarms_of(facts) if alarm.name == name]
    return found


def metric_of(alarm: Alarm) -> Metric:
    assert isinstance(alarm.figure, Metric)
    return alarm.figure


def term_of(alarm: Alarm) -> Term:
    assert isinstance(alarm.figure, Term)
    return alarm.figure


def test_where_nothing_exists_there_is_no_alarm() -> None:
    assert alarms_of(Facts()) == []


@pytest.mark.parametrize("zones", [["eu-west-1a"], ["eu-west-1a", "eu-west-1b"], ["a", "b", "c"]])
def test_every_nat_gateway_has_an_alarm_on_ports_and_one_on_drops(zones: Sequence[str]) -> None:
    facts = Facts(nat_gateways=[nat_gateway(zone) for zone in zones])
    assert names(facts) == {f"nat-{zone}-{what}" for zone in zones for what in ("ports", "drops")}
    for zone in zones:
        assert metric_of(one(facts, f"nat-{zone}-ports")).dimensions == {"NatGatewayId": f"nat-{zone}"}


def test_drops_are_measured_against_the_packets_that_came_in_from_both_sides() -> None:
    term = term_of(one(EVERYTHING, "nat-eu-west-1a-drops"))
    assert {key: metric.name for key, metric in term.metrics.items()} == {
        "dropped": "PacketsDropCount",
        "inside": "PacketsInFromSource",
        "outside": "PacketsInFromDestination",
    }
    assert term.expression == "100 * dropped / (inside + outside)"


def test_a_group_that_may_be_empty_alarms_on_unhealthy_pods_alone() -> None:
    assert names(Facts(target_groups=[target_group("canary", 0)])) == {"canary-unhealthy"}


def test_too_few_pods_means_fewer_than_asked_for_and_none_at_all_too() -> None:
    few = one(Facts(target_groups=[target_group("stable", 3)]), "stable-too-few")
    assert (few.comparison, few.threshold, few.severity) == (Comparison.BELOW, 3, Severity.CRITICAL)
    assert few.missing is Missing.IS_BAD
    assert metric_of(few).statistic == "Minimum"


def test_the_balancers_own_errors_are_counted_without_the_requests_that_it_does_not_count() -> None:
    own = one(Facts(load_balancer=LOAD_BALANCER), "load-balancer-5xx")
    assert metric_of(own).name == "HTTPCode_ELB_5XX_Count"


def test_what_the_service_promises_are_the_thresholds() -> None:
    objectives = Objectives(error_percent=2, p95_seconds=0.2, p99_seconds=0.4, recovery_point_seconds=60)
    facts = replace(EVERYTHING, objectives=objectives)
    thresholds = {alarm.name: alarm.threshold for alarm in alarms_of(facts)}
    assert thresholds["target-5xx"] == thresholds["api-server-5xx"] == 2
    assert (thresholds["latency-p95"], thresholds["latency-p99"]) == (0.2, 0.4)
    assert thresholds["datasets-replication-latency"] == 60
    assert thresholds["deployments-replication-euc1"] == 60_000
    assert "than 2% of requests" in one(facts, "target-5xx").summary


def test_the_promises_are_those_of_the_service() -> None:
    assert Objectives() == Objectives(error_percent=1, p95_seconds=0.5, p99_seconds=1, recovery_point_seconds=300)


def test_a_table_and_each_of_its_indexes_are_throttled_by_themselves() -> None:
    found = {name for name in names(Facts(tables=[table("deployments")])) if name.endswith("throttles")}
    assert found == {
        f"deployments-{part}{access}-throttles" for part in ("", "by-status-") for access in ("read", "write")
    }


def test_an_alarm_on_throttling_ends_although_nothing_is_published_then() -> None:
    assert term_of(one(EVERYTHING, "deployments-read-throttles")).expression == "FILL(events, 0)"


def test_a_table_has_an_alarm_for_each_region_that_holds_a_copy_and_none_without() -> None:
    alone = replace(table("deployments"), copied_to=[])
    assert not [name for name in names(Facts(tables=[alone])) if "replication" in name]
    lag = one(Facts(tables=[table("deployments")]), "deployments-replication-euc1")
    assert metric_of(lag).dimensions == {"TableName": "serveml-test-deployments", "ReceivingRegion": OTHER_REGION}


def test_lateness_is_looked_for_where_the_copy_lies_and_failure_where_the_original_lies() -> None:
    rule = replication("models")
    assert names(Facts(copied_from_here=[rule])) == {"models-replication-failed"}
    assert names(Facts(copied_to_here=[rule])) == {"models-replication-latency", "models-replication-pending"}
    late = one(Facts(copied_to_here=[rule]), "models-replication-latency")
    assert metric_of(late).dimensions == {
        "SourceBucket": "models-1",
        "DestinationBucket": "models-2",
        "RuleId": "models",
    }


def test_a_web_acl_is_found_by_its_region_unless_it_is_the_edges() -> None:
    regional = one(Facts(web_acls=[web_acl("ingress", REGION)]), "ingress-blocked-requests")
    assert metric_of(regional).dimensions == {"WebACL": "serveml-ingress", "Rule": "ALL", "Region": REGION}
    edge = one(EDGE, "edge-blocked-requests")
    assert metric_of(edge).dimensions == {"WebACL": "serveml-edge", "Rule": "ALL"}
    assert (edge.threshold, edge.period_seconds) == (2000, 300)


def test_the_edge_is_measured_as_the_one_global_region() -> None:
    assert metric_of(one(EDGE, "edge-5xx")).dimensions == {"DistributionId": "E1", "Region": "Global"}


def test_a_certificate_that_has_no_figure_yet_does_not_alarm() -> None:
    ends = one(EVERYTHING, "ingress-certificate")
    assert (ends.comparison, ends.threshold) == (Comparison.BELOW, 30)
    assert ends.missing is Missing.SAYS_NOTHING


def test_the_clusters_store_alarms_at_four_fifths_of_8_gib() -> None:
    assert one(EVERYTHING, "cluster-store").threshold == pytest.approx(0.8 * 8 * 2**30, abs=1)


def test_two_resources_that_would_make_the_same_alarm_are_refused() -> None:
    with pytest.raises(InvalidAlarm, match="different roles"):
        alarms_of(Facts(tables=[table("deployments"), table("deployments")]))
