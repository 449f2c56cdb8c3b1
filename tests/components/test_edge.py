"""The edge: what it caches, what it lets through, what it adds, and where it is found."""

from __future__ import annotations

from typing import Any

import pytest

from components.edge.behaviours import InvalidTtl, PriceClass, StaticTtl
from components.edge.edge import Edge
from localcloud.graph import Graph, Node
from tests.components.edge import ARGS, STATIC_BUCKET, edge, origin
from tests.support.components import TAGS, graph_of


@pytest.fixture(scope="module")
def graph() -> Graph:
    return edge()


@pytest.fixture(scope="module")
def distribution(graph: Graph) -> Node:
    return graph.one("Distribution")


def outputs(graph: Graph, type_part: str = ":Edge") -> Any:
    return next(node for node in graph.components() if node.type.endswith(type_part)).registered_outputs


def test_the_origin_is_asked_over_tls_1_2_and_nothing_else(distribution: Node) -> None:
    api = origin(distribution, "api")
    assert api["domainName"] == "origin.api.example.com"
    assert api["customOriginConfig"]["originProtocolPolicy"] == "https-only"
    assert api["customOriginConfig"]["originSslProtocols"] == ["TLSv1.2"]
    assert api["customOriginConfig"]["originReadTimeout"] == 30


def test_callers_are_served_over_ipv6_http_3_and_tls_1_2(distribution: Node) -> None:
    assert distribution.inputs["isIpv6Enabled"] is True
    assert distribution.inputs["httpVersion"] == "http2and3"
    assert distribution.inputs["aliases"] == ["api.example.com"]
    assert distribution.inputs["viewerCertificate"] == {
        "acmCertificateArn": ARGS.certificate_arn,
        "minimumProtocolVersion": "TLSv1.2_2021",
        "sslSupportMethod": "sni-only",
    }


def test_api_calls_of_every_method_pass_whole_and_uncached(distribution: Node) -> None:
    default = distribution.inputs["defaultCacheBehavior"]
    assert default["targetOriginId"] == "api"
    assert set(default["allowedMethods"]) == {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
    # CachingDisabled and AllViewer, as the CloudFront developer guide lists them.
    assert default["cachePolicyId"] == "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    assert default["originRequestPolicyId"] == "216adef6-5c7f-47e4-b989-5492eafa07d3"
    # CloudFront compresses nothing that it does not cache.
    assert default["compress"] is False


def test_errors_of_the_api_reach_the_caller_unchanged(distribution: Node) -> None:
    assert "customErrorResponses" not in distribution.inputs


def test_files_come_from_the_bucket_and_stay_cached_for_a_day_to_a_year(graph: Graph, distribution: Node) -> None:
    (static,) = distribution.inputs["orderedCacheBehaviors"]
    assert (static["pathPattern"], static["targetOriginId"]) == ("/static/*", "static")
    assert static["allowedMethods"] == ["GET", "HEAD"]
    assert static["compress"] is True
    policy = graph.one("CachePolicy")
    assert static["cachePolicyId"] == policy.id
    assert (policy.inputs["minTtl"], policy.inputs["defaultTtl"], policy.inputs["maxTtl"]) == (
        86_400,
        604_800,
        31_536_000,
    )
    key = policy.inputs["parametersInCacheKeyAndForwardedToOrigin"]
    assert key["queryStringsConfig"] == {"queryStringBehavior": "none"}
    assert key["enableAcceptEncodingBrotli"] is True


def test_plain_http_is_redirected_everywhere(distribution: Node) -> None:
    behaviours = [distribution.inputs["defaultCacheBehavior"], *distribution.inputs["orderedCacheBehaviors"]]
    assert {behaviour["viewerProtocolPolicy"] for behaviour in behaviours} == {"redirect-to-https"}


@pytest.mark.parametrize(
    ("kind", "behaviour", "content_policy"),
    [("api", "defaultCacheBehavior", "default-src 'none'"), ("static", "orderedCacheBehaviors", "default-src 'self'")],
)
def test_every_response_carries_the_security_headers(
    graph: Graph, distribution: Node, kind: str, behaviour: str, content_policy: str
) -> None:
    policy = graph.one("ResponseHeadersPolicy", kind)
    used = distribution.inputs[behaviour]
    assert (used[0] if isinstance(used, list) else used)["responseHeadersPolicyId"] == policy.id
    headers = policy.inputs["securityHeadersConfig"]
    assert headers["strictTransportSecurity"] == {
        "accessControlMaxAgeSec": 63_072_000,
        "includeSubdomains": True,
        "preload": True,
        "override": True,
    }
    assert headers["frameOptions"]["frameOption"] == "DENY"
    assert headers["referrerPolicy"]["referrerPolicy"] == "no-referrer"
    assert headers["contentTypeOptions"]["override"] is True
    assert headers["xssProtection"]["protection"] is False
    assert headers["contentSecurityPolicy"]["contentSecurityPolicy"].startswith(content_policy)
    assert "frame-ancestors 'none'" in headers["contentSecurityPolicy"]["contentSecurityPolicy"]


def test_the_public_name_leads_to_the_distribution_over_both_protocols(graph: Graph, distribution: Node) -> None:
    records = graph.of_type("Record")
    assert {node.inputs["type"] for node in records} == {"A", "AAAA"}
    for node in records:
        assert node.inputs["name"] == "api.example.com"
        (alias,) = node.inputs["aliases"]
        assert alias == {
            "name": distribution.outputs["domainName"],
            "zoneId": distribution.outputs["hostedZoneId"],
            "evaluateTargetHealth": False,
        }


def test_without_a_certificate_the_edge_keeps_its_own_name_and_asks_the_origin_in_plain_http() -> None:
    graph = edge(certificate_arn=None)
    distribution = graph.one("Distribution")
    assert distribution.inputs["viewerCertificate"] == {"cloudfrontDefaultCertificate": True}
    assert not distribution.inputs.get("aliases")
    assert not graph.of_type("Record")
    assert origin(distribution, "api")["customOriginConfig"]["originProtocolPolicy"] == "http-only"
    assert outputs(graph)["domain_name"] == distribution.outputs["domainName"]


def test_what_cloudfront_reads_is_in_us_east_1_and_the_files_are_at_home(graph: Graph) -> None:
    for node in graph.custom():
        service = node.type.split(":")[1].split("/")[0]
        at_home = service == "s3" or "static" in node.name
        expected = None if service in ("cloudfront", "route53") else "eu-west-1" if at_home else "us-east-1"
        assert node.region == expected, node.urn


def test_limits_and_prices_follow_the_arguments() -> None:
    graph = edge(
        rate_limit_per_5_minutes=500,
        price_class=PriceClass.NORTH_AMERICA_EUROPE,
        static_ttl=StaticTtl(min_seconds=0, default_seconds=60, max_seconds=600),
    )
    assert graph.one("Distribution").inputs["priceClass"] == "PriceClass_100"
    assert graph.one("CachePolicy").inputs["maxTtl"] == 600
    assert 500 in [
        rule["statement"]["rateBasedStatement"]["limit"]
        for rule in graph.one("WebAcl").inputs["rules"]
        if "rateBasedStatement" in rule["statement"]
    ]


@pytest.mark.parametrize(
    "times",
    [
        {"min_seconds": -1},
        {"min_seconds": 700_000},
        {"max_seconds": 3600},
    ],
)
def test_cache_times_out_of_order_are_refused(times: dict[str, int]) -> None:
    with pytest.raises(InvalidTtl, match="out of order"):
        StaticTtl(**times)


def test_a_preview_registers_the_same_resources(graph: Graph) -> None:
    preview = graph_of(lambda: Edge("edge", ARGS), preview=True)
    assert {node.urn for node in preview} == {node.urn for node in graph}


def test_the_edge_tells_where_it_is(graph: Graph, distribution: Node) -> None:
    assert outputs(graph) == {
        "distribution_id": distribution.id,
        "distribution_arn": distribution.outputs["arn"],
        "domain_name": "api.example.com",
        "static_bucket": STATIC_BUCKET,
        "web_acl_arn": graph.one("WebAcl").outputs["arn"],
        "web_acl_metric_name": graph.one("WebAcl").inputs["visibilityConfig"]["metricName"],
    }


def test_every_taggable_resource_is_tagged(graph: Graph) -> None:
    untaggable = {
        "CachePolicy",
        "OriginAccessControl",
        "ResponseHeadersPolicy",
        "WebAclLoggingConfiguration",
        "Record",
        "Alias",
        "KeyPolicy",
    }
    for node in graph.custom():
        kind = node.type.rsplit(":", 1)[-1]
        if kind not in untaggable and not kind.startswith("Bucket"):
            assert TAGS.items() <= node.inputs["tags"].items(), node.urn
