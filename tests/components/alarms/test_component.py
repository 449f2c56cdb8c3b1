"""The alarms, their topic and who hears them, on mocks and in an account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from components.alarms.alarms import Alarms, AlarmsArgs
from components.alarms.dashboard import Column, Dashboard, DashboardArgs
from components.alarms.facts import alarms_of
from components.alarms.load_balancer import LoadBalancerFacts
from components.alarms.topic import AlarmTopic, AlarmTopicArgs
from localcloud.account.backend import MotoAccount
from localcloud.graph import UNKNOWN, Graph
from localcloud.moto_server import MotoServer
from localcloud.recorder import record
from tests.components.alarms.examples import ACCOUNT, EDGE, EVERYTHING, REGION, TOPIC
from tests.support.components import TAGS, graph_of, place

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/logs"
ARGS = AlarmsArgs(place=place(REGION), topic_arn=TOPIC, facts=EVERYTHING)


def alarms(**changes: Any) -> Alarms:
    return Alarms("alarms", replace(ARGS, **changes))


def alarm_topic() -> AlarmTopic:
    return AlarmTopic("topic", AlarmTopicArgs(place=place(REGION), account_id=ACCOUNT, key_arn=KEY))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(alarms)


@pytest.fixture(scope="module")
def account() -> Iterator[MotoAccount]:
    with MotoServer() as server:
        yield MotoAccount(server.endpoint)


def test_there_is_an_alarm_for_each_that_is_derived_and_nothing_else(graph: Graph) -> None:
    made = {node.inputs["name"] for node in graph.of_type("MetricAlarm")}
    assert made == {f"serveml-test-euw1-{alarm.name}" for alarm in alarms_of(EVERYTHING)}
    assert len(graph.custom()) == len(made)


def test_every_alarm_is_in_its_region_and_tells_the_topic_when_it_begins_and_when_it_ends(graph: Graph) -> None:
    for node in graph.of_type("MetricAlarm"):
        assert node.region == REGION
        assert node.inputs["alarmActions"] == node.inputs["okActions"] == [TOPIC]
        assert set(TAGS) <= set(node.inputs["tags"])
        assert node.inputs["tags"]["Severity"] in ("critical", "warning")


def test_a_percentile_is_an_extended_statistic_and_other_metrics_have_a_plain_one(graph: Graph) -> None:
    p95 = graph.one("MetricAlarm", "latency-p95").inputs
    assert (p95["extendedStatistic"], p95["evaluateLowSampleCountPercentiles"]) == ("p95", "ignore")
    assert "statistic" not in p95
    rejected = graph.one("MetricAlarm", "rejected-connections").inputs
    assert rejected["statistic"] == "Sum"
    assert "evaluateLowSampleCountPercentiles" not in rejected


def test_arithmetic_returns_its_result_alone(graph: Graph) -> None:
    inputs = graph.one("MetricAlarm", "target-5xx").inputs
    queries = {query["id"]: query for query in inputs["metricQueries"]}
    assert [key for key, query in queries.items() if query["returnData"]] == ["figure"]
    assert queries["figure"]["expression"] == "100 * part / whole"
    assert queries["whole"]["metric"] == {
        "namespace": "AWS/ApplicationELB",
        "metricName": "RequestCount",
        "dimensions": {"LoadBalancer": "app/serveml/1"},
        "stat": "Sum",
        "period": 60,
    }
    assert not {"metricName", "period", "statistic"} & set(inputs)


def test_a_query_that_finds_its_metrics_itself_says_over_what_period(graph: Graph) -> None:
    (query,) = graph.one("MetricAlarm", "deployments-table-errors").inputs["metricQueries"]
    assert query["period"] == 60
    assert query["expression"] == (
        'SELECT SUM(SystemErrors) FROM SCHEMA("AWS/DynamoDB", Operation, TableName) '
        "WHERE TableName = 'serveml-test-deployments'"
    )


def test_a_preview_shows_every_alarm_although_ids_are_not_known_yet() -> None:
    def program() -> None:
        topic = alarm_topic()
        unknown = LoadBalancerFacts(arn_suffix=topic.topic_arn)
        Alarms("alarms", replace(ARGS, topic_arn=topic.topic_arn, facts=replace(EVERYTHING, load_balancer=unknown)))

    previewed, updated = graph_of(program, preview=True), graph_of(program)
    assert {node.urn for node in previewed} == {node.urn for node in updated}
    inputs = previewed.one("MetricAlarm", "rejected-connections").inputs
    assert inputs["dimensions"] == {"LoadBalancer": UNKNOWN}


def test_the_arns_are_given_by_name(graph: Graph) -> None:
    outputs = graph.components()[0].registered_outputs
    assert outputs is not None
    assert set(outputs["alarm_arns"]) == {alarm.name for alarm in alarms_of(EVERYTHING)}


def test_each_address_is_subscribed_once_to_what_the_topic_hears() -> None:
    graph = graph_of(lambda: alarms(emails=["a@example.com", "b@example.com", "a@example.com"]))
    subscriptions = graph.of_type("TopicSubscription")
    assert [node.inputs["endpoint"] for node in subscriptions] == ["a@example.com", "b@example.com"]
    for node in subscriptions:
        assert (node.inputs["topic"], node.inputs["protocol"], node.region) == (TOPIC, "email", REGION)


def test_the_topic_is_encrypted_and_takes_alarms_of_this_account_and_region_over_tls_alone() -> None:
    graph = graph_of(alarm_topic)
    topic = graph.one("aws:sns/topic:Topic")
    assert (topic.inputs["name"], topic.inputs["kmsMasterKeyId"]) == ("serveml-test-euw1-alarms", KEY)
    statements = {each["Sid"]: each for each in json.loads(graph.one("TopicPolicy").inputs["policy"])["Statement"]}
    allowed = [each for each in statements.values() if each["Effect"] == "Allow"]
    assert [each["Principal"] for each in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert allowed[0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*"},
    }
    assert statements["TlsOnly"]["Effect"] == "Deny"


def test_an_alarm_comes_only_after_its_topic_takes_it() -> None:
    graph = graph_of(lambda: Alarms("alarms", replace(ARGS, topic_arn=alarm_topic().topic_arn)))
    policy = graph.one("TopicPolicy").urn
    for node in graph.of_type("MetricAlarm"):
        assert policy in node.dependencies


def test_an_account_takes_the_topic_every_alarm_and_the_dashboard(account: MotoAccount) -> None:
    def program() -> None:
        key = pulumi.Output.from_input(KEY)
        topic = AlarmTopic("topic", AlarmTopicArgs(place=place(REGION), account_id=ACCOUNT, key_arn=key))
        made = Alarms("alarms", replace(ARGS, topic_arn=topic.topic_arn, facts=EVERYTHING, emails=["team@example.com"]))
        column = Column(title="here", region=REGION, facts=EVERYTHING, alarm_arns=list(made.alarm_arns.values()))
        edge = Column(title="edge", region="us-east-1", facts=EDGE, alarm_arns=[])
        Dashboard("dashboard", DashboardArgs(place=place(REGION), columns=[column], edge=edge))

    record(program, account)
    cloudwatch: Any = account.clients.at("cloudwatch", REGION)
    pages = cloudwatch.get_paginator("describe_alarms").paginate()
    stored = {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}
    assert set(stored) == {f"serveml-test-euw1-{alarm.name}" for alarm in alarms_of(EVERYTHING)}
    assert {alarm["AlarmActions"][0].rpartition(":")[2] for alarm in stored.values()} == {"serveml-test-euw1-alarms"}
    body = json.loads(cloudwatch.get_dashboard(DashboardName="serveml-test-euw1")["DashboardBody"])
    (status,) = [widget for widget in body["widgets"] if widget["type"] == "alarm"]
    assert set(status["properties"]["alarms"]) == {alarm["AlarmArn"] for alarm in stored.values()}
