"""How an alarm on CloudWatch metrics is described: what is measured, against what, for how long, and what to read.

Which alarms a resource has is said beside the resource's kind; making them in AWS is the component's work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import pulumi

from infra.errors import InvalidInput

MINUTE_SECONDS = 60
HOUR_SECONDS = 60 * MINUTE_SECONDS
DAY_SECONDS = 24 * HOUR_SECONDS
WEEK_SECONDS = 7 * DAY_SECONDS

MATH_METRICS_MAX = 10
"""Metrics in the expression of one alarm (CloudWatch user guide, "Alarm data queries", metric math)."""
DESCRIPTION_MAX = 1024
"""CloudWatch API reference, PutMetricAlarm, AlarmDescription."""

_PERCENTILE = re.compile(r"p\d{1,2}(\.\d{1,2})?")
_METRIC_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
_STATISTICS = ("Average", "Maximum", "Minimum", "Sum")


class InvalidAlarm(InvalidInput):
    """An alarm that CloudWatch refuses or that could never fire; the message says which figure to change."""


class Severity(StrEnum):
    """How soon somebody must look. It says nothing of how many callers notice."""

    CRITICAL = "critical"
    """Callers are refused or kept waiting, or a promise of recovery is broken: now."""
    WARNING = "warning"
    """It will become critical, or is only slower: in working hours."""


class Runbook(StrEnum):
    """The pages that say what an alarm means and what to do, by the name of the file."""

    LOAD_BALANCER_ERRORS = "aws-load-balancer-errors"
    LOAD_BALANCER_LATENCY = "aws-load-balancer-latency"
    LOAD_BALANCER_CONNECTIONS = "aws-load-balancer-connections"
    TARGETS = "aws-targets"
    TABLE_THROTTLES = "aws-table-throttles"
    TABLE_ERRORS = "aws-table-errors"
    TABLE_REPLICATION = "aws-table-replication"
    MODEL_REPLICATION = "aws-model-replication"
    NAT_GATEWAY = "aws-nat-gateway"
    CERTIFICATE = "aws-certificate-expiry"
    CONTROL_PLANE = "aws-cluster-control-plane"
    CLUSTER_STORE = "aws-cluster-store"
    EDGE_ERRORS = "aws-edge-errors"
    BLOCKED_REQUESTS = "aws-blocked-requests"

    @property
    def page(self) -> str:
        """Its path in the repository."""
        return f"docs/runbooks/{self.value}.md"


class Missing(StrEnum):
    """What the absence of data says. The values are CloudWatch's (PutMetricAlarm, TreatMissingData)."""

    IS_GOOD = "notBreaching"
    IS_BAD = "breaching"
    SAYS_NOTHING = "ignore"

    @property
    def reading(self) -> str:
        return {"notBreaching": "is read as good", "breaching": "is read as bad"}.get(self.value, "changes nothing")


class Comparison(StrEnum):
    """When the figure is bad. The values are CloudWatch's (PutMetricAlarm, ComparisonOperator)."""

    ABOVE = "GreaterThanThreshold"
    BELOW = "LessThanThreshold"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A series that AWS publishes. Only the exact set of dimensions under which it is published finds it.

    `statistic` is Average, Maximum, Minimum, Sum or a percentile such as p95.
    """

    namespace: str
    name: str
    dimensions: Mapping[str, pulumi.Input[str]]
    statistic: str

    def __post_init__(self) -> None:
        if self.statistic not in _STATISTICS and not self.is_percentile:
            raise InvalidAlarm(
                f"the statistic {self.statistic!r} of {self.name} is unknown: "
                f"use {', '.join(_STATISTICS)} or a percentile such as p95"
            )
        object.__setattr__(self, "dimensions", MappingProxyType(dict(self.dimensions)))

    @property
    def is_percentile(self) -> bool:
        return _PERCENTILE.fullmatch(self.statistic) is not None


@dataclass(frozen=True, kw_only=True)
class Term:
    """Several series and the arithmetic that makes one figure of them (CloudWatch user guide, "Using math expressions
    with CloudWatch metrics"), or none and a query that finds the series itself (same guide, "Query your metrics with
    CloudWatch Metrics Insights")."""

    expression: pulumi.Input[str]
    metrics: Mapping[str, Metric]
    """By the name that the expression calls each."""

    def __post_init__(self) -> None:
        if len(self.metrics) > MATH_METRICS_MAX:
            raise InvalidAlarm(
                f"an expression over {len(self.metrics)} metrics is not allowed: give {MATH_METRICS_MAX} at most"
            )
        for key in self.metrics:
            if not _METRIC_ID.fullmatch(key):
                raise InvalidAlarm(
                    f"the metric's name {key!r} cannot stand in an expression: begin with a lower-case letter and use "
                    "letters, digits and underscores"
                )
            if isinstance(self.expression, str) and not re.search(rf"\b{key}\b", self.expression):
                raise InvalidAlarm(f"the expression {self.expression!r} does not use {key!r}: use it or leave it out")
        object.__setattr__(self, "metrics", MappingProxyType(dict(self.metrics)))


def share_percent(part: Metric, whole: Metric) -> Term:
    """`part` in percent of `whole`; no figure where either has none."""
    return Term(expression="100 * part / whole", metrics={"part": part, "whole": whole})


def ending(metric: Metric) -> Term:
    """A metric that AWS publishes only while it is not 0, with 0 in between, so that an alarm on it ends by itself."""
    return Term(expression="FILL(events, 0)", metrics={"events": metric})


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alarm that fires when `datapoints` of the last `periods` figures are on the wrong side of `threshold`."""

    name: str
    """Unique among the alarms of a place: lower-case words joined by hyphens."""
    summary: str
    """One sentence: what is wrong when it fires."""
    runbook: Runbook
    severity: Severity
    figure: Metric | Term
    unit: str
    """What the figure and the threshold count, for who reads a graph."""
    comparison: Comparison = Comparison.ABOVE
    threshold: float
    period_seconds: int = MINUTE_SECONDS
    periods: int
    datapoints: int
    missing: Missing
    missing_because: str
    """Why the absence of data is read so."""

    def __post_init__(self) -> None:
        if not 1 <= self.datapoints <= self.periods:
            raise InvalidAlarm(
                f"alarm {self.name!r} asks for {self.datapoints} of {self.periods} periods: "
                "give 1 to as many as it looks at"
            )
        if self.period_seconds < MINUTE_SECONDS or self.period_seconds % MINUTE_SECONDS:
            raise InvalidAlarm(
                f"alarm {self.name!r} has periods of {self.period_seconds} s: AWS publishes its metrics by the minute,"
                f" give a multiple of {MINUTE_SECONDS}"
            )
        # CloudWatch API reference, PutMetricAlarm, EvaluationPeriods.
        longest_seconds = WEEK_SECONDS if self.period_seconds >= HOUR_SECONDS else DAY_SECONDS
        if self.period_seconds * self.periods > longest_seconds:
            raise InvalidAlarm(
                f"alarm {self.name!r} looks at {self.period_seconds * self.periods} s: "
                f"with periods of {self.period_seconds} s CloudWatch allows {longest_seconds}"
            )
        if len(self.description) > DESCRIPTION_MAX:
            raise InvalidAlarm(
                f"the description of alarm {self.name!r} has {len(self.description)} characters, CloudWatch allows "
                f"{DESCRIPTION_MAX}: shorten the summary"
            )

    @property
    def description(self) -> str:
        """What whoever gets the message reads."""
        no_data = f"No data {self.missing.reading}: {self.missing_because}."
        return f"{self.summary} {no_data} Severity: {self.severity}. Runbook: {self.runbook.page}"

    @property
    def ignores_few_samples(self) -> bool:
        """A percentile of a handful of requests is one slow request: such periods leave the alarm as it is."""
        return isinstance(self.figure, Metric) and self.figure.is_percentile
