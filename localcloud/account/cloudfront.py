"""Distributions and origin access controls."""

from __future__ import annotations

from typing import Any

from localcloud.account.clients import Clients
from localcloud.account.registry import creates, physical_name
from localcloud.account.shapes import inputs, send
from localcloud.recorder import Created, Registration

# CloudFront's hosted zone for alias records, the same for every distribution (Route 53 API reference, AliasTarget).
HOSTED_ZONE_ID = "Z2FDTNDATAQYW2"

_NAMES = {
    "orderedCacheBehaviors": "CacheBehaviors",
    "loggingConfig": "Logging",
    "originId": "Id",
}


@creates("aws:cloudfront/distribution:Distribution")
def distribution(clients: Clients, r: Registration) -> Created:
    config = inputs(r, "tags", "origins", "originGroups", "retainOnDelete", "waitForDeployment")
    config["defaultCacheBehavior"] = _behavior(r.inputs["defaultCacheBehavior"])
    config["orderedCacheBehaviors"] = [_behavior(given) for given in r.inputs.get("orderedCacheBehaviors", [])]
    config["origins"] = [_origin(given) for given in r.inputs["origins"]]
    config["comment"] = r.inputs.get("comment", "")
    config["callerReference"] = r.urn
    if r.inputs.get("originGroups"):
        config["originGroups"] = [_origin_group(group) for group in r.inputs["originGroups"]]
    if "loggingConfig" in r.inputs:
        config["loggingConfig"] = _logging(r.inputs["loggingConfig"])
    geo = r.inputs["restrictions"]["geoRestriction"]
    config["restrictions"] = {
        "geoRestriction": {
            "restrictionType": geo["restrictionType"],
            "items": geo.get("locations", []),
            "quantity": len(geo.get("locations", [])),
        }
    }
    wrapped = {"distributionConfig": config, "tags": {"items": r.inputs.get("tags", {})}}
    made = send(
        clients.of("cloudfront", r),
        "create_distribution_with_tags",
        {"distributionConfigWithTags": wrapped},
        _NAMES,
    )
    result = made["Distribution"]
    return Created(
        result["Id"],
        {
            "arn": result["ARN"],
            "domainName": result["DomainName"],
            "hostedZoneId": HOSTED_ZONE_ID,
            "status": result["Status"],
            "etag": made["ETag"],
            "callerReference": r.urn,
        },
    )


def _behavior(given: dict[str, Any]) -> dict[str, Any]:
    """A cache behaviour: the cached methods lie within the allowed ones."""
    behavior = dict(given)
    behavior["allowedMethods"] = {"items": given["allowedMethods"], "cachedMethods": given["cachedMethods"]}
    del behavior["cachedMethods"]
    for key in ("trustedSigners", "trustedKeyGroups"):
        if given.get(key):
            behavior[key] = {"enabled": True, "items": given[key]}
    if behavior.get("lambdaFunctionAssociations"):
        behavior["lambdaFunctionAssociations"] = [
            {"lambdaFunctionARN": a["lambdaArn"], "eventType": a["eventType"], "includeBody": a.get("includeBody")}
            for a in given["lambdaFunctionAssociations"]
        ]
    return behavior


def _origin(given: dict[str, Any]) -> dict[str, Any]:
    """An origin; a bucket behind an access control has an empty S3OriginConfig, which AWS requires."""
    origin = dict(given)
    if origin.get("customHeaders"):
        origin["customHeaders"] = [{"headerName": h["name"], "headerValue": h["value"]} for h in given["customHeaders"]]
    if "customOriginConfig" not in origin:
        origin["s3OriginConfig"] = {"originAccessIdentity": "", **given.get("s3OriginConfig", {})}
    return origin


def _origin_group(given: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": given["originId"],
        "failoverCriteria": {"statusCodes": given["failoverCriteria"]["statusCodes"]},
        "members": [{"originId": member["originId"]} for member in given["members"]],
    }


def _logging(given: dict[str, Any]) -> dict[str, Any]:
    return {"enabled": True, "includeCookies": False, "prefix": "", **given}


@creates("aws:cloudfront/originAccessControl:OriginAccessControl")
def origin_access_control(clients: Clients, r: Registration) -> Created:
    name = physical_name(r)
    values = {"originAccessControlConfig": {**inputs(r), "name": name}}
    made = send(clients.of("cloudfront", r), "create_origin_access_control", values)
    control_id = made["OriginAccessControl"]["Id"]
    return Created(control_id, {"name": name, "etag": made.get("ETag", "")})
