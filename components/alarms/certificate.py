"""The alarm of a certificate that ACM has not renewed in time.

Metric, dimension, statistic and period: AWS CDK, ICertificate.metricDaysToExpiry, whose documentation also says that
the metric ends with the certificate.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.alarms.metrics import DAY_SECONDS, Alarm, Comparison, Metric, Missing, Runbook, Severity

NAMESPACE = "AWS/CertificateManager"

LEFT_MIN_DAYS = 30
"""ACM begins to renew 60 or 45 days before the end, by the certificate's length: a renewal that is not done at 30 is
stopped, not slow, and a month is left to see why."""


@dataclass(frozen=True, kw_only=True)
class CertificateFacts:
    role: str
    """What it is for, such as `ingress`; unique in a region."""
    arn: pulumi.Input[str]


def days_left(facts: CertificateFacts) -> Metric:
    return Metric(
        namespace=NAMESPACE, name="DaysToExpiry", dimensions={"CertificateArn": facts.arn}, statistic="Minimum"
    )


def alarms(facts: CertificateFacts) -> list[Alarm]:
    return [
        Alarm(
            name=f"{facts.role}-certificate",
            summary=f"The certificate of the {facts.role} ends in less than {LEFT_MIN_DAYS} days and is not renewed.",
            runbook=Runbook.CERTIFICATE,
            severity=Severity.CRITICAL,
            figure=days_left(facts),
            unit="days",
            comparison=Comparison.BELOW,
            threshold=LEFT_MIN_DAYS,
            period_seconds=DAY_SECONDS,
            periods=1,
            datapoints=1,
            missing=Missing.SAYS_NOTHING,
            missing_because=(
                "a new certificate has no figure for hours and must not alarm; one that ended never has one again, and "
                "its alarm has been on for a month"
            ),
        )
    ]
