"""The alarms of one region's resources in CloudWatch. Which there are is derived from what exists, never listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from components.alarms.facts import Facts, alarms_of
from components.alarms.metrics import Alarm, Metric, Term
from components.alarms.topic import subscribe
from components.base import Component, Place

RESULT = "figure"
"""What an expression's value is called among an alarm's queries."""


@dataclass(frozen=True, kw_only=True)
class AlarmsArgs:
    """The topic lies in the place's region: an alarm notifies topics of its own region alone. `emails` hear it too."""

    place: Place
    topic_arn: pulumi.Input[str]
    facts: Facts
    emails: Sequence[str] = ()


class Alarms(Component, area="alarms"):
    """An alarm for each way in which a resource can fail, each announced by itself.

    Children: a MetricAlarm for each of `alarms_of(facts)`; a TopicSubscription for each address.

    There are no composite alarms. Each alarm names the page to follow, and one that stood for several could name none;
    one that held its parts back would hide a cause, such as a table's, behind its effect at the load balancer.
    """

    alarm_arns: dict[str, pulumi.Output[str]]
    """By the alarm's name within the place."""

    def __init__(self, name: str, args: AlarmsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        alarms = alarms_of(args.facts)
        super().__init__(name, args.place, opts)
        self._topic_arn = args.topic_arn
        self.alarm_arns = {alarm.name: self._alarm(alarm).arn for alarm in alarms}
        subscribe(self, args.topic_arn, args.emails)
        self.finish()

    def _alarm(self, alarm: Alarm) -> aws.cloudwatch.MetricAlarm:
        alarm_name = self.place.names.of(alarm.name)
        return aws.cloudwatch.MetricAlarm(
            self.child_name(alarm.name),
            name=alarm_name,
            alarm_description=alarm.description,
            comparison_operator=alarm.comparison.value,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.datapoints,
            treat_missing_data=alarm.missing.value,
            evaluate_low_sample_count_percentiles="ignore" if alarm.ignores_few_samples else None,
            alarm_actions=[self._topic_arn],
            ok_actions=[self._topic_arn],
            region=self.region,
            tags=self.tagged(alarm_name, Severity=alarm.severity.value),
            opts=self.child(),
            **_measured(alarm.figure, alarm.period_seconds),
        )


def _measured(figure: Metric | Term, period_seconds: int) -> dict[str, Any]:
    """What CloudWatch is to evaluate, as the arguments of a MetricAlarm: one metric, or queries."""
    if isinstance(figure, Term):
        return {"metric_queries": _queries(figure, period_seconds)}
    statistic = {"extended_statistic" if figure.is_percentile else "statistic": figure.statistic}
    return {
        "namespace": figure.namespace,
        "metric_name": figure.name,
        "dimensions": dict(figure.dimensions),
        "period": period_seconds,
        **statistic,
    }


def _queries(term: Term, period_seconds: int) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
    query = aws.cloudwatch.MetricAlarmMetricQueryArgs
    metrics = [
        query(
            id=key,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=metric.namespace,
                metric_name=metric.name,
                dimensions=dict(metric.dimensions),
                stat=metric.statistic,
                period=period_seconds,
            ),
            return_data=False,
        )
        for key, metric in term.metrics.items()
    ]
    # Arithmetic has the period of its metrics; a query that finds its metrics itself must be told one.
    period = None if term.metrics else period_seconds
    return [*metrics, query(id=RESULT, expression=term.expression, period=period, return_data=True)]
