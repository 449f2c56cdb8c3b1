"""What exists in one region, and from it which alarms there are: a resource that is not listed has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from components.alarms import (
    certificate,
    control_plane,
    distribution,
    load_balancer,
    nat_gateway,
    replication,
    table,
    target_group,
    web_acl,
)
from components.alarms.certificate import CertificateFacts
from components.alarms.control_plane import ClusterFacts
from components.alarms.distribution import DistributionFacts
from components.alarms.load_balancer import LoadBalancerFacts
from components.alarms.metrics import Alarm, InvalidAlarm
from components.alarms.nat_gateway import NatGatewayFacts
from components.alarms.objectives import Objectives
from components.alarms.replication import ReplicationFacts
from components.alarms.table import TableFacts
from components.alarms.target_group import TargetGroupFacts
from components.alarms.web_acl import WebAclFacts


@dataclass(frozen=True, kw_only=True)
class Facts:
    """How many of each there are and what they are called is known before anything is made; only their ids may be
    outputs."""

    objectives: Objectives = field(default_factory=Objectives)
    load_balancer: LoadBalancerFacts | None = None
    target_groups: Sequence[TargetGroupFacts] = ()
    tables: Sequence[TableFacts] = ()
    copied_from_here: Sequence[ReplicationFacts] = ()
    """Replications whose source lies in this region."""
    copied_to_here: Sequence[ReplicationFacts] = ()
    nat_gateways: Sequence[NatGatewayFacts] = ()
    certificates: Sequence[CertificateFacts] = ()
    cluster: ClusterFacts | None = None
    web_acls: Sequence[WebAclFacts] = ()
    distribution: DistributionFacts | None = None


def alarms_of(facts: Facts) -> list[Alarm]:
    """Every alarm of what exists; InvalidAlarm if two resources would make the same one."""
    alarms = list(_alarms(facts))
    names = [alarm.name for alarm in alarms]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidAlarm(
            f"the alarm {repeated[0]!r} is made twice: give the two resources that it comes from different roles"
        )
    return alarms


def _alarms(facts: Facts) -> Iterator[Alarm]:
    if facts.load_balancer is not None:
        yield from load_balancer.alarms(facts.load_balancer, facts.objectives)
    for group in facts.target_groups:
        yield from target_group.alarms(group)
    for one in facts.tables:
        yield from table.alarms(one, facts.objectives)
    for rule in facts.copied_from_here:
        yield from replication.alarms_at_source(rule)
    for rule in facts.copied_to_here:
        yield from replication.alarms_at_destination(rule, facts.objectives)
    for gateway in facts.nat_gateways:
        yield from nat_gateway.alarms(gateway)
    for one in facts.certificates:
        yield from certificate.alarms(one)
    if facts.cluster is not None:
        yield from control_plane.alarms(facts.cluster, facts.objectives)
    for one in facts.web_acls:
        yield from web_acl.alarms(one)
    if facts.distribution is not None:
        yield from distribution.alarms(facts.distribution, facts.objectives)
