"""The platform's public name: CloudFront behind a Web ACL, in front of the origin's name and the front end's files."""

from __future__ import annotations

from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws
from pulumi_aws import cloudfront

from components import waf
from components.base import Component, Place
from components.edge.access_logs import AccessLogs, AccessLogsArgs
from components.edge.behaviours import (
    API_ORIGIN,
    STATIC_ORIGIN,
    PriceClass,
    StaticTtl,
    api_behaviour,
    static_behaviour,
)
from components.edge.headers import API_CONTENT_POLICY, STATIC_CONTENT_POLICY, security_headers
from components.edge.static_files import StaticAccess, StaticAccessArgs, StaticFiles, StaticFilesArgs
from components.failover.log_key import GlobalLogKey, GlobalLogKeyArgs
from contract.service import METRICS_PATH
from infra.regions import GLOBAL_REGION

# CloudFront is to close an idle connection before the load balancer does (after 60 s unless set otherwise): were the
# load balancer first, a request could arrive on a connection that is gone.
ORIGIN_KEEPALIVE_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """What the edge is in front of, and its limits.

    `certificate_arn` is of a certificate in us-east-1 that covers `domain_name`. None means TLS is off: the origin is
    asked in plain HTTP, and callers use CloudFront's own name, since an alias needs a certificate.
    The bucket of access logs lies in the place's region and allows `access_logs.bucket_statement`.
    """

    place: Place
    account_id: str
    domain_name: str
    zone_id: pulumi.Input[str]
    origin_domain: pulumi.Input[str]
    certificate_arn: pulumi.Input[str] | None
    access_log_bucket: pulumi.Input[str]
    waf_log_retention_days: int
    max_body_bytes: int
    force_destroy: bool
    rate_limit_per_5_minutes: int = 2000
    origin_read_timeout_seconds: int = 30
    static_ttl: StaticTtl = field(default_factory=StaticTtl)
    price_class: PriceClass = PriceClass.ALL
    key_deletion_window_days: int = 30


class Edge(Component, area="edge"):
    """One distribution for the API and the front end.

    Children: WebAcl with its log group and logging; two ResponseHeadersPolicies; the Distribution; alias records A and
    AAAA where there is a certificate; the components GlobalLogKey, StaticFiles, StaticAccess and AccessLogs.

    `domain_name` is where callers reach the platform.
    """

    distribution_id: pulumi.Output[str]
    distribution_arn: pulumi.Output[str]
    domain_name: pulumi.Output[str]
    static_bucket: pulumi.Output[str]
    web_acl_arn: pulumi.Output[str]
    web_acl_metric_name: pulumi.Output[str]
    """The `WebACL` dimension of CloudWatch metrics."""

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        bucket_name = self.place.names.bucket("static", args.account_id)
        web_acl = self._web_acl()
        static = StaticFiles(
            self.child_name("static"),
            StaticFilesArgs(
                place=self.place,
                bucket_name=bucket_name,
                access_log_bucket=args.access_log_bucket,
                force_destroy=args.force_destroy,
                key_deletion_window_days=args.key_deletion_window_days,
                ttl=args.static_ttl,
            ),
            opts=self.child(),
        )
        distribution = self._distribution(web_acl, static)
        StaticAccess(
            self.child_name("static-access"),
            StaticAccessArgs(
                place=self.place,
                account_id=args.account_id,
                bucket_name=bucket_name,
                key_id=static.key_id,
                key_arn=static.key_arn,
                distribution_arn=distribution.arn,
                after=[static],
            ),
            opts=self.child(),
        )
        AccessLogs(
            self.child_name("access-logs"),
            AccessLogsArgs(place=self.place, distribution_arn=distribution.arn, bucket=args.access_log_bucket),
            opts=self.child(),
        )
        self.domain_name = distribution.domain_name
        if args.certificate_arn is not None:
            self._alias_records(distribution)
            self.domain_name = pulumi.Output.from_input(args.domain_name)
        self.distribution_id = distribution.id
        self.distribution_arn = distribution.arn
        self.static_bucket = static.bucket
        self.web_acl_arn = web_acl.arn
        self.web_acl_metric_name = web_acl.visibility_config.metric_name
        self.finish()

    def _web_acl(self) -> aws.wafv2.WebAcl:
        args, acl_name = self._args, self.place.names.of("edge")
        web_acl = aws.wafv2.WebAcl(
            self.child_name("waf"),
            name=acl_name,
            scope="CLOUDFRONT",
            default_action=aws.wafv2.WebAclDefaultActionArgs(allow=aws.wafv2.WebAclDefaultActionAllowArgs()),
            rules=waf.rules(
                metric_prefix=acl_name,
                rate_limit_per_5_minutes=args.rate_limit_per_5_minutes,
                max_body_bytes=args.max_body_bytes,
                inspected_body_bytes=waf.CLOUDFRONT_INSPECTED_BODY_BYTES,
                hidden_paths=[METRICS_PATH],
            ),
            visibility_config=waf.visibility(acl_name),
            data_protection_config=waf.data_protection(),
            region=GLOBAL_REGION,
            tags=self.tagged(acl_name),
            opts=self.child(),
        )
        log_key = GlobalLogKey(
            self.child_name("waf-log-key"),
            GlobalLogKeyArgs(
                place=self.place,
                account_id=args.account_id,
                purpose="edge-logs",
                deletion_window_days=args.key_deletion_window_days,
            ),
            opts=self.child(),
        )
        waf.web_acl_logging(
            self,
            web_acl_arn=web_acl.arn,
            key_arn=log_key.key_arn,
            retention_days=args.waf_log_retention_days,
            region=GLOBAL_REGION,
        )
        return web_acl

    def _distribution(self, web_acl: aws.wafv2.WebAcl, static: StaticFiles) -> cloudfront.Distribution:
        args, names = self._args, self.place.names
        return cloudfront.Distribution(
            self.child_name("distribution"),
            comment=f"API and front end of {names.prefix}",
            enabled=True,
            aliases=[args.domain_name] if args.certificate_arn is not None else [],
            http_version="http2and3",
            is_ipv6_enabled=True,
            price_class=args.price_class.value,
            web_acl_id=web_acl.arn,
            # No origin group: CloudFront repeats only GET, HEAD and OPTIONS at a second origin (developer guide,
            # "Optimize high availability with origin failover"), and predictions are POST. The origin's name moves.
            origins=[
                self._api_origin(),
                cloudfront.DistributionOriginArgs(
                    origin_id=STATIC_ORIGIN,
                    domain_name=static.regional_domain_name,
                    origin_access_control_id=static.origin_access_control_id,
                ),
            ],
            default_cache_behavior=api_behaviour(self._response_headers("api", API_CONTENT_POLICY)),
            ordered_cache_behaviors=[
                static_behaviour(static.cache_policy_id, self._response_headers("static", STATIC_CONTENT_POLICY))
            ],
            restrictions=cloudfront.DistributionRestrictionsArgs(
                geo_restriction=cloudfront.DistributionRestrictionsGeoRestrictionArgs(restriction_type="none")
            ),
            viewer_certificate=_viewer_certificate(args.certificate_arn),
            tags=self.tagged(names.of("edge")),
            opts=self.child(),
        )

    def _api_origin(self) -> cloudfront.DistributionOriginArgs:
        return cloudfront.DistributionOriginArgs(
            origin_id=API_ORIGIN,
            domain_name=self._args.origin_domain,
            custom_origin_config=cloudfront.DistributionOriginCustomOriginConfigArgs(
                http_port=80,
                https_port=443,
                origin_protocol_policy="http-only" if self._args.certificate_arn is None else "https-only",
                origin_ssl_protocols=["TLSv1.2"],
                origin_read_timeout=self._args.origin_read_timeout_seconds,
                origin_keepalive_timeout=ORIGIN_KEEPALIVE_SECONDS,
            ),
        )

    def _response_headers(self, kind: str, content_policy: str) -> pulumi.Output[str]:
        return cloudfront.ResponseHeadersPolicy(
            self.child_name(kind, "headers"),
            name=self.place.names.of(kind, "headers"),
            comment=f"Security headers, {kind}",
            security_headers_config=security_headers(content_policy),
            opts=self.child(),
        ).id

    def _alias_records(self, distribution: cloudfront.Distribution) -> None:
        for record_type in ("A", "AAAA"):
            aws.route53.Record(
                self.child_name("record", record_type.lower()),
                zone_id=self._args.zone_id,
                name=self._args.domain_name,
                type=record_type,
                aliases=[
                    aws.route53.RecordAliasArgs(
                        name=distribution.domain_name,
                        zone_id=distribution.hosted_zone_id,
                        # Route 53 cannot evaluate a distribution's health (API reference, AliasTarget).
                        evaluate_target_health=False,
                    )
                ],
                opts=self.child(),
            )


def _viewer_certificate(certificate_arn: pulumi.Input[str] | None) -> cloudfront.DistributionViewerCertificateArgs:
    if certificate_arn is None:
        return cloudfront.DistributionViewerCertificateArgs(cloudfront_default_certificate=True)
    return cloudfront.DistributionViewerCertificateArgs(
        acm_certificate_arn=certificate_arn,
        minimum_protocol_version="TLSv1.2_2021",
        ssl_support_method="sni-only",
    )
