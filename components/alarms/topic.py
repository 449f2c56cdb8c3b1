"""Where a region's alarms are announced, and who hears them by mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.failover.alarm_topic import topic_policy

TOPIC = "alarms"


@dataclass(frozen=True, kw_only=True)
class AlarmTopicArgs:
    """`key_arn` is a key of the place's region whose policy lets CloudWatch use it, such as the one for logs."""

    place: Place
    account_id: str
    key_arn: pulumi.Input[str]


class AlarmTopic(Component, area="alarms"):
    """The topic of a region's alarms: CloudWatch's, and the cluster's.

    Children: Topic and TopicPolicy.

    The policy lets CloudWatch publish. The cluster's Alertmanager publishes by a right of its own role, which for a
    principal of the same account is enough (IAM user guide, "Policy evaluation logic").
    """

    topic_arn: pulumi.Output[str]
    """Known once the policy stands: no alarm comes before its topic takes it."""

    def __init__(self, name: str, args: AlarmTopicArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        topic_name = self.place.names.of(TOPIC)
        topic = aws.sns.Topic(
            self.child_name("topic"),
            name=topic_name,
            kms_master_key_id=args.key_arn,
            region=self.region,
            tags=self.tagged(topic_name),
            opts=self.child(),
        )
        policy = aws.sns.TopicPolicy(
            self.child_name("topic-policy"),
            arn=topic.arn,
            policy=pulumi.Output.json_dumps(topic_policy(topic.arn, args.account_id, self.region)),
            region=self.region,
            opts=self.child(),
        )
        self.topic_arn = policy.arn
        self.finish()


def subscribe(component: Component, topic_arn: pulumi.Input[str], emails: Sequence[str]) -> None:
    """Send what the topic hears to these addresses, as children of `component`.

    SNS first asks each address whether it agrees. Until then it gets nothing, and the subscription cannot be deleted:
    SNS drops it by itself (provider's documentation of TopicSubscription, partially supported protocols).
    """
    for email in dict.fromkeys(emails):
        aws.sns.TopicSubscription(
            component.child_name("mail", email),
            topic=topic_arn,
            protocol="email",
            endpoint=email,
            region=component.region,
            opts=component.child(),
        )
