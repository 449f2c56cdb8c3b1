"""Security groups and their rules, which EC2 keeps and the provider splits over two of its packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.account.clients import Client, Clients
from localcloud.account.ec2 import arn, default_security_group, tag_specification
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration

# The provider's own default, since EC2 requires a description.
DESCRIPTION = "Managed by Pulumi"


@creates("aws:ec2/securityGroup:SecurityGroup")
def security_group(clients: Clients, r: Registration) -> Created:
    ec2 = clients.of("ec2", r)
    name = physical_name(r)
    values = {
        "description": DESCRIPTION,
        **inputs(r, "tags", "ingress", "egress", "revokeRulesOnDelete"),
        "groupName": name,
        **tag_specification(r, "security-group"),
    }
    values.pop("name", None)
    group_id = send(ec2, "create_security_group", values)["GroupId"]
    _only_rules(ec2, group_id, r)
    outputs = {"arn": arn(clients, r, f"security-group/{group_id}"), "name": name, "description": values["description"]}
    return Created(group_id, outputs)


@creates("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
def default_group(clients: Clients, r: Registration) -> Created:
    """The provider adopts the VPC's default group and leaves it with the rules given, often none."""
    ec2 = clients.of("ec2", r)
    group_id = default_security_group(ec2, r.inputs["vpcId"])
    _only_rules(ec2, group_id, r)
    if r.inputs.get("tags"):
        send(ec2, "create_tags", {"resources": [group_id], "tags": r.inputs["tags"]})
    return Created(group_id, {"arn": arn(clients, r, f"security-group/{group_id}"), "name": "default"})


def _only_rules(ec2: Client, group_id: str, r: Registration) -> None:
    """Take away what a new group is born with (all egress), as the provider does, and add the rules given inline."""
    born_with = ec2.describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    for permissions, direction in (("IpPermissions", "ingress"), ("IpPermissionsEgress", "egress")):
        if born_with.get(permissions):
            revoke = getattr(ec2, f"revoke_security_group_{direction}")
            revoke(GroupId=group_id, IpPermissions=born_with[permissions])
        if r.inputs.get(direction):
            rules = [_inline(rule) for rule in r.inputs[direction]]
            send(ec2, f"authorize_security_group_{direction}", {"groupId": group_id, "ipPermissions": rules})


def _inline(rule: Mapping[str, Any]) -> dict[str, Any]:
    about = {"description": rule["description"]} if rule.get("description") else {}
    return {
        "ipProtocol": rule["protocol"],
        "fromPort": rule["fromPort"],
        "toPort": rule["toPort"],
        "ipRanges": [{"cidrIp": cidr, **about} for cidr in rule.get("cidrBlocks", [])],
        "ipv6Ranges": [{"cidrIpv6": cidr, **about} for cidr in rule.get("ipv6CidrBlocks", [])],
        "prefixListIds": [{"prefixListId": pl, **about} for pl in rule.get("prefixListIds", [])],
        "userIdGroupPairs": [{"groupId": group, **about} for group in rule.get("securityGroups", [])],
    }


# What a rule names as its peer: the provider's input, the list EC2 wants it in, and the member there.
_PEERS = {
    "cidrIpv4": ("ipRanges", "cidrIp"),
    "cidrIpv6": ("ipv6Ranges", "cidrIpv6"),
    "prefixListId": ("prefixListIds", "prefixListId"),
    "referencedSecurityGroupId": ("userIdGroupPairs", "groupId"),
}


def permission(rule: Mapping[str, Any]) -> dict[str, Any]:
    """One rule of the provider as EC2's permission: a protocol, a range of ports and a single peer."""
    key = next(key for key in _PEERS if key in rule)
    group, member = _PEERS[key]
    about = {"description": rule["description"]} if rule.get("description") else {}
    ports = {key: rule[key] for key in ("fromPort", "toPort") if key in rule}
    return {"ipProtocol": rule["ipProtocol"], **ports, group: [{member: rule[key], **about}]}


def _rule(clients: Clients, r: Registration, direction: str) -> Created:
    values = {
        "groupId": r.inputs["securityGroupId"],
        "ipPermissions": [permission(r.inputs)],
        **tag_specification(r, "security-group-rule"),
    }
    made = send(clients.of("ec2", r), f"authorize_security_group_{direction}", values)
    rule_id = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    outputs = {"securityGroupRuleId": rule_id, "arn": arn(clients, r, f"security-group-rule/{rule_id}")}
    return Created(rule_id, outputs)


@creates("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
def ingress_rule(clients: Clients, r: Registration) -> Created:
    return _rule(clients, r, "ingress")


@creates("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
def egress_rule(clients: Clients, r: Registration) -> Created:
    return _rule(clients, r, "egress")
