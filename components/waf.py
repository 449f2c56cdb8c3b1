"""The rules of the Web ACLs, shared by the edge and the load balancers, and where their logs go.

Which traffic a Web ACL sees differs: CloudFront sees each client's own address, a load balancer behind it sees
CloudFront's. Associating a Web ACL with what it protects is left to its owner.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from components.base import Component
from components.waf_statements import (
    all_of,
    any_of,
    body_over,
    header_matches,
    managed_group,
    never,
    path_starts_with,
    requests_over,
)
from infra.errors import InvalidInput

# How much of a body AWS WAF is shown (developer guide, "Considerations for managing body inspection"): fixed for a
# load balancer; CloudFront's default, which an association configuration can raise for a fee.
LOAD_BALANCER_INSPECTED_BODY_BYTES = 8_192
CLOUDFRONT_INSPECTED_BODY_BYTES = 16_384

FORWARDED_FOR_HEADER = "X-Forwarded-For"

# Credentials that must not reach logs or samples.
SECRET_HEADERS = ("authorization", "x-api-key", "cookie")

# Log destinations of AWS WAF must carry this prefix (developer guide, "Logging web ACL traffic").
LOG_GROUP_PREFIX = "aws-waf-logs-"

RATE_LIMIT_MIN = 10
"""Smallest limit of a rate-based rule (API reference, RateBasedStatement)."""

# Codes from the developer guide's "Supported status codes for custom response".
_NOT_FOUND = 404
_LENGTH_REQUIRED = 411
_CONTENT_TOO_LARGE = 413
_TOO_MANY_REQUESTS = 429


class InvalidWebAcl(InvalidInput):
    """A figure that no Web ACL rule can be made of; the message says what is allowed."""


def number_over(limit: int) -> str:
    """A regular expression, without capturing groups, of every decimal number greater than `limit` (0 or more).

    AWS WAF compares no header as a number; its size constraint measures a header's own length.
    """
    if limit < 0:
        raise InvalidWebAcl(f"a body limit of {limit} bytes is not allowed: give 0 or more")
    digits = str(limit)
    longer = rf"[1-9][0-9]{{{len(digits)},}}"
    same_length: list[str] = []
    for index, digit in enumerate(digits):
        if digit != "9":
            rest = len(digits) - index - 1
            same_length.append(f"{digits[:index]}[{int(digit) + 1}-9]" + (f"[0-9]{{{rest}}}" if rest else ""))
    return f"^0*(?:{'|'.join([longer, *same_length])})$"


def rules(
    *,
    metric_prefix: str,
    rate_limit_per_5_minutes: int,
    max_body_bytes: int,
    inspected_body_bytes: int,
    forwarded_by: str | None = None,
    hidden_paths: Sequence[str] = (),
) -> list[aws.wafv2.WebAclRuleArgs]:
    """The rules of a Web ACL, first evaluated first.

    `forwarded_by` names the header that holds the client's address where a proxy stands before the Web ACL; None
    where clients connect directly. `hidden_paths` answer 404: what the service serves for operators alone.

    Capacity (developer guide; the basic price covers 1500 units, which is the default limit): rate limit 2, address
    reputation 25, declared body 3, undeclared body 3 + 1, hidden path 2 + 3 transformations of 10, common rules 700,
    known bad inputs 200, SQL injection 200: 1166 with one hidden path.
    """
    if rate_limit_per_5_minutes < RATE_LIMIT_MIN:
        raise InvalidWebAcl(
            f"a rate limit of {rate_limit_per_5_minutes} requests per 5 minutes is not allowed:"
            f" AWS WAF takes {RATE_LIMIT_MIN} or more"
        )
    statements: list[tuple[str, int | None, aws.wafv2.WebAclRuleStatementArgs]] = [
        ("rate-limit", _TOO_MANY_REQUESTS, requests_over(rate_limit_per_5_minutes, forwarded_by=forwarded_by))
    ]
    if forwarded_by is None:
        # The list looks at the connection's address alone, which behind a proxy is the proxy's.
        statements.append(("ip-reputation", None, managed_group("AWSManagedRulesAmazonIpReputationList")))
    statements += [
        ("declared-body", _CONTENT_TOO_LARGE, header_matches("content-length", number_over(max_body_bytes))),
        (
            # A body without a declared length could be of any size, and only its beginning is shown to the rules.
            "undeclared-body",
            _LENGTH_REQUIRED,
            all_of(
                never(header_matches("content-length", "^[0-9]+$")),
                body_over(min(max_body_bytes, inspected_body_bytes)),
            ),
        ),
    ]
    if hidden_paths:
        statements.append(("hidden-paths", _NOT_FOUND, any_of(*(path_starts_with(path) for path in hidden_paths))))
    statements += [
        # Its rule against bodies over 8 KB would refuse larger predictions: `declared-body` holds our own limit.
        ("common", None, managed_group("AWSManagedRulesCommonRuleSet", counted=["SizeRestrictions_BODY"])),
        ("known-bad-inputs", None, managed_group("AWSManagedRulesKnownBadInputsRuleSet")),
        ("sql-injection", None, managed_group("AWSManagedRulesSQLiRuleSet")),
    ]
    return [
        _rule(name, priority, statement, status=status, metric_prefix=metric_prefix)
        for priority, (name, status, statement) in enumerate(statements)
    ]


def _rule(
    name: str, priority: int, statement: aws.wafv2.WebAclRuleStatementArgs, *, status: int | None, metric_prefix: str
) -> aws.wafv2.WebAclRuleArgs:
    """A rule of our own blocks with `status`; a managed group (None) acts as its own rules say."""
    block = (
        None
        if status is None
        else aws.wafv2.WebAclRuleActionArgs(
            block=aws.wafv2.WebAclRuleActionBlockArgs(
                custom_response=aws.wafv2.WebAclRuleActionBlockCustomResponseArgs(response_code=status)
            )
        )
    )
    as_the_group_says = aws.wafv2.WebAclRuleOverrideActionArgs(none=aws.wafv2.WebAclRuleOverrideActionNoneArgs())
    return aws.wafv2.WebAclRuleArgs(
        name=name,
        priority=priority,
        statement=statement,
        action=block,
        override_action=as_the_group_says if block is None else None,
        visibility_config=aws.wafv2.WebAclRuleVisibilityConfigArgs(
            cloudwatch_metrics_enabled=True,
            metric_name=f"{metric_prefix}-{name}",
            sampled_requests_enabled=True,
        ),
    )


def visibility(metric_prefix: str) -> aws.wafv2.WebAclVisibilityConfigArgs:
    """Metrics and samples of the Web ACL as a whole; each rule has its own."""
    return aws.wafv2.WebAclVisibilityConfigArgs(
        cloudwatch_metrics_enabled=True, metric_name=metric_prefix, sampled_requests_enabled=True
    )


def data_protection() -> aws.wafv2.WebAclDataProtectionConfigArgs:
    """Keeps credentials and bodies (feature values) out of samples, logs and the rules' match details."""
    protect = aws.wafv2.WebAclDataProtectionConfigDataProtectionArgs
    what = aws.wafv2.WebAclDataProtectionConfigDataProtectionFieldArgs
    return aws.wafv2.WebAclDataProtectionConfigArgs(
        data_protections=[
            protect(action="SUBSTITUTION", field=what(field_type="SINGLE_HEADER", field_keys=list(SECRET_HEADERS))),
            protect(action="SUBSTITUTION", field=what(field_type="BODY")),
        ]
    )


def web_acl_logging(
    component: Component,
    *,
    web_acl_arn: pulumi.Input[str],
    key_arn: pulumi.Input[str],
    retention_days: int,
    region: str,
) -> aws.cloudwatch.LogGroup:
    """Make the log group of a Web ACL and send its log there, credentials redacted; both are children of `component`.

    `region` is the Web ACL's: us-east-1 for CloudFront's. AWS WAF itself writes the log group's resource policy
    when logging is switched on (API reference, PutLoggingConfiguration).
    """
    name = f"{LOG_GROUP_PREFIX}{component.place.names.of(component.area)}"
    log_group = aws.cloudwatch.LogGroup(
        component.child_name("waf-log"),
        name=name,
        kms_key_id=key_arn,
        retention_in_days=retention_days,
        region=region,
        tags=component.tagged(name),
        opts=component.child(),
    )
    aws.wafv2.WebAclLoggingConfiguration(
        component.child_name("waf-logging"),
        resource_arn=web_acl_arn,
        log_destination_configs=[log_group.arn],
        redacted_fields=[_redacted(header) for header in SECRET_HEADERS],
        region=region,
        opts=component.child(),
    )
    return log_group


def _redacted(header: str) -> aws.wafv2.WebAclLoggingConfigurationRedactedFieldArgs:
    return aws.wafv2.WebAclLoggingConfigurationRedactedFieldArgs(
        single_header=aws.wafv2.WebAclLoggingConfigurationRedactedFieldSingleHeaderArgs(name=header)
    )
