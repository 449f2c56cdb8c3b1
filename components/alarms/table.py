"""Alarms of a DynamoDB table in one region: throttling, errors of the service, and copies that lag.

Metrics, dimensions and units: DynamoDB developer guide, "DynamoDB Metrics and dimensions". UserErrors has no dimension
at all: it counts every table of the account, so it is shown on the dashboard and alarms nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.alarms.metrics import Alarm, Metric, Missing, Runbook, Severity, Term, ending
from components.alarms.objectives import Objectives
from infra import regions

NAMESPACE = "AWS/DynamoDB"
MILLISECONDS = 1000

ACCESSES = {"read": "ReadThrottleEvents", "write": "WriteThrottleEvents"}

# The API reference says that alarms on DynamoDB's metrics always ignore missing data, the user guide that they do so
# by default (PutMetricAlarm, TreatMissingData; "Configuring how CloudWatch alarms treat missing data"). An alarm that
# must end by itself therefore fills the gaps with 0 as well.
RARE = "DynamoDB publishes the metric only when it is not 0"


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """A table as one region has it."""

    role: str
    """What it holds, such as `deployments`; unique in a region."""
    name: pulumi.Input[str]
    indexes: Sequence[str]
    """Global secondary indexes: each is throttled by itself."""
    copied_to: Sequence[str]
    """The other regions that hold a copy."""


def metric(facts: TableFacts, name: str, statistic: str, **more: str) -> Metric:
    return Metric(namespace=NAMESPACE, name=name, dimensions={"TableName": facts.name, **more}, statistic=statistic)


def throttles(facts: TableFacts, access: str, index: str | None = None) -> Metric:
    """Throttled events of the table alone, or of one index: the table's figure does not hold its indexes'."""
    more = {} if index is None else {"GlobalSecondaryIndexName": index}
    return metric(facts, ACCESSES[access], "Sum", **more)


def replication_latency(facts: TableFacts, region: str) -> Metric:
    """Milliseconds from a write here to its being in the copy; published here, for each other region."""
    return metric(facts, "ReplicationLatency", "Average", ReceivingRegion=region)


def system_errors(facts: TableFacts) -> Term:
    """Requests to the table that DynamoDB failed at. They are published by operation alone: the query adds up whichever
    operations there are."""
    query = 'SELECT SUM(SystemErrors) FROM SCHEMA("AWS/DynamoDB", Operation, TableName) WHERE TableName = '
    if isinstance(facts.name, str):
        return Term(expression=f"{query}'{facts.name}'", metrics={})
    return Term(expression=pulumi.Output.concat(query, "'", facts.name, "'"), metrics={})


def user_errors() -> Metric:
    """Requests of the whole account in a region that were the caller's mistake."""
    return Metric(namespace=NAMESPACE, name="UserErrors", dimensions={}, statistic="Sum")


def alarms(facts: TableFacts, objectives: Objectives) -> list[Alarm]:
    return [
        *(_throttled(facts, access, index) for index in (None, *facts.indexes) for access in ACCESSES),
        Alarm(
            name=f"{facts.role}-table-errors",
            summary=f"DynamoDB fails at requests to the table of {facts.role} (HTTP 500).",
            runbook=Runbook.TABLE_ERRORS,
            severity=Severity.WARNING,
            figure=system_errors(facts),
            unit="requests a minute",
            threshold=0,
            periods=5,
            datapoints=3,
            missing=Missing.IS_GOOD,
            missing_because=RARE,
        ),
        *(_lags(facts, region, objectives) for region in facts.copied_to),
    ]


def _throttled(facts: TableFacts, access: str, index: str | None) -> Alarm:
    what = "table" if index is None else f"index {index}"
    return Alarm(
        name="-".join(part for part in (facts.role, index, access, "throttles") if part),
        summary=f"DynamoDB throttles {access}s of the {what} of {facts.role}.",
        runbook=Runbook.TABLE_THROTTLES,
        severity=Severity.WARNING,
        figure=ending(throttles(facts, access, index)),
        unit="events a minute",
        threshold=0,
        periods=5,
        datapoints=3,
        missing=Missing.IS_GOOD,
        missing_because=RARE,
    )


def _lags(facts: TableFacts, region: str, objectives: Objectives) -> Alarm:
    return Alarm(
        name=f"{facts.role}-replication-{regions.code(region)}",
        summary=(
            f"What is written to the table of {facts.role} here is in {region} only after more than "
            f"{objectives.recovery_point_seconds} s: losing this region would lose it."
        ),
        runbook=Runbook.TABLE_REPLICATION,
        severity=Severity.CRITICAL,
        figure=replication_latency(facts, region),
        unit="milliseconds",
        threshold=objectives.recovery_point_seconds * MILLISECONDS,
        periods=5,
        datapoints=5,
        missing=Missing.SAYS_NOTHING,
        missing_because="it is published as items arrive: a copy that stands still looks like one without news",
    )
