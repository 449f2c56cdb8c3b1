"""The alarm of a Web ACL that suddenly blocks much.

Metric and dimensions: AWS WAF developer guide, "AWS WAF metrics and dimensions". Region is a dimension for every
protected resource but CloudFront's distributions; the rule `ALL` stands for the Web ACL as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.alarms.metrics import MINUTE_SECONDS, Alarm, Metric, Missing, Runbook, Severity

NAMESPACE = "AWS/WAFV2"
ALL_RULES = "ALL"
WINDOW_MINUTES = 5
"""The span that the Web ACL's own rate limit counts over."""


@dataclass(frozen=True, kw_only=True)
class WebAclFacts:
    role: str
    """What it stands before, such as `ingress`; unique in a region."""
    metric_name: pulumi.Input[str]
    """Its name in CloudWatch, as its visibility configuration has it."""
    region: str | None
    """None for a distribution's."""
    rate_limit_per_5_minutes: int
    """What one address may ask: more blocked requests than that are no single client gone wrong."""


def metric(facts: WebAclFacts, name: str) -> Metric:
    region = {} if facts.region is None else {"Region": facts.region}
    return Metric(
        namespace=NAMESPACE,
        name=name,
        dimensions={"WebACL": facts.metric_name, "Rule": ALL_RULES, **region},
        statistic="Sum",
    )


def alarms(facts: WebAclFacts) -> list[Alarm]:
    return [
        Alarm(
            name=f"{facts.role}-blocked-requests",
            summary=(
                f"The Web ACL of the {facts.role} blocks more than {facts.rate_limit_per_5_minutes} requests in "
                f"{WINDOW_MINUTES} minutes: an attack, or a rule that refuses good requests."
            ),
            runbook=Runbook.BLOCKED_REQUESTS,
            severity=Severity.WARNING,
            figure=metric(facts, "BlockedRequests"),
            unit=f"requests in {WINDOW_MINUTES} minutes",
            threshold=facts.rate_limit_per_5_minutes,
            period_seconds=WINDOW_MINUTES * MINUTE_SECONDS,
            periods=2,
            datapoints=2,
            missing=Missing.IS_GOOD,
            missing_because="AWS WAF publishes the metric only when it is not 0",
        )
    ]
