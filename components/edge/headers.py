"""The security headers of every response that leaves the edge; what pages may load differs for API and front end."""

from __future__ import annotations

from pulumi_aws import cloudfront

# Two years: what browsers' preload lists ask for and more (hstspreload.org wants a year, subdomains and `preload`).
HSTS_MAX_AGE_SECONDS = 2 * 365 * 24 * 3600

# The API answers JSON: nothing in it may be rendered, run or framed.
API_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"

# The front end is files of this origin that call the API of this origin.
STATIC_CONTENT_POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "upgrade-insecure-requests",
    ]
)


def security_headers(content_policy: str) -> cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs:
    """HSTS, no sniffing, no framing, no referrer, `content_policy`; each replaces what the origin sent."""
    return cloudfront.ResponseHeadersPolicySecurityHeadersConfigArgs(
        strict_transport_security=cloudfront.ResponseHeadersPolicySecurityHeadersConfigStrictTransportSecurityArgs(
            access_control_max_age_sec=HSTS_MAX_AGE_SECONDS, include_subdomains=True, preload=True, override=True
        ),
        content_type_options=cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentTypeOptionsArgs(override=True),
        frame_options=cloudfront.ResponseHeadersPolicySecurityHeadersConfigFrameOptionsArgs(
            frame_option="DENY", override=True
        ),
        referrer_policy=cloudfront.ResponseHeadersPolicySecurityHeadersConfigReferrerPolicyArgs(
            referrer_policy="no-referrer", override=True
        ),
        content_security_policy=cloudfront.ResponseHeadersPolicySecurityHeadersConfigContentSecurityPolicyArgs(
            content_security_policy=content_policy, override=True
        ),
        # `X-XSS-Protection: 0`. The filter it once switched on is gone from browsers, and leaked data where it was not.
        xss_protection=cloudfront.ResponseHeadersPolicySecurityHeadersConfigXssProtectionArgs(
            protection=False, override=True
        ),
    )
