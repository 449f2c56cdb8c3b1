"""How CloudFront treats the two kinds of request: API calls pass uncached, `/static/*` is cached from S3."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import pulumi
from pulumi_aws import cloudfront

from infra.errors import InvalidInput

API_ORIGIN = "api"
STATIC_ORIGIN = "static"
STATIC_PATTERN = "/static/*"

# IDs of AWS's managed policies, the same in every account (CloudFront developer guide, "Use managed cache policies" and
# "Use managed origin request policies").
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"

ALL_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
READ_METHODS = ["GET", "HEAD"]
REDIRECT = "redirect-to-https"


class PriceClass(StrEnum):
    """From how many of CloudFront's locations callers are served. It does not say where data lies."""

    NORTH_AMERICA_EUROPE = "PriceClass_100"
    AND_ASIA = "PriceClass_200"
    ALL = "PriceClass_All"


class InvalidTtl(InvalidInput):
    """Times that contradict each other; the message says which."""


@dataclass(frozen=True, kw_only=True)
class StaticTtl:
    """How long the edge keeps a file of the front end, whatever its Cache-Control says beyond these bounds."""

    min_seconds: int = 86_400
    default_seconds: int = 604_800
    max_seconds: int = 31_536_000

    def __post_init__(self) -> None:
        if not 0 <= self.min_seconds <= self.default_seconds <= self.max_seconds:
            raise InvalidTtl(
                f"cache times of {self.min_seconds} s at least, {self.default_seconds} s by default and "
                f"{self.max_seconds} s at most are out of order: let none be negative and none be below the one before"
            )


def cache_key() -> cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginArgs:
    """A file is its path and its compression: no header, cookie or query string makes another copy of it."""
    return cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginArgs(
        headers_config=cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfigArgs(
            header_behavior="none"
        ),
        cookies_config=cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginCookiesConfigArgs(
            cookie_behavior="none"
        ),
        query_strings_config=cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginQueryStringsConfigArgs(
            query_string_behavior="none"
        ),
        enable_accept_encoding_gzip=True,
        enable_accept_encoding_brotli=True,
    )


def api_behaviour(response_headers_policy_id: pulumi.Input[str]) -> cloudfront.DistributionDefaultCacheBehaviorArgs:
    """Everything that is not a file: forwarded whole, never cached."""
    # AllViewer passes the caller's Host on. CloudFront accepts an origin's certificate that fits either the origin's
    # domain or that Host (developer guide, "HTTP 502 status code"), and the load balancers' certificates cover both.
    return cloudfront.DistributionDefaultCacheBehaviorArgs(
        target_origin_id=API_ORIGIN,
        viewer_protocol_policy=REDIRECT,
        allowed_methods=ALL_METHODS,
        cached_methods=READ_METHODS,
        cache_policy_id=CACHING_DISABLED,
        origin_request_policy_id=ALL_VIEWER,
        response_headers_policy_id=response_headers_policy_id,
        # CloudFront compresses only under a cache policy that keeps compressed copies (developer guide, "Serve
        # compressed files"), and CachingDisabled keeps none: what the API compresses itself passes as it is.
        compress=False,
    )


def static_behaviour(
    cache_policy_id: pulumi.Input[str], response_headers_policy_id: pulumi.Input[str]
) -> cloudfront.DistributionOrderedCacheBehaviorArgs:
    """Files of the front end: read only, cached by `cache_policy_id`."""
    return cloudfront.DistributionOrderedCacheBehaviorArgs(
        path_pattern=STATIC_PATTERN,
        target_origin_id=STATIC_ORIGIN,
        viewer_protocol_policy=REDIRECT,
        allowed_methods=READ_METHODS,
        cached_methods=READ_METHODS,
        cache_policy_id=cache_policy_id,
        response_headers_policy_id=response_headers_policy_id,
        compress=True,
    )
