"""Single statements of AWS WAF rules, as the SDK's types and without any resource: what a request must be to match."""

from __future__ import annotations

from collections.abc import Sequence

from pulumi_aws import wafv2

Statement = wafv2.WebAclRuleStatementArgs

RATE_WINDOW_SECONDS = 300


def requests_over(limit: int, *, forwarded_by: str | None) -> Statement:
    """More than `limit` requests of one client in 5 minutes.

    By `forwarded_by` the client is the first address in that header, and a request without a valid one counts as
    over the limit; a request without the header at all (Route 53's health checkers) is not counted (API reference,
    ForwardedIPConfig). A client can write the first address of X-Forwarded-For itself, so such a count backs up the
    one made where clients connect and cannot replace it.
    """
    forwarded = (
        None
        if forwarded_by is None
        else wafv2.WebAclRuleStatementRateBasedStatementForwardedIpConfigArgs(
            header_name=forwarded_by, fallback_behavior="MATCH"
        )
    )
    return Statement(
        rate_based_statement=wafv2.WebAclRuleStatementRateBasedStatementArgs(
            limit=limit,
            evaluation_window_sec=RATE_WINDOW_SECONDS,
            aggregate_key_type="IP" if forwarded is None else "FORWARDED_IP",
            forwarded_ip_config=forwarded,
        )
    )


def managed_group(name: str, *, counted: Sequence[str] = ()) -> Statement:
    """A group of rules that AWS keeps up to date; the rules in `counted` count and do not block."""
    count = wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs(
        count=wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs()
    )
    return Statement(
        managed_rule_group_statement=wafv2.WebAclRuleStatementManagedRuleGroupStatementArgs(
            vendor_name="AWS",
            name=name,
            rule_action_overrides=[
                wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs(name=rule, action_to_use=count)
                for rule in counted
            ]
            or None,
        )
    )


def header_matches(header: str, pattern: str) -> Statement:
    """The header is there and its value matches the regular expression."""
    return Statement(
        regex_match_statement=wafv2.WebAclRuleStatementRegexMatchStatementArgs(
            regex_string=pattern,
            field_to_match=wafv2.WebAclRuleStatementRegexMatchStatementFieldToMatchArgs(
                single_header=wafv2.WebAclRuleStatementRegexMatchStatementFieldToMatchSingleHeaderArgs(name=header)
            ),
            text_transformations=[
                wafv2.WebAclRuleStatementRegexMatchStatementTextTransformationArgs(priority=0, type="NONE")
            ],
        )
    )


def body_over(limit_bytes: int) -> Statement:
    """The body is longer than `limit_bytes`, or than what AWS WAF is shown of it."""
    return Statement(
        size_constraint_statement=wafv2.WebAclRuleStatementSizeConstraintStatementArgs(
            comparison_operator="GT",
            size=limit_bytes,
            field_to_match=wafv2.WebAclRuleStatementSizeConstraintStatementFieldToMatchArgs(
                body=wafv2.WebAclRuleStatementSizeConstraintStatementFieldToMatchBodyArgs(oversize_handling="MATCH")
            ),
            text_transformations=[
                wafv2.WebAclRuleStatementSizeConstraintStatementTextTransformationArgs(priority=0, type="NONE")
            ],
        )
    )


def path_starts_with(path: str) -> Statement:
    """The path begins with `path` once decoded, normalised and lower-cased, so that no spelling of it slips by."""
    return Statement(
        byte_match_statement=wafv2.WebAclRuleStatementByteMatchStatementArgs(
            positional_constraint="STARTS_WITH",
            search_string=path.lower(),
            field_to_match=wafv2.WebAclRuleStatementByteMatchStatementFieldToMatchArgs(
                uri_path=wafv2.WebAclRuleStatementByteMatchStatementFieldToMatchUriPathArgs()
            ),
            text_transformations=[
                wafv2.WebAclRuleStatementByteMatchStatementTextTransformationArgs(priority=priority, type=kind)
                for priority, kind in enumerate(("URL_DECODE", "NORMALIZE_PATH", "LOWERCASE"))
            ],
        )
    )


def never(statement: Statement) -> Statement:
    """Matches what `statement` does not."""
    return Statement(not_statement=wafv2.WebAclRuleStatementNotStatementArgs(statement=statement))


def all_of(*statements: Statement) -> Statement:
    """Matches what every one of at least two statements matches."""
    return Statement(and_statement=wafv2.WebAclRuleStatementAndStatementArgs(statements=list(statements)))


def any_of(*statements: Statement) -> Statement:
    """Matches what one of the statements matches; AWS WAF takes OR only of two or more."""
    if len(statements) == 1:
        return statements[0]
    return Statement(or_statement=wafv2.WebAclRuleStatementOrStatementArgs(statements=list(statements)))
