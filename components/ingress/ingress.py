"""A region's load balancer: pods join its target groups through a TargetGroupBinding, which the workload makes.

Certificate, subnets, security groups and the log bucket come from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.ingress.target_group import HealthCheck, pod_target_group
from components.waf import (
    LOAD_BALANCER_INSPECTED_BODY_BYTES,
    data_protection,
    rules,
    visibility,
    web_acl_logging,
)
from infra.errors import InvalidInput
from infra.naming import LOAD_BALANCER_MAX, bounded

# TLS 1.3 and 1.2 with forward secrecy and authenticated ciphers alone, and hybrid post-quantum key exchange for
# clients that have it; what AWS recommends (ELB guide, "Security policies for your Application Load Balancer").
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"

HTTP_PORT = 80
HTTPS_PORT = 443

# Where in the log bucket the load balancer writes; the bucket's policy must allow both.
ACCESS_LOG_PREFIX = "load-balancer/access"
CONNECTION_LOG_PREFIX = "load-balancer/connections"

ZONES_MIN = 2
"""An application load balancer needs subnets in two zones (ELB guide, "Subnets for your load balancer")."""

FULL_WEIGHT_PERCENT = 100


class InvalidIngress(InvalidInput):
    """Arguments that no load balancer can be made of; the message says what is allowed."""


@dataclass(frozen=True, kw_only=True)
class IngressArgs:
    place: Place
    load_balancer_name: str
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    """Public subnets, one a zone."""
    security_group_ids: Sequence[pulumi.Input[str]]
    certificate_arn: pulumi.Input[str] | None
    """None only where TLS is off: the load balancer then forwards plain HTTP."""
    cluster_name: str
    """Its pods alone may join the target groups."""
    access_log_bucket: pulumi.Input[str]
    """Name of a bucket without default retention and with SSE-S3, which log delivery requires."""
    deletion_protection: bool
    pod_port: int
    probe_port: int
    health_path: str
    health_interval_seconds: int = 30
    health_timeout_seconds: int = 5
    healthy_threshold: int = 2
    unhealthy_threshold: int = 3
    deregistration_delay_seconds: int
    """How long a leaving pod still finishes requests; not more than the pod's own drain."""
    canary_weight_percent: int = 0
    """Share of requests for the canary image's pods; the rest is the stable ones'."""
    idle_timeout_seconds: int
    """Must be shorter than the server's keep-alive, or the server closes a connection as a request comes in."""
    max_body_bytes: int
    rate_limit_per_5_minutes: int
    forwarded_by: str | None
    """The header that holds the client's address where an edge stands before the load balancer, None otherwise."""
    hidden_paths: Sequence[str]
    """Paths, such as the metrics', that answer 404 from outside."""
    log_key_arn: pulumi.Input[str]
    waf_log_retention_days: int

    def __post_init__(self) -> None:
        bounded(self.load_balancer_name, LOAD_BALANCER_MAX, "load balancer")
        if len(self.subnet_ids) < ZONES_MIN:
            raise InvalidIngress(
                f"the load balancer was given {len(self.subnet_ids)} subnets: give one in each of at least"
                f" {ZONES_MIN} zones"
            )
        if not 0 <= self.canary_weight_percent <= FULL_WEIGHT_PERCENT:
            raise InvalidIngress(
                f"a canary weight of {self.canary_weight_percent} is not allowed: give 0 to {FULL_WEIGHT_PERCENT}"
                " percent"
            )
        if self.health_timeout_seconds >= self.health_interval_seconds:
            raise InvalidIngress(
                f"a probe may take {self.health_timeout_seconds} s and is sent every {self.health_interval_seconds} s:"
                " make the timeout shorter than the interval"
            )


class Ingress(Component, area="ingress"):
    """An application load balancer with stable and canary target groups.

    Children: the load balancer; the target groups `stable` and `canary`; with TLS an HTTPS listener that forwards by
    weight and an HTTP listener that redirects to it, without TLS an HTTP listener that forwards; a regional Web ACL,
    its association, log group and logging.
    """

    load_balancer_arn: pulumi.Output[str]
    load_balancer_arn_suffix: pulumi.Output[str]
    """The `LoadBalancer` dimension of CloudWatch metrics."""
    dns_name: pulumi.Output[str]
    zone_id: pulumi.Output[str]
    """Route 53 zone of the load balancer's name, for alias records."""
    listener_arn: pulumi.Output[str]
    """The listener that forwards."""
    stable_target_group_arn: pulumi.Output[str]
    stable_target_group_arn_suffix: pulumi.Output[str]
    """The `TargetGroup` dimension of CloudWatch metrics."""
    canary_target_group_arn: pulumi.Output[str]
    canary_target_group_arn_suffix: pulumi.Output[str]
    web_acl_arn: pulumi.Output[str]
    web_acl_metric_name: pulumi.Output[str]
    """The `WebACL` dimension of CloudWatch metrics."""
    web_acl_log_group_name: pulumi.Output[str]

    def __init__(self, name: str, args: IngressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        # Filtering stands before the first listener does: no request passes unseen while the rest is being made.
        web_acl = self._web_acl(args)
        load_balancer = self._load_balancer(args)
        guard = aws.wafv2.WebAclAssociation(
            self.child_name("web-acl-association"),
            resource_arn=load_balancer.arn,
            web_acl_arn=web_acl.arn,
            region=self.region,
            opts=self.child(),
        )
        stable = self._target_group("stable", args, empty_is_healthy=False)
        # Without canary pods the group is empty, which must not turn DNS away from the region.
        canary = self._target_group("canary", args, empty_is_healthy=True)
        forward = _forward(stable, canary, args.canary_weight_percent)
        listener = self._listeners(load_balancer, guard, forward, args.certificate_arn)
        log_group = web_acl_logging(
            self,
            web_acl_arn=web_acl.arn,
            key_arn=args.log_key_arn,
            retention_days=args.waf_log_retention_days,
            region=self.region,
        )

        self.load_balancer_arn = load_balancer.arn
        self.load_balancer_arn_suffix = load_balancer.arn_suffix
        self.dns_name = load_balancer.dns_name
        self.zone_id = load_balancer.zone_id
        self.listener_arn = listener.arn
        self.stable_target_group_arn = stable.arn
        self.stable_target_group_arn_suffix = stable.arn_suffix
        self.canary_target_group_arn = canary.arn
        self.canary_target_group_arn_suffix = canary.arn_suffix
        self.web_acl_arn = web_acl.arn
        self.web_acl_metric_name = web_acl.visibility_config.metric_name
        self.web_acl_log_group_name = log_group.name
        self.finish()

    def _load_balancer(self, args: IngressArgs) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            self.child_name("load-balancer"),
            name=args.load_balancer_name,
            load_balancer_type="application",
            internal=False,
            subnets=list(args.subnet_ids),
            security_groups=list(args.security_group_ids),
            enable_deletion_protection=args.deletion_protection,
            # Always so for this type, and said for who reads the plan.
            enable_cross_zone_load_balancing=True,
            # Lets an operator, or AWS, move traffic out of a failing zone.
            enable_zonal_shift=True,
            enable_http2=True,
            idle_timeout=args.idle_timeout_seconds,
            # Requests that two servers could read differently are refused, against request smuggling.
            desync_mitigation_mode="strictest",
            drop_invalid_header_fields=True,
            preserve_host_header=True,
            xff_header_processing_mode="append",
            enable_waf_fail_open=False,
            access_logs=aws.lb.LoadBalancerAccessLogsArgs(
                bucket=args.access_log_bucket, prefix=ACCESS_LOG_PREFIX, enabled=True
            ),
            connection_logs=aws.lb.LoadBalancerConnectionLogsArgs(
                bucket=args.access_log_bucket, prefix=CONNECTION_LOG_PREFIX, enabled=True
            ),
            region=self.region,
            tags=self.tagged(args.load_balancer_name),
            opts=self.child(),
        )

    def _target_group(self, role: str, args: IngressArgs, *, empty_is_healthy: bool) -> aws.lb.TargetGroup:
        return pod_target_group(
            self,
            role,
            vpc_id=args.vpc_id,
            cluster_name=args.cluster_name,
            pod_port=args.pod_port,
            deregistration_delay_seconds=args.deregistration_delay_seconds,
            empty_is_healthy=empty_is_healthy,
            health_check=HealthCheck(
                port=args.probe_port,
                path=args.health_path,
                interval_seconds=args.health_interval_seconds,
                timeout_seconds=args.health_timeout_seconds,
                healthy_threshold=args.healthy_threshold,
                unhealthy_threshold=args.unhealthy_threshold,
            ),
        )

    def _listeners(
        self,
        load_balancer: aws.lb.LoadBalancer,
        guard: aws.wafv2.WebAclAssociation,
        forward: aws.lb.ListenerDefaultActionArgs,
        certificate_arn: pulumi.Input[str] | None,
    ) -> aws.lb.Listener:
        """The listener that forwards; with TLS there is a second one that only redirects to it."""
        http = self.place.names.of("http")
        https = self.place.names.of("https")
        redirect = aws.lb.ListenerDefaultActionArgs(
            type="redirect",
            redirect=aws.lb.ListenerDefaultActionRedirectArgs(
                protocol="HTTPS", port=str(HTTPS_PORT), status_code="HTTP_301"
            ),
        )
        plain = aws.lb.Listener(
            self.child_name("http"),
            load_balancer_arn=load_balancer.arn,
            port=HTTP_PORT,
            protocol="HTTP",
            default_actions=[forward if certificate_arn is None else redirect],
            # Answers do not name the load balancer's make.
            routing_http_response_server_enabled=False,
            region=self.region,
            tags=self.tagged(http),
            opts=self.child(depends_on=[guard]),
        )
        if certificate_arn is None:
            return plain
        return aws.lb.Listener(
            self.child_name("https"),
            load_balancer_arn=load_balancer.arn,
            port=HTTPS_PORT,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificate_arn=certificate_arn,
            default_actions=[forward],
            routing_http_response_server_enabled=False,
            region=self.region,
            tags=self.tagged(https),
            opts=self.child(depends_on=[guard]),
        )

    def _web_acl(self, args: IngressArgs) -> aws.wafv2.WebAcl:
        name = self.place.names.of(self.area)
        return aws.wafv2.WebAcl(
            self.child_name("web-acl"),
            name=name,
            description="Filters requests to the load balancer",
            scope="REGIONAL",
            default_action=aws.wafv2.WebAclDefaultActionArgs(allow=aws.wafv2.WebAclDefaultActionAllowArgs()),
            rules=rules(
                metric_prefix=name,
                rate_limit_per_5_minutes=args.rate_limit_per_5_minutes,
                max_body_bytes=args.max_body_bytes,
                inspected_body_bytes=LOAD_BALANCER_INSPECTED_BODY_BYTES,
                forwarded_by=args.forwarded_by,
                hidden_paths=args.hidden_paths,
            ),
            visibility_config=visibility(name),
            data_protection_config=data_protection(),
            region=self.region,
            tags=self.tagged(name),
            opts=self.child(),
        )


def _forward(
    stable: aws.lb.TargetGroup, canary: aws.lb.TargetGroup, canary_weight_percent: int
) -> aws.lb.ListenerDefaultActionArgs:
    """Forward each request by weight on its own: without stickiness the shares hold for few clients too."""
    group = aws.lb.ListenerDefaultActionForwardTargetGroupArgs
    return aws.lb.ListenerDefaultActionArgs(
        type="forward",
        forward=aws.lb.ListenerDefaultActionForwardArgs(
            target_groups=[
                group(arn=stable.arn, weight=FULL_WEIGHT_PERCENT - canary_weight_percent),
                group(arn=canary.arn, weight=canary_weight_percent),
            ],
            # The provider asks for a duration (its least) even where stickiness is off.
            stickiness=aws.lb.ListenerDefaultActionForwardStickinessArgs(enabled=False, duration=1),
        ),
    )
