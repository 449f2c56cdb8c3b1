"""Who and where: the account, its partition, and the zones and prefix lists that AWS provides."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from infra.regions import GLOBAL_REGION
from localcloud.account.clients import Clients
from localcloud.account.registry import answers
from localcloud.account.shapes import Refused

_accounts: dict[str, str] = {}
_prefix_lists = threading.Lock()


def account_id(clients: Clients) -> str:
    """The account that answers at the endpoint. Asked once: it does not change while a server lives."""
    known = _accounts.get(clients.endpoint)
    if known is None:
        known = str(clients.at("sts", GLOBAL_REGION).get_caller_identity()["Account"])
        _accounts[clients.endpoint] = known
    return known


@answers("aws:index/getCallerIdentity:getCallerIdentity")
def caller_identity(clients: Clients, _args: Mapping[str, Any]) -> Mapping[str, Any]:
    answer = clients.at("sts", GLOBAL_REGION).get_caller_identity()
    return {"id": answer["Account"], "accountId": answer["Account"], "arn": answer["Arn"], "userId": answer["UserId"]}


@answers("aws:index/getPartition:getPartition")
def partition(clients: Clients, _args: Mapping[str, Any]) -> Mapping[str, Any]:
    # No call of AWS's answers this: the partition is the second word of any ARN.
    name = str(clients.at("sts", GLOBAL_REGION).get_caller_identity()["Arn"]).split(":")[1]
    return {"id": name, "partition": name, "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


@answers("aws:index/getRegion:getRegion")
def region(_clients: Clients, args: Mapping[str, Any]) -> Mapping[str, Any]:
    name = _region(args)
    return {"id": name, "name": name, "region": name}


@answers("aws:index/getAvailabilityZones:getAvailabilityZones")
def availability_zones(clients: Clients, args: Mapping[str, Any]) -> Mapping[str, Any]:
    name = _region(args)
    zones = clients.at("ec2", name).describe_availability_zones()["AvailabilityZones"]
    return {
        "id": name,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": [name],
    }


@answers("aws:ec2/getManagedPrefixList:getManagedPrefixList")
def managed_prefix_list(clients: Clients, args: Mapping[str, Any]) -> Mapping[str, Any]:
    """A prefix list by name. moto has CloudFront's and not Route 53's, which is made on first use, empty."""
    name = str(args["name"])
    ec2 = clients.at("ec2", _region(args))
    with _prefix_lists:
        filters = [{"Name": "prefix-list-name", "Values": [name]}]
        found = ec2.describe_managed_prefix_lists(Filters=filters)["PrefixLists"]
        if not found and name.startswith("com.amazonaws."):
            made = ec2.create_managed_prefix_list(PrefixListName=name, MaxEntries=1, AddressFamily="IPv4")
            found = [made["PrefixList"]]
    if not found:
        raise Refused(f"no prefix list is named {name!r} in {_region(args)}")
    chosen = found[0]
    return {
        "id": chosen["PrefixListId"],
        "arn": chosen["PrefixListArn"],
        "name": name,
        "addressFamily": chosen.get("AddressFamily", "IPv4"),
        "ownerId": chosen.get("OwnerId", "AWS"),
        "entries": [],
    }


def _region(args: Mapping[str, Any]) -> str:
    return str(args.get("region") or GLOBAL_REGION)
