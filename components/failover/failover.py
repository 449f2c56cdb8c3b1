"""One name in front of all regions: health checks, their alarms, and weighted records that pass over a failed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.failover.alarm_topic import topic_policy
from components.failover.log_key import GlobalLogKey, GlobalLogKeyArgs
from components.failover.targets import FailoverTarget, check_probe, check_targets
from contract.service import HEALTH_PATH
from infra.regions import GLOBAL_REGION

RUNBOOK = "docs/runbooks/region-failover.md"
ALARMS = "health-alarms"
ALARM_PERIOD_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class FailoverArgs:
    """`tls` says whether the load balancers answer HTTPS on 443, or plain HTTP on 80.

    `alarm_topic_arns` are topics in us-east-1 (an alarm notifies topics of its own region only); with none, a topic is
    made here, encrypted with a key of its own.
    `ipv6` adds AAAA records and wants dual-stack load balancers.
    """

    place: Place
    account_id: str
    zone_id: pulumi.Input[str]
    origin_domain: str
    targets: Sequence[FailoverTarget]
    tls: bool
    health_path: str = HEALTH_PATH
    check_interval_seconds: int = 30
    failure_threshold: int = 3
    alarm_topic_arns: Sequence[pulumi.Input[str]] = ()
    key_deletion_window_days: int = 30
    ipv6: bool = False


class Failover(Component, area="failover"):
    """The origin's name, answered by the healthy regions in proportion to their weights.

    Children: a topic, its policy and its GlobalLogKey (component) when no topic is given; for each region an alias
    record of its own, a health check of that name, an alarm on the check, and its weighted record (each record twice
    with `ipv6`).
    """

    origin_domain: pulumi.Output[str]
    health_check_ids: dict[str, pulumi.Output[str]]
    topic_arn: pulumi.Output[str]
    """The first topic that the alarms notify."""

    def __init__(self, name: str, args: FailoverArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_targets(args.origin_domain, args.targets)
        check_probe(args.check_interval_seconds, args.failure_threshold)
        super().__init__(name, args.place, opts)
        self._args = args
        self._record_types = ("A", "AAAA") if args.ipv6 else ("A",)
        topic_arns = list(args.alarm_topic_arns) or [self._topic()]

        self.health_check_ids = {}
        for target in args.targets:
            own_records = self._regional_records(target)
            health_check = self._health_check(target, own_records)
            self._alarm(target, health_check, topic_arns)
            self._weighted_records(target, health_check)
            self.health_check_ids[target.region] = health_check.id
        self.origin_domain = pulumi.Output.from_input(args.origin_domain)
        self.topic_arn = pulumi.Output.from_input(topic_arns[0])
        self.finish()

    def _topic(self) -> pulumi.Output[str]:
        key = GlobalLogKey(
            self.child_name("topic-key"),
            GlobalLogKeyArgs(
                place=self.place,
                account_id=self._args.account_id,
                purpose=ALARMS,
                deletion_window_days=self._args.key_deletion_window_days,
            ),
            opts=self.child(),
        )
        topic_name = self.place.names.of(ALARMS)
        topic = aws.sns.Topic(
            self.child_name("topic"),
            name=topic_name,
            kms_master_key_id=key.key_arn,
            region=GLOBAL_REGION,
            tags=self.tagged(topic_name),
            opts=self.child(),
        )
        aws.sns.TopicPolicy(
            self.child_name("topic-policy"),
            arn=topic.arn,
            policy=pulumi.Output.json_dumps(topic_policy(topic.arn, self._args.account_id, GLOBAL_REGION)),
            region=GLOBAL_REGION,
            opts=self.child(),
        )
        return topic.arn

    def _regional_records(self, target: FailoverTarget) -> list[aws.route53.Record]:
        """The region's own name, so that its health check asks for a host that the certificate fits."""
        return [
            aws.route53.Record(
                self.child_name(target.region_code, "own", record_type.lower()),
                zone_id=self._args.zone_id,
                name=target.regional_domain,
                type=record_type,
                aliases=[_load_balancer(target)],
                opts=self.child(),
            )
            for record_type in self._record_types
        ]

    def _health_check(
        self, target: FailoverTarget, own_records: Sequence[aws.route53.Record]
    ) -> aws.route53.HealthCheck:
        args = self._args
        # `regions` is left out: Route 53 then checks from every region it has checkers in.
        return aws.route53.HealthCheck(
            self.child_name(target.region_code, "check"),
            type="HTTPS" if args.tls else "HTTP",
            fqdn=target.regional_domain,
            port=443 if args.tls else 80,
            resource_path=args.health_path,
            request_interval=args.check_interval_seconds,
            failure_threshold=args.failure_threshold,
            enable_sni=args.tls,
            tags=self.tagged(self.place.names.of("health", target.region_code)),
            # A check that runs before its name resolves would begin by failing.
            opts=self.child(depends_on=own_records),
        )

    def _alarm(
        self,
        target: FailoverTarget,
        health_check: aws.route53.HealthCheck,
        topic_arns: Sequence[pulumi.Input[str]],
    ) -> None:
        alarm_name = self.place.names.of("health", target.region_code)
        aws.cloudwatch.MetricAlarm(
            self.child_name(target.region_code, "alarm"),
            name=alarm_name,
            alarm_description=(
                f"{target.regional_domain} does not answer Route 53's health checks: callers are being sent to the "
                f"other regions. Runbook: {RUNBOOK}"
            ),
            namespace="AWS/Route53",
            metric_name="HealthCheckStatus",
            dimensions={"HealthCheckId": health_check.id},
            statistic="Minimum",
            comparison_operator="LessThanThreshold",
            threshold=1,
            period=ALARM_PERIOD_SECONDS,
            evaluation_periods=1,
            # A check that reports nothing protects nobody.
            treat_missing_data="breaching",
            alarm_actions=list(topic_arns),
            ok_actions=list(topic_arns),
            # Route 53 publishes its metrics in us-east-1 alone, wherever the load balancer is.
            region=GLOBAL_REGION,
            tags=self.tagged(alarm_name),
            opts=self.child(),
        )

    def _weighted_records(self, target: FailoverTarget, health_check: aws.route53.HealthCheck) -> None:
        # Route 53 first considers records with a weight above 0, and those of weight 0 only once all of the others are
        # unhealthy (developer guide, "Weighted routing", on health checks): 100/0 is failover that happens by itself.
        # An alias has no TTL of its own: Route 53 answers with the load balancer's, 60 seconds.
        for record_type in self._record_types:
            aws.route53.Record(
                self.child_name(target.region_code, "weighted", record_type.lower()),
                zone_id=self._args.zone_id,
                name=self._args.origin_domain,
                type=record_type,
                set_identifier=target.region,
                weighted_routing_policies=[aws.route53.RecordWeightedRoutingPolicyArgs(weight=target.weight)],
                health_check_id=health_check.id,
                aliases=[_load_balancer(target)],
                opts=self.child(),
            )


def _load_balancer(target: FailoverTarget) -> aws.route53.RecordAliasArgs:
    # The target's health is not evaluated, on purpose. Route 53 would call the whole load balancer unhealthy as soon as
    # one of its target groups has no healthy target (API reference, AliasTarget, EvaluateTargetHealth), and the canary
    # group has none between canaries and during a bad one: a canary would fail the region over. The health check of
    # the weighted record sees what callers see, and it alone decides (developer guide, "What happens when you associate
    # a health check with an alias record": "instead of or in addition to").
    return aws.route53.RecordAliasArgs(
        name=target.load_balancer_dns_name,
        zone_id=target.load_balancer_zone_id,
        evaluate_target_health=False,
    )
