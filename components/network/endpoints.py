"""Private ways to AWS's services: gateways for S3 and DynamoDB, interfaces in the private subnets for the others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.base import Component, Place
from components.network import endpoint_policies

HTTPS_PORT = 443


@dataclass(frozen=True, kw_only=True)
class EndpointsArgs:
    place: Place
    account_id: str
    """The account whose callers and resources may be reached through the endpoints."""
    vpc_id: pulumi.Input[str]
    vpc_cidr: str
    private_subnet_ids: Sequence[pulumi.Input[str]]
    private_route_table_ids: Sequence[pulumi.Input[str]]
    interface_services: Sequence[str]
    """Short names of services, such as `ecr.api`."""


class Endpoints(Component, area="network"):
    """The endpoints of a VPC.

    Children: a gateway endpoint for S3 and one for DynamoDB, on the private route tables; an interface endpoint
    for each service, with private DNS, in every private subnet; their security group, with one rule for HTTPS.
    """

    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, args.place, opts)
        self._args = args
        self._gateway("s3", endpoint_policies.s3_endpoint(args.account_id, self.region))
        self._gateway("dynamodb", endpoint_policies.dynamodb_endpoint(args.account_id))
        group = self._security_group()
        for service in args.interface_services:
            self._interface(service, group)
        self.security_group_id = group.id
        self.finish()

    def _gateway(self, service: str, policy: endpoint_policies.Document) -> None:
        aws.ec2.VpcEndpoint(
            self.child_name(service),
            vpc_id=self._args.vpc_id,
            service_name=self._service_name(service),
            vpc_endpoint_type="Gateway",
            route_table_ids=list(self._args.private_route_table_ids),
            policy=json.dumps(policy),
            region=self.region,
            tags=self.tagged(self.place.names.of(service)),
            opts=self.child(),
        )

    def _interface(self, service: str, group: aws.ec2.SecurityGroup) -> None:
        label = service.replace(".", "-")
        aws.ec2.VpcEndpoint(
            self.child_name(label),
            vpc_id=self._args.vpc_id,
            service_name=self._service_name(service),
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=list(self._args.private_subnet_ids),
            security_group_ids=[group.id],
            policy=json.dumps(endpoint_policies.interface_endpoint(service, self._args.account_id)),
            region=self.region,
            tags=self.tagged(self.place.names.of(label)),
            opts=self.child(),
        )

    def _security_group(self) -> aws.ec2.SecurityGroup:
        physical_name = self.place.names.of("endpoints")
        group = aws.ec2.SecurityGroup(
            self.child_name("interfaces"),
            description="Interface endpoints of AWS services",
            vpc_id=self._args.vpc_id,
            region=self.region,
            tags=self.tagged(physical_name),
            opts=self.child(),
        )
        aws.vpc.SecurityGroupIngressRule(
            self.child_name("interfaces", "https"),
            security_group_id=group.id,
            description="HTTPS from within the VPC",
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            cidr_ipv4=self._args.vpc_cidr,
            region=self.region,
            tags=self.tagged(physical_name),
            opts=self.child(),
        )
        return group

    def _service_name(self, service: str) -> str:
        return f"com.amazonaws.{self.region}.{service}"
