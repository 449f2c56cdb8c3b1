"""The monthly budget of one environment: alerts at a share of the limit spent, and at a share of it forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from infra import documents
from infra.errors import InvalidInput

COST_TAG = "Environment"
"""The tag by which cost is told apart. It must be active as a cost allocation tag in the payer's account: that can be
done only after the tag first shows up in a bill, up to a day after the first `up`, so it is no resource here."""

EMAILS_MAX = 10
"""AWS Budgets API reference, CreateNotification: one topic and up to ten e-mail addresses a notification."""


class InvalidBudget(InvalidInput):
    """A budget that AWS refuses or that would never alert; the message says which figure to change."""


@dataclass(frozen=True, kw_only=True)
class BudgetArgs:
    """`actual_percent` and `forecast_percent` are shares of `limit_usd`. `emails` may be empty: the topic always hears.

    `topic_key_arn` must be a key whose policy lets budgets.amazonaws.com use it. None leaves the topic unencrypted
    rather than under AWS's own key, with which Budgets cannot publish; the alerts hold a name and sums.
    """

    place: Place
    account_id: str
    limit_usd: int
    actual_percent: int
    forecast_percent: int
    emails: Sequence[str]
    topic_key_arn: pulumi.Input[str] | None

    def __post_init__(self) -> None:
        for figure in ("limit_usd", "actual_percent", "forecast_percent"):
            if getattr(self, figure) < 1:
                raise InvalidBudget(f"{figure} is {getattr(self, figure)}: give 1 or more")
        if len(self.emails) > EMAILS_MAX:
            raise InvalidBudget(
                f"the budget has {len(self.emails)} e-mail addresses, AWS allows {EMAILS_MAX} an alert: "
                "subscribe the others to the topic, or give a group's address"
            )


def topic_policy(topic_arn: pulumi.Input[str], account_id: str) -> dict[str, Any]:
    """Lets this account's budgets publish (AWS cost management guide, "Creating an Amazon SNS topic for budgets")."""
    return documents.policy(
        [
            {
                "Sid": "BudgetsPublish",
                "Effect": "Allow",
                "Principal": {"Service": "budgets.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": topic_arn,
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": account_id},
                    "ArnLike": {"aws:SourceArn": f"arn:aws:budgets::{account_id}:*"},
                },
            }
        ]
    )


def cost_of(environment: str) -> str:
    """The value of a TagKeyValue filter: tags that we set carry the prefix `user:`."""
    return f"user:{COST_TAG}${environment}"


class Budget(Component, area="cost"):
    """The budget and where its alerts go.

    Children: Topic, TopicPolicy, Budget. Other subscribers, such as a chat's, join by `topic_arn`.
    """

    budget_name: pulumi.Output[str]
    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        topic_name = self.place.names.of("budget-alerts")
        topic = aws.sns.Topic(
            self.child_name("topic"),
            name=topic_name,
            kms_master_key_id=args.topic_key_arn,
            region=self.region,
            tags=self.tagged(topic_name),
            opts=self.child(),
        )
        policy = aws.sns.TopicPolicy(
            self.child_name("topic-policy"),
            arn=topic.arn,
            policy=pulumi.Output.json_dumps(topic_policy(topic.arn, args.account_id)),
            region=self.region,
            opts=self.child(),
        )
        budget_name = self.place.names.of("monthly")
        budget = aws.budgets.Budget(
            self.child_name("budget"),
            name=budget_name,
            account_id=args.account_id,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(args.limit_usd),
            limit_unit="USD",
            cost_filters=[aws.budgets.BudgetCostFilterArgs(name="TagKeyValue", values=[cost_of(self.tags[COST_TAG])])],
            notifications=[
                _alert("ACTUAL", args.actual_percent, args.emails, topic.arn),
                _alert("FORECASTED", args.forecast_percent, args.emails, topic.arn),
            ],
            tags=self.tagged(budget_name),
            # No alert may come before the topic takes it.
            opts=self.child(depends_on=[policy]),
        )
        self.budget_name = budget.name
        self.topic_arn = topic.arn
        self.finish()


def _alert(
    kind: str, percent: int, emails: Sequence[str], topic_arn: pulumi.Input[str]
) -> aws.budgets.BudgetNotificationArgs:
    return aws.budgets.BudgetNotificationArgs(
        notification_type=kind,
        comparison_operator="GREATER_THAN",
        threshold=percent,
        threshold_type="PERCENTAGE",
        subscriber_email_addresses=list(emails),
        subscriber_sns_topic_arns=[topic_arn],
    )
