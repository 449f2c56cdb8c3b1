"""Web ACLs, IP sets, and what they guard and log."""

from __future__ import annotations

import json
from typing import Any

from localcloud.account.clients import Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration


@creates("aws:wafv2/webAcl:WebAcl")
def web_acl(clients: Clients, r: Registration) -> Created:
    wafv2, name = clients.of("wafv2", r), physical_name(r)
    values = {**inputs(r, "name", "ruleJson", "customResponseBodies", "associationConfig"), "name": name}
    if r.inputs.get("ruleJson"):
        values["rules"] = json.loads(r.inputs["ruleJson"])
    if r.inputs.get("customResponseBodies"):
        values["customResponseBodies"] = {body["key"]: _without_key(body) for body in r.inputs["customResponseBodies"]}
    if r.inputs.get("associationConfig"):
        values["associationConfig"] = {"requestBody": _request_body(r.inputs["associationConfig"])}
    made = send(wafv2, "create_web_acl", values)["Summary"]
    read = wafv2.get_web_acl(Name=name, Scope=r.inputs["scope"], Id=made["Id"])["WebACL"]
    outputs = {
        "name": name,
        "arn": made["ARN"],
        "lockToken": made["LockToken"],
        "capacity": read.get("Capacity", 0),
    }
    return Created(made["Id"], outputs)


def _without_key(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "key"}


def _request_body(association: dict[str, Any]) -> dict[str, Any]:
    """How much of a body is inspected, by kind of resource: `cloudfront` is AWS's `CLOUDFRONT`."""
    kinds: dict[str, str] = {
        "apiGateway": "API_GATEWAY",
        "appRunnerService": "APP_RUNNER_SERVICE",
        "cloudfront": "CLOUDFRONT",
        "cognitoUserPool": "COGNITO_USER_POOL",
        "verifiedAccessInstance": "VERIFIED_ACCESS_INSTANCE",
    }
    return {kinds[key]: limit for body in association["requestBodies"] for key, limit in body.items()}


@creates("aws:wafv2/webAclAssociation:WebAclAssociation")
def association(clients: Clients, r: Registration) -> Created:
    send(clients.of("wafv2", r), "associate_web_acl", inputs(r))
    return Created(f"{r.inputs['webAclArn']},{r.inputs['resourceArn']}", {})


@creates("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration")
def logging(clients: Clients, r: Registration) -> Created:
    send(clients.of("wafv2", r), "put_logging_configuration", {"loggingConfiguration": inputs(r)})
    return Created(str(r.inputs["resourceArn"]), {})


@creates("aws:wafv2/ipSet:IpSet")
def ip_set(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    made = send(clients.of("wafv2", r), "create_ip_set", {**inputs(r), "name": name})["Summary"]
    return Created(made["Id"], {"name": name, "arn": made["ARN"], "lockToken": made["LockToken"]})
