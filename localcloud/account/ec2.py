"""Networks: VPCs, subnets, gateways, routes, endpoints, flow logs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from localcloud.account.clients import Client, Clients, region_of
from localcloud.account.registry import creates
from localcloud.account.shapes import Refused, inputs, send
from localcloud.account.sts import account_id
from localcloud.recorder import Created, Registration


def tag_specification(registration: Registration, kind: str) -> dict[str, Any]:
    """EC2 takes tags by kind of resource, and refuses an empty list of them."""
    tags = registration.inputs.get("tags")
    return {"tagSpecifications": [{"resourceType": kind, "tags": tags}]} if tags else {}


def arn(clients: Clients, registration: Registration, path: str) -> str:
    return f"arn:aws:ec2:{region_of(registration)}:{account_id(clients)}:{path}"


def _one_id(ec2: Client, method: str, result: str, id_key: str, vpc: str, **filters: str) -> str:
    """The id of the one thing of a VPC that a describe call finds."""
    names = {"vpc-id": vpc, **{key.replace("_", "-"): value for key, value in filters.items()}}
    found = getattr(ec2, method)(Filters=[{"Name": key, "Values": [value]} for key, value in names.items()])
    return str(found[result][0][id_key])


@creates("aws:ec2/vpc:Vpc")
def vpc(clients: Clients, r: Registration) -> Created:
    ec2 = clients.of("ec2", r)
    values = {**inputs(r, "tags", "enableDnsHostnames", "enableDnsSupport"), **tag_specification(r, "vpc")}
    made = send(ec2, "create_vpc", values)["Vpc"]["VpcId"]
    for key in ("enableDnsSupport", "enableDnsHostnames"):
        if key in r.inputs:
            send(ec2, "modify_vpc_attribute", {"vpcId": made, key: {"value": r.inputs[key]}})
    main_table = _one_id(
        ec2, "describe_route_tables", "RouteTables", "RouteTableId", made, **{"association.main": "true"}
    )
    return Created(
        made,
        {
            "arn": arn(clients, r, f"vpc/{made}"),
            "defaultSecurityGroupId": default_security_group(ec2, made),
            "defaultNetworkAclId": _one_id(
                ec2, "describe_network_acls", "NetworkAcls", "NetworkAclId", made, default="true"
            ),
            "mainRouteTableId": main_table,
            "defaultRouteTableId": main_table,
            "ownerId": account_id(clients),
        },
    )


def default_security_group(ec2: Client, vpc_id: str) -> str:
    return _one_id(ec2, "describe_security_groups", "SecurityGroups", "GroupId", vpc_id, group_name="default")


@creates("aws:ec2/internetGateway:InternetGateway")
def internet_gateway(clients: Clients, r: Registration) -> Created:
    ec2 = clients.of("ec2", r)
    made = send(ec2, "create_internet_gateway", tag_specification(r, "internet-gateway"))
    gateway_id = made["InternetGateway"]["InternetGatewayId"]
    if "vpcId" in r.inputs:
        send(ec2, "attach_internet_gateway", {"internetGatewayId": gateway_id, "vpcId": r.inputs["vpcId"]})
    return Created(gateway_id, {"arn": arn(clients, r, f"internet-gateway/{gateway_id}")})


@creates("aws:ec2/subnet:Subnet")
def subnet(clients: Clients, r: Registration) -> Created:
    ec2 = clients.of("ec2", r)
    later = ("mapPublicIpOnLaunch", "assignIpv6AddressOnCreation")
    values = {**inputs(r, "tags", *later), **tag_specification(r, "subnet")}
    made = send(ec2, "create_subnet", values)["Subnet"]
    for key in later:
        if key in r.inputs:
            send(ec2, "modify_subnet_attribute", {"subnetId": made["SubnetId"], key: {"value": r.inputs[key]}})
    return Created(
        made["SubnetId"],
        {"arn": made["SubnetArn"], "availabilityZoneId": made["AvailabilityZoneId"], "ownerId": made["OwnerId"]},
    )


@creates("aws:ec2/eip:Eip")
def elastic_ip(clients: Clients, r: Registration) -> Created:
    values = {**inputs(r, "tags"), **tag_specification(r, "elastic-ip")}
    made = send(clients.of("ec2", r), "allocate_address", values)
    allocation = made["AllocationId"]
    return Created(
        allocation,
        {
            "allocationId": allocation,
            "publicIp": made["PublicIp"],
            "arn": arn(clients, r, f"elastic-ip/{allocation}"),
        },
    )


@creates("aws:ec2/natGateway:NatGateway")
def nat_gateway(clients: Clients, r: Registration) -> Created:
    values = {**inputs(r, "tags"), **tag_specification(r, "natgateway")}
    made = send(clients.of("ec2", r), "create_nat_gateway", values)["NatGateway"]
    addresses: list[Mapping[str, Any]] = made.get("NatGatewayAddresses") or [{}]
    address = addresses[0]
    outputs = {"publicIp": "PublicIp", "privateIp": "PrivateIp", "networkInterfaceId": "NetworkInterfaceId"}
    return Created(made["NatGatewayId"], {key: address[member] for key, member in outputs.items() if member in address})


@creates("aws:ec2/routeTable:RouteTable")
def route_table(clients: Clients, r: Registration) -> Created:
    ec2 = clients.of("ec2", r)
    values = {**inputs(r, "tags", "routes"), **tag_specification(r, "route-table")}
    made = send(ec2, "create_route_table", values)["RouteTable"]["RouteTableId"]
    for entry in r.inputs.get("routes", []):
        send(ec2, "create_route", {"routeTableId": made, **entry}, _INLINE_ROUTE)
    return Created(made, {"arn": arn(clients, r, f"route-table/{made}")})


_INLINE_ROUTE = {
    "cidrBlock": "DestinationCidrBlock",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
}


@creates("aws:ec2/route:Route")
def route(clients: Clients, r: Registration) -> Created:
    send(clients.of("ec2", r), "create_route", inputs(r), _INLINE_ROUTE)
    destinations = ("destinationCidrBlock", "destinationIpv6CidrBlock", "destinationPrefixListId")
    destination = next(str(r.inputs[key]) for key in destinations if key in r.inputs)
    # The provider's id is a hash of table and destination: AWS has none for a route.
    digest = hashlib.sha256(destination.encode()).hexdigest()[:10]
    return Created(f"r-{r.inputs['routeTableId']}{digest}", {"state": "active", "origin": "CreateRoute"})


@creates("aws:ec2/routeTableAssociation:RouteTableAssociation")
def route_table_association(clients: Clients, r: Registration) -> Created:
    made = send(clients.of("ec2", r), "associate_route_table", inputs(r))
    return Created(made["AssociationId"], {})


_FLOW_LOG_SOURCES = {
    "vpcId": "VPC",
    "subnetId": "Subnet",
    "eniId": "NetworkInterface",
    "transitGatewayId": "TransitGateway",
}


@creates("aws:ec2/flowLog:FlowLog")
def flow_log(clients: Clients, r: Registration) -> Created:
    source = next(key for key in _FLOW_LOG_SOURCES if key in r.inputs)
    values = {
        **inputs(r, "tags", source),
        **tag_specification(r, "vpc-flow-log"),
        "resourceIds": [r.inputs[source]],
        "resourceType": _FLOW_LOG_SOURCES[source],
    }
    made = send(clients.of("ec2", r), "create_flow_logs", values, {"iamRoleArn": "DeliverLogsPermissionArn"})
    # This call answers 200 and lists what it refused.
    for refused in made.get("Unsuccessful", []):
        raise Refused(f"CreateFlowLogs was refused: {refused['Error']['Code']}: {refused['Error']['Message']}")
    flow_log_id = made["FlowLogIds"][0]
    return Created(flow_log_id, {"arn": arn(clients, r, f"vpc-flow-log/{flow_log_id}")})


@creates("aws:ec2/vpcEndpoint:VpcEndpoint")
def vpc_endpoint(clients: Clients, r: Registration) -> Created:
    values = {**inputs(r, "tags", "autoAccept"), **tag_specification(r, "vpc-endpoint")}
    made = send(clients.of("ec2", r), "create_vpc_endpoint", values, {"policy": "PolicyDocument"})["VpcEndpoint"]
    entries = [{"dnsName": e.get("DnsName"), "hostedZoneId": e.get("HostedZoneId")} for e in made.get("DnsEntries", [])]
    return Created(
        made["VpcEndpointId"],
        {
            "arn": arn(clients, r, f"vpc-endpoint/{made['VpcEndpointId']}"),
            "state": made.get("State", "available"),
            "dnsEntries": entries,
            "networkInterfaceIds": made.get("NetworkInterfaceIds", []),
            "ownerId": account_id(clients),
        },
    )
