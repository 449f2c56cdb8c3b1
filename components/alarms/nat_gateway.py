"""Alarms of a NAT gateway: no port left for a connection, and packets dropped.

Metrics, dimension and units: Amazon VPC user guide, "NAT gateway metrics and dimensions".
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.alarms.metrics import Alarm, Metric, Missing, Runbook, Severity, Term

NAMESPACE = "AWS/NATGateway"

DROPPED_MAX_PERCENT = 0.01
"""Of all packets; above it the guide sends its reader to AWS's health dashboard."""

ALWAYS = "a gateway publishes every minute: a gap is CloudWatch's, and says nothing of the gateway"


@dataclass(frozen=True, kw_only=True)
class NatGatewayFacts:
    zone: str
    """Its availability zone; unique in a region."""
    gateway_id: pulumi.Input[str]


def metric(facts: NatGatewayFacts, name: str, statistic: str) -> Metric:
    return Metric(namespace=NAMESPACE, name=name, dimensions={"NatGatewayId": facts.gateway_id}, statistic=statistic)


def port_errors(facts: NatGatewayFacts) -> Metric:
    return metric(facts, "ErrorPortAllocation", "Sum")


def dropped_percent(facts: NatGatewayFacts) -> Term:
    """Packets dropped, in percent of those that came in from either side."""
    return Term(
        expression="100 * dropped / (inside + outside)",
        metrics={
            "dropped": metric(facts, "PacketsDropCount", "Sum"),
            "inside": metric(facts, "PacketsInFromSource", "Sum"),
            "outside": metric(facts, "PacketsInFromDestination", "Sum"),
        },
    )


def alarms(facts: NatGatewayFacts) -> list[Alarm]:
    return [
        Alarm(
            name=f"nat-{facts.zone}-ports",
            summary=f"The NAT gateway of {facts.zone} has no port left for new connections to some destination.",
            runbook=Runbook.NAT_GATEWAY,
            severity=Severity.CRITICAL,
            figure=port_errors(facts),
            unit="errors a minute",
            threshold=0,
            periods=5,
            datapoints=3,
            missing=Missing.SAYS_NOTHING,
            missing_because=ALWAYS,
        ),
        Alarm(
            name=f"nat-{facts.zone}-drops",
            summary=f"The NAT gateway of {facts.zone} drops more than {DROPPED_MAX_PERCENT:g}% of its packets.",
            runbook=Runbook.NAT_GATEWAY,
            severity=Severity.WARNING,
            figure=dropped_percent(facts),
            unit="percent of packets",
            threshold=DROPPED_MAX_PERCENT,
            periods=15,
            datapoints=10,
            missing=Missing.SAYS_NOTHING,
            missing_because=ALWAYS,
        ),
    ]
