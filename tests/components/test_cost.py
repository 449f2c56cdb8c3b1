"""The monthly budget and its topic, on mocks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components.cost.budget import Budget, BudgetArgs, InvalidBudget
from localcloud.graph import Graph
from tests.support.components import graph_of, place

ACCOUNT = "123456789012"
KEY = "arn:aws:kms:us-east-1:123456789012:key/logs"


def budget_args(**changes: Any) -> BudgetArgs:
    given: dict[str, Any] = {
        "place": place("us-east-1"),
        "account_id": ACCOUNT,
        "limit_usd": 10_000,
        "actual_percent": 80,
        "forecast_percent": 100,
        "emails": ["costs@example.com"],
        "topic_key_arn": KEY,
    }
    return BudgetArgs(**{**given, **changes})


def budget(**changes: Any) -> Budget:
    return Budget("budget", budget_args(**changes))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_of(budget)


def spend(graph: Graph) -> dict[str, Any]:
    return dict(graph.one("aws:budgets/budget:Budget").inputs)


def test_a_preview_registers_what_the_update_does(graph: Graph) -> None:
    assert {n.urn for n in graph_of(budget, preview=True)} == {n.urn for n in graph}


def test_the_limit_is_a_months_cost_of_this_environment(graph: Graph) -> None:
    inputs = spend(graph)
    assert (inputs["limitAmount"], inputs["limitUnit"]) == ("10000", "USD")
    assert (inputs["budgetType"], inputs["timeUnit"]) == ("COST", "MONTHLY")
    assert inputs["costFilters"] == [{"name": "TagKeyValue", "values": ["user:Environment$test"]}]


def test_alerts_come_on_money_spent_and_on_money_forecast(graph: Graph) -> None:
    alerts = {a["notificationType"]: a for a in spend(graph)["notifications"]}
    assert {kind: a["threshold"] for kind, a in alerts.items()} == {"ACTUAL": 80, "FORECASTED": 100}
    assert {a["thresholdType"] for a in alerts.values()} == {"PERCENTAGE"}
    assert {a["comparisonOperator"] for a in alerts.values()} == {"GREATER_THAN"}


def test_every_alert_goes_to_the_topic_and_to_the_addresses(graph: Graph) -> None:
    topic = graph.one("Topic").outputs["arn"]
    for alert in spend(graph)["notifications"]:
        assert alert["subscriberSnsTopicArns"] == [topic]
        assert alert["subscriberEmailAddresses"] == ["costs@example.com"]


def test_without_addresses_the_topic_still_hears() -> None:
    alone = graph_of(lambda: budget(emails=[]))
    for alert in spend(alone)["notifications"]:
        assert not alert.get("subscriberEmailAddresses")
        assert alert["subscriberSnsTopicArns"]


def test_only_budgets_of_this_account_publish_and_only_here(graph: Graph) -> None:
    (grant,) = json.loads(graph.one("TopicPolicy").inputs["policy"])["Statement"]
    assert grant["Principal"] == {"Service": "budgets.amazonaws.com"}
    assert (grant["Effect"], grant["Action"]) == ("Allow", "sns:Publish")
    assert grant["Resource"] == graph.one("Topic").outputs["arn"]
    assert grant["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:budgets::{ACCOUNT}:*"},
    }


def test_no_alert_comes_before_the_topic_takes_it(graph: Graph) -> None:
    assert graph.one("TopicPolicy").urn in graph.one("aws:budgets/budget:Budget").dependencies


def test_the_topic_is_regional_and_the_budget_is_not(graph: Graph) -> None:
    assert graph.one("Topic").region == graph.one("TopicPolicy").region == "us-east-1"
    assert graph.one("aws:budgets/budget:Budget").region is None


def test_the_topic_is_encrypted_with_the_key_that_is_given(graph: Graph) -> None:
    assert graph.one("Topic").inputs["kmsMasterKeyId"] == KEY
    assert "kmsMasterKeyId" not in graph_of(lambda: budget(topic_key_arn=None)).one("Topic").inputs


@pytest.mark.parametrize("figure", ["limit_usd", "actual_percent", "forecast_percent"])
def test_a_budget_that_could_never_alert_is_refused(figure: str) -> None:
    with pytest.raises(InvalidBudget, match=f"{figure} is 0"):
        budget_args(**{figure: 0})


def test_more_addresses_than_aws_takes_are_refused() -> None:
    with pytest.raises(InvalidBudget, match="11 e-mail addresses, AWS allows 10"):
        budget_args(emails=[f"{n}@example.com" for n in range(11)])
