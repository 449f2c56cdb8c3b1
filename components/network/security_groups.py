"""Who may speak to whom inside the VPC: load balancer, pods, database and cache, by group instead of by address.

What the control plane and the nodes say to each other is left to the cluster's own security group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.network.endpoints import HTTPS_PORT
from components.network.vpc import ANYWHERE

HTTP_PORT = 80
DNS_PORT = 53


@dataclass(frozen=True, kw_only=True)
class SecurityGroupsArgs:
    place: Place
    vpc_id: pulumi.Input[str]
    vpc_cidr: str
    cloudfront_prefix_list_id: pulumi.Input[str]
    """Of com.amazonaws.global.cloudfront.origin-facing."""
    route53_prefix_list_id: pulumi.Input[str]
    """Of com.amazonaws.<region>.route53-healthchecks."""
    client_cidrs: Sequence[str] = ()
    """Ranges that call the load balancer directly, IPv4 or IPv6. Where any is given, CloudFront is kept out."""
    tls: bool = True
    """Without it the load balancer is reached by HTTP on port 80, as a development environment may."""
    pod_port: int
    probe_port: int
    database_port: int = 5432
    cache_port: int = 6379


@dataclass(frozen=True, kw_only=True)
class _Peer:
    """The far end of a rule: one of a CIDR, a prefix list or a group."""

    cidr_ipv4: str | None = None
    cidr_ipv6: str | None = None
    prefix_list_id: pulumi.Input[str] | None = None
    referenced_security_group_id: pulumi.Input[str] | None = None


@dataclass(frozen=True, kw_only=True)
class _Ports:
    protocol: str
    port: int | None = None


_EVERYTHING = _Ports(protocol="-1")


class SecurityGroups(Component, area="network"):
    """The security groups of one VPC; each rule is a child of its own, so that one changes without the others.

    Children: two groups for the load balancer, one called by CloudFront or named clients and one by Route 53's health
    checkers, both with the pods' ports out to the pods; the pods' group, with those ports in from the load balancer,
    everything among pods, and HTTPS, DNS, database and cache out; a group each for database and cache, with their port
    in from the pods.
    """

    load_balancer_group_ids: list[pulumi.Output[str]]
    pod_group_id: pulumi.Output[str]
    database_group_id: pulumi.Output[str]
    cache_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: SecurityGroupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._vpc_id = args.vpc_id
        pods = self._group("pods", "Pods of the cluster")

        # A server that answers probes on its only port needs one rule, not the same one twice.
        pod_ports = tuple(dict.fromkeys((args.pod_port, args.probe_port)))
        self.load_balancer_group_ids = []
        for origin, peers in self._callers(args).items():
            label = f"load-balancer-{origin}"
            balancer = self._group(label, f"Load balancer, reached by {origin}")
            entry = _Ports(protocol="tcp", port=HTTPS_PORT if args.tls else HTTP_PORT)
            for peer_label, peer in peers.items():
                self._allow_in(f"{label}-{peer_label}", balancer, entry, peer, f"Calls from {origin}")
            for port in pod_ports:
                self._join(label, balancer, "pods", pods, port)
            self.load_balancer_group_ids.append(balancer.id)

        self._open_pods(pods, args.vpc_cidr)
        database = self._group("database", "PostgreSQL")
        self._join("pods", pods, "database", database, args.database_port)
        cache = self._group("cache", "Redis")
        self._join("pods", pods, "cache", cache, args.cache_port)

        self.pod_group_id = pods.id
        self.database_group_id = database.id
        self.cache_group_id = cache.id
        self.finish()

    def _callers(self, args: SecurityGroupsArgs) -> Mapping[str, Mapping[str, _Peer]]:
        """Who may call the load balancer: for each group, its peers by label.

        AWS counts a managed prefix list as the rules of its weight, 55 for CloudFront and 25 for Route 53, where a
        group takes 60: hence a group to each (Amazon VPC User Guide, "AWS-managed prefix list weight"; "VPC quotas").
        """
        health_checkers = {"prefix-list": _Peer(prefix_list_id=args.route53_prefix_list_id)}
        if args.client_cidrs:
            # CloudFront's addresses serve anybody's distribution: with no edge of ours, there is none to let in.
            return {"clients": {_label(cidr): _range(cidr) for cidr in args.client_cidrs}, "route53": health_checkers}
        return {
            "cloudfront": {"prefix-list": _Peer(prefix_list_id=args.cloudfront_prefix_list_id)},
            "route53": health_checkers,
        }

    def _open_pods(self, pods: aws.ec2.SecurityGroup, vpc_cidr: str) -> None:
        # Scrapes, MLflow and DNS run from node to node; which pod may call which is for network policies to say.
        among = _Peer(referenced_security_group_id=pods.id)
        self._allow_in("pods-from-pods", pods, _EVERYTHING, among, "Among pods")
        self._allow_out("pods-to-pods", pods, _EVERYTHING, among, "Among pods")
        # AWS endpoints beyond the VPC's own, and webhooks of others, have no fixed addresses: the port is the limit.
        https = _Ports(protocol="tcp", port=HTTPS_PORT)
        self._allow_out("pods-https", pods, https, _Peer(cidr_ipv4=ANYWHERE), "HTTPS to AWS and to webhooks")
        for protocol in ("tcp", "udp"):
            dns = _Ports(protocol=protocol, port=DNS_PORT)
            self._allow_out(f"pods-dns-{protocol}", pods, dns, _Peer(cidr_ipv4=vpc_cidr), "DNS within the VPC")

    def _join(
        self,
        source_label: str,
        source: aws.ec2.SecurityGroup,
        target_label: str,
        target: aws.ec2.SecurityGroup,
        port: int,
    ) -> None:
        """Let one group reach a TCP port of another: a rule out of the first, and one into the second."""
        ports = _Ports(protocol="tcp", port=port)
        self._allow_out(
            f"{source_label}-to-{target_label}-{port}",
            source,
            ports,
            _Peer(referenced_security_group_id=target.id),
            f"To {target_label}",
        )
        self._allow_in(
            f"{target_label}-from-{source_label}-{port}",
            target,
            ports,
            _Peer(referenced_security_group_id=source.id),
            f"From {source_label}",
        )

    def _group(self, label: str, description: str) -> aws.ec2.SecurityGroup:
        # No rule inside: mixed with rules of their own, the two forms would undo each other. Nor does AWS's rule of
        # all traffic out remain, for the provider takes it away when it makes a group.
        return aws.ec2.SecurityGroup(
            self.child_name(label),
            description=description,
            vpc_id=self._vpc_id,
            region=self.region,
            tags=self.tagged(self.place.names.of(label)),
            opts=self.child(),
        )

    def _allow_in(self, label: str, group: aws.ec2.SecurityGroup, ports: _Ports, peer: _Peer, description: str) -> None:
        self._rule(aws.vpc.SecurityGroupIngressRule, label, group, ports, peer, description)

    def _allow_out(
        self, label: str, group: aws.ec2.SecurityGroup, ports: _Ports, peer: _Peer, description: str
    ) -> None:
        self._rule(aws.vpc.SecurityGroupEgressRule, label, group, ports, peer, description)

    def _rule(
        self,
        direction: type[aws.vpc.SecurityGroupIngressRule] | type[aws.vpc.SecurityGroupEgressRule],
        label: str,
        group: aws.ec2.SecurityGroup,
        ports: _Ports,
        peer: _Peer,
        description: str,
    ) -> None:
        direction(
            self.child_name(label),
            security_group_id=group.id,
            description=description,
            ip_protocol=ports.protocol,
            from_port=ports.port,
            to_port=ports.port,
            cidr_ipv4=peer.cidr_ipv4,
            cidr_ipv6=peer.cidr_ipv6,
            prefix_list_id=peer.prefix_list_id,
            referenced_security_group_id=peer.referenced_security_group_id,
            region=self.region,
            tags=self.tagged(self.place.names.of(label)),
            opts=self.child(),
        )


def _range(cidr: str) -> _Peer:
    return _Peer(cidr_ipv6=cidr) if ip_network(cidr).version == 6 else _Peer(cidr_ipv4=cidr)


def _label(cidr: str) -> str:
    """The range as part of a resource's name, where a double colon would end the name."""
    return cidr.replace(":", "-").replace("/", "-")
