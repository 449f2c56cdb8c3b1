"""The VPC of one region, its subnets in every zone, and the ways out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.network import subnets
from components.network.endpoints import Endpoints, EndpointsArgs

ANYWHERE = "0.0.0.0/0"

FLOW_LOG_AGGREGATION_SECONDS = 60
"""The shorter of the two intervals that AWS offers (60 and 600)."""

# The fields of version 2, and those that tell pods apart behind a node's address, and the way a packet took
# (Amazon VPC User Guide, "Flow log records").
FLOW_LOG_FIELDS = (
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
    "vpc-id",
    "subnet-id",
    "instance-id",
    "tcp-flags",
    "pkt-srcaddr",
    "pkt-dstaddr",
    "az-id",
    "flow-direction",
    "traffic-path",
)


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    place: Place
    account_id: str
    cidr: str
    """The VPC's range, which no other region of the environment may overlap."""
    zones: Sequence[str]
    """Names of availability zones; a subnet of each kind is made in every one, in this order."""
    public_prefix_length: int
    private_prefix_length: int
    nat_gateways: Literal["single", "per_zone"]
    """`single` is cheaper, and takes every zone offline with its own."""
    cluster_name: str
    flow_log_bucket_arn: pulumi.Input[str]
    interface_endpoints: Sequence[str]
    """Short names of services reached inside the VPC, such as `ecr.api`."""


class Network(Component, area="network"):
    """A VPC with a public and a private subnet in each zone.

    Children: VPC; its default security group, emptied; internet gateway; flow log to S3; the public route table with
    its default route; in each zone a public and a private subnet with their associations, and a private route table
    with its default route; a NAT gateway with its address, in the first zone or in each; Endpoints.

    A subnet's id leaves here by its route table association, which waits for the default route. Whatever is put into
    the subnet therefore finds its way out on the day it starts, and is gone before that way is taken down.
    """

    vpc_id: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    private_route_table_ids: list[pulumi.Output[str]]
    nat_gateway_ids: dict[str, pulumi.Output[str]]
    """By zone; with a single gateway, of the first zone alone."""
    endpoint_security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        zones = subnets.check_zones(args.zones, args.place.region)
        ranges = subnets.plan(args.cidr, len(zones), args.public_prefix_length, args.private_prefix_length)
        super().__init__(name, args.place, opts)
        self._cluster_name = args.cluster_name

        self._vpc = self._make_vpc(args.cidr)
        self._log_flows(args.flow_log_bucket_arn)
        gateway = self._internet_gateway()

        public = {zone: self._subnet("public", zone, cidr) for zone, cidr in zip(zones, ranges.public, strict=True)}
        public_table = self._route_table("public")
        way_out = self._default_route("public", public_table, gateway_id=gateway.id)
        public_ways = {
            zone: self._associate(f"public-{zone}", subnet, public_table, way_out) for zone, subnet in public.items()
        }

        nat_zones = zones if args.nat_gateways == "per_zone" else zones[:1]
        nats = {zone: self._nat_gateway(zone, public_ways[zone], gateway) for zone in nat_zones}

        private_ways: list[pulumi.Output[str]] = []
        self.private_route_table_ids = []
        for zone, cidr in zip(zones, ranges.private, strict=True):
            label = f"private-{zone}"
            subnet = self._subnet("private", zone, cidr)
            # A table to each zone, even with a single NAT gateway: going over to one a zone changes routes alone.
            table = self._route_table(label)
            nat = nats.get(zone, nats[zones[0]])
            way_out = self._default_route(label, table, nat_gateway_id=nat.id)
            private_ways.append(self._associate(label, subnet, table, way_out))
            self.private_route_table_ids.append(table.id)

        self.vpc_id = self._vpc.id
        self.public_subnet_ids = list(public_ways.values())
        self.private_subnet_ids = private_ways
        self.nat_gateway_ids = {zone: nat.id for zone, nat in nats.items()}
        self.endpoint_security_group_id = self._endpoints(args)
        self.finish()

    def _make_vpc(self, cidr: str) -> aws.ec2.Vpc:
        vpc = aws.ec2.Vpc(
            self.child_name("vpc"),
            cidr_block=cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            region=self.region,
            tags=self.tagged(self.place.names.of("vpc")),
            opts=self.child(),
        )
        # AWS makes this group with every door open inside it; adopted without rules, it lets nothing through.
        aws.ec2.DefaultSecurityGroup(
            self.child_name("default"),
            vpc_id=vpc.id,
            ingress=[],
            egress=[],
            region=self.region,
            tags=self.tagged(self.place.names.of("default", "unused")),
            opts=self.child(),
        )
        return vpc

    def _log_flows(self, bucket_arn: pulumi.Input[str]) -> None:
        aws.ec2.FlowLog(
            self.child_name("flows"),
            vpc_id=self._vpc.id,
            traffic_type="ALL",
            max_aggregation_interval=FLOW_LOG_AGGREGATION_SECONDS,
            log_format=" ".join(f"${{{field}}}" for field in FLOW_LOG_FIELDS),
            log_destination_type="s3",
            log_destination=bucket_arn,
            destination_options=aws.ec2.FlowLogDestinationOptionsArgs(
                file_format="parquet", hive_compatible_partitions=True, per_hour_partition=True
            ),
            region=self.region,
            tags=self.tagged(self.place.names.of("flows")),
            opts=self.child(),
        )

    def _internet_gateway(self) -> aws.ec2.InternetGateway:
        return aws.ec2.InternetGateway(
            self.child_name("internet"),
            vpc_id=self._vpc.id,
            region=self.region,
            tags=self.tagged(self.place.names.of("internet")),
            opts=self.child(),
        )

    def _subnet(self, kind: Literal["public", "private"], zone: str, cidr: str) -> aws.ec2.Subnet:
        # Kubernetes finds subnets for load balancers by these (Amazon EKS User Guide, "Tag subnets for EKS Auto Mode").
        role = "elb" if kind == "public" else "internal-elb"
        kubernetes_tags = {
            f"kubernetes.io/role/{role}": "1",
            f"kubernetes.io/cluster/{self._cluster_name}": "shared",
        }
        return aws.ec2.Subnet(
            self.child_name(kind, zone),
            vpc_id=self._vpc.id,
            availability_zone=zone,
            cidr_block=cidr,
            # Load balancers and NAT gateways bring addresses of their own; nothing else may get a public one.
            map_public_ip_on_launch=False,
            region=self.region,
            tags=self.tagged(self.place.names.of(kind, zone), **kubernetes_tags),
            opts=self.child(),
        )

    def _route_table(self, label: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(
            self.child_name(label),
            vpc_id=self._vpc.id,
            region=self.region,
            tags=self.tagged(self.place.names.of(label)),
            opts=self.child(),
        )

    def _default_route(
        self,
        label: str,
        table: aws.ec2.RouteTable,
        *,
        gateway_id: pulumi.Input[str] | None = None,
        nat_gateway_id: pulumi.Input[str] | None = None,
    ) -> aws.ec2.Route:
        return aws.ec2.Route(
            self.child_name(label, "default"),
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            region=self.region,
            opts=self.child(),
        )

    def _associate(
        self, label: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable, way_out: aws.ec2.Route
    ) -> pulumi.Output[str]:
        """Give the subnet its route table; the result is the subnet's id, known once its way out stands."""
        association = aws.ec2.RouteTableAssociation(
            self.child_name(label),
            subnet_id=subnet.id,
            route_table_id=table.id,
            region=self.region,
            opts=self.child(depends_on=[way_out]),
        )
        # Set for certain: the SDK's type allows none, since an association may name a gateway in place of a subnet.
        return association.subnet_id.apply(str)

    def _nat_gateway(
        self, zone: str, public_subnet_id: pulumi.Output[str], gateway: aws.ec2.InternetGateway
    ) -> aws.ec2.NatGateway:
        tags = self.tagged(self.place.names.of("nat", zone))
        # The internet gateway cannot be detached while an address is mapped through it.
        address = aws.ec2.Eip(
            self.child_name("nat", zone),
            domain="vpc",
            region=self.region,
            tags=tags,
            opts=self.child(depends_on=[gateway]),
        )
        return aws.ec2.NatGateway(
            self.child_name("nat", zone),
            allocation_id=address.allocation_id,
            subnet_id=public_subnet_id,
            region=self.region,
            tags=tags,
            opts=self.child(depends_on=[gateway]),
        )

    def _endpoints(self, args: NetworkArgs) -> pulumi.Output[str]:
        endpoints = Endpoints(
            self.child_name("endpoints"),
            EndpointsArgs(
                place=self.place,
                account_id=args.account_id,
                vpc_id=self.vpc_id,
                vpc_cidr=args.cidr,
                private_subnet_ids=self.private_subnet_ids,
                private_route_table_ids=self.private_route_table_ids,
                interface_services=args.interface_endpoints,
            ),
            self.child(),
        )
        return endpoints.security_group_id
