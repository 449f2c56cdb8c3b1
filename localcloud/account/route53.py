"""Hosted zones, records and health checks."""

from __future__ import annotations

import hashlib
from typing import Any

from localcloud.account.clients import Client, Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration

HEALTH_CHECK_NAMES = {
    "fqdn": "FullyQualifiedDomainName",
    "invertHealthcheck": "Inverted",
    "childHealthThreshold": "HealthThreshold",
    "childHealthchecks": "ChildHealthChecks",
}


def _reference(registration: Registration) -> str:
    """What makes a repeated call the same call: one for each resource of the program."""
    return hashlib.sha256(registration.urn.encode()).hexdigest()[:32]


@creates("aws:route53/zone:Zone")
def zone(clients: Clients, r: Registration) -> Created:
    route53, name = clients.of("route53", r), physical_name(r)
    networks = r.inputs.get("vpcs", [])
    values: dict[str, Any] = {
        **inputs(r, "tags", "vpcs", "comment", "forceDestroy"),
        "name": name,
        "callerReference": _reference(r),
        "hostedZoneConfig": {"comment": r.inputs.get("comment", ""), "privateZone": bool(networks)},
    }
    if networks:
        values["vpc"] = networks[0]
    made = send(route53, "create_hosted_zone", values)
    zone_id = made["HostedZone"]["Id"].removeprefix("/hostedzone/")
    for network in networks[1:]:
        send(route53, "associate_vpc_with_hosted_zone", {"hostedZoneId": zone_id, "vpc": network})
    _tag(route53, "hostedzone", zone_id, r)
    servers = sorted(made.get("DelegationSet", {}).get("NameServers", []))
    outputs = {
        "name": name,
        "zoneId": zone_id,
        "arn": f"arn:aws:route53:::hostedzone/{zone_id}",
        "nameServers": servers,
        "primaryNameServer": servers[0] if servers else "",
    }
    return Created(zone_id, outputs)


def _tag(route53: Client, kind: str, resource_id: str, r: Registration) -> None:
    if r.inputs.get("tags"):
        tags = {"resourceType": kind, "resourceId": resource_id, "addTags": r.inputs["tags"]}
        send(route53, "change_tags_for_resource", tags)


@creates("aws:route53/healthCheck:HealthCheck")
def health_check(clients: Clients, r: Registration) -> Created:
    route53 = clients.of("route53", r)
    alarm = {"name": r.inputs.get("cloudwatchAlarmName"), "region": r.inputs.get("cloudwatchAlarmRegion")}
    config = inputs(r, "tags", "referenceName", "triggers", "cloudwatchAlarmName", "cloudwatchAlarmRegion")
    if alarm["name"]:
        config["alarmIdentifier"] = alarm
    values = {"callerReference": r.inputs.get("referenceName") or _reference(r), "healthCheckConfig": config}
    check_id = send(route53, "create_health_check", values, HEALTH_CHECK_NAMES)["HealthCheck"]["Id"]
    _tag(route53, "healthcheck", check_id, r)
    return Created(check_id, {"arn": f"arn:aws:route53:::healthcheck/{check_id}"})


@creates("aws:route53/record:Record")
def record(clients: Clients, r: Registration) -> Created:
    route53, zone_id = clients.of("route53", r), str(r.inputs["zoneId"])
    zone_name = route53.get_hosted_zone(Id=zone_id)["HostedZone"]["Name"].rstrip(".")
    fqdn = full_name(str(r.inputs["name"]), zone_name)
    action = "UPSERT" if r.inputs.get("allowOverwrite") else "CREATE"
    change = {"action": action, "resourceRecordSet": record_set(r, fqdn)}
    send(route53, "change_resource_record_sets", {"hostedZoneId": zone_id, "changeBatch": {"changes": [change]}})
    parts = [zone_id, fqdn, str(r.inputs["type"]), str(r.inputs.get("setIdentifier", ""))]
    return Created("_".join(part for part in parts if part), {"name": fqdn, "fqdn": fqdn})


def full_name(name: str, zone_name: str) -> str:
    """A record's whole name: the provider adds the zone's where it is missing."""
    name = name.rstrip(".")
    return name if name == zone_name or name.endswith(f".{zone_name}") else f"{name}.{zone_name}".lstrip(".")


def record_set(r: Registration, fqdn: str) -> dict[str, Any]:
    """The record as Route 53 has it: an alias or values, and the routing policy that sets it apart."""
    values: dict[str, Any] = {
        **inputs(r, "zoneId", "name", "records", "aliases", "allowOverwrite", "multivalueAnswerRoutingPolicy"),
        "name": fqdn,
    }
    if r.inputs.get("multivalueAnswerRoutingPolicy"):
        values["multiValueAnswer"] = True
    for alias in r.inputs.get("aliases", []):
        values["aliasTarget"] = {
            "hostedZoneId": alias["zoneId"],
            "dnsName": alias["name"],
            "evaluateTargetHealth": alias["evaluateTargetHealth"],
        }
    if r.inputs.get("records"):
        values["resourceRecords"] = [{"value": _quoted(value, r.inputs["type"])} for value in r.inputs["records"]]
    for policy, member in _POLICIES.items():
        if policy in values:
            values[member] = _only(values.pop(policy), policy)
    return values


# Each routing policy of the provider holds a single figure or word, except geolocation.
_POLICIES = {
    "weightedRoutingPolicies": "weight",
    "failoverRoutingPolicies": "failover",
    "latencyRoutingPolicies": "region",
    "geolocationRoutingPolicies": "geoLocation",
}


def _only(policies: list[dict[str, Any]], policy: str) -> Any:
    (given,) = policies
    if policy == "geolocationRoutingPolicies":
        return {f"{key}Code": value for key, value in given.items()}
    return given["type"] if policy == "failoverRoutingPolicies" else next(iter(given.values()))


def _quoted(value: str, kind: str) -> str:
    """Route 53 wants text records in quotes, and the provider adds them."""
    return f'"{value}"' if kind in ("TXT", "SPF") and not value.startswith('"') else value
