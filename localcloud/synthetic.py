"""Answers for resources without any account: ids and computed outputs made from the inputs, the same in every run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from infra import regions
from localcloud.recorder import Created, Registration, RegistrationFailed

ACCOUNT_ID = "123456789012"

_EC2_ID_PREFIX = {
    "Vpc": "vpc",
    "Subnet": "subnet",
    "SecurityGroup": "sg",
    "RouteTable": "rtb",
    "NatGateway": "nat",
    "InternetGateway": "igw",
    "Eip": "eipalloc",
    "VpcEndpoint": "vpce",
    "FlowLog": "fl",
}

Outputs = Mapping[str, Any]


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _service(type_token: str) -> str:
    return type_token.split(":")[1].split("/")[0]


def _zones(region: str) -> list[str]:
    return [f"{region}{letter}" for letter in "abc"]


def _cluster(r: Registration) -> Outputs:
    name, region = r.inputs["name"], r.inputs["region"]
    issuer = f"https://oidc.eks.{region}.amazonaws.com/id/{_digest(name, 32).upper()}"
    return {
        "endpoint": f"https://{_digest(name, 32).upper()}.gr7.{region}.eks.amazonaws.com",
        "certificateAuthority": {"data": base64.b64encode(b"synthetic certificate authority").decode()},
        "identities": [{"oidcs": [{"issuer": issuer}]}],
        "vpcConfig": {**r.inputs["vpcConfig"], "clusterSecurityGroupId": f"sg-{_digest(name, 17)}"},
    }


def _load_balancer(r: Registration) -> Outputs:
    name, region = r.inputs.get("name", r.name), r.inputs["region"]
    return {
        "dnsName": f"{name}-{_digest(name, 10)}.{region}.elb.amazonaws.com",
        "zoneId": f"Z{_digest(region, 13).upper()}",
        "arnSuffix": f"app/{name}/{_digest(name, 16)}",
    }


def _target_group(r: Registration) -> Outputs:
    name = r.inputs.get("name", r.name)
    return {"arnSuffix": f"targetgroup/{name}/{_digest(name, 16)}"}


def _certificate(r: Registration) -> Outputs:
    domains = [r.inputs["domainName"], *r.inputs.get("subjectAlternativeNames", [])]
    return {
        "domainValidationOptions": [
            {
                "domainName": domain,
                "resourceRecordName": f"_{_digest(domain, 32)}.{domain.removeprefix('*.')}.",
                "resourceRecordType": "CNAME",
                "resourceRecordValue": f"_{_digest(domain + 'value', 32)}.acm-validations.aws.",
            }
            for domain in dict.fromkeys(domains)
        ]
    }


def _table(r: Registration) -> Outputs:
    arn = f"arn:aws:dynamodb:{r.inputs['region']}:{ACCOUNT_ID}:table/{r.inputs['name']}"
    return {"arn": arn, "streamArn": f"{arn}/stream/2026-01-01T00:00:00.000"}


def _table_replica(r: Registration) -> Outputs:
    # A replica goes by the table's name in its own region.
    name = str(r.inputs["globalTableArn"]).rpartition("/")[2]
    return {"arn": f"arn:aws:dynamodb:{r.inputs['region']}:{ACCOUNT_ID}:table/{name}"}


_SPECIAL: dict[str, Callable[[Registration], Outputs]] = {
    "aws:eks/cluster:Cluster": _cluster,
    "aws:lb/loadBalancer:LoadBalancer": _load_balancer,
    "aws:lb/targetGroup:TargetGroup": _target_group,
    "aws:acm/certificate:Certificate": _certificate,
    "aws:dynamodb/table:Table": _table,
    "aws:dynamodb/tableReplica:TableReplica": _table_replica,
    "aws:acm/certificateValidation:CertificateValidation": lambda r: {"certificateArn": r.inputs["certificateArn"]},
    "aws:cloudfront/distribution:Distribution": lambda r: {
        "domainName": f"d{_digest(r.name, 13)}.cloudfront.net",
        "hostedZoneId": "Z2FDTNDATAQYW2",
        "etag": "E" + _digest(r.name, 13).upper(),
    },
    "aws:route53/zone:Zone": lambda r: {
        "zoneId": f"Z{_digest(r.name, 13).upper()}",
        "nameServers": [f"ns-{n}.awsdns-{n}.example" for n in range(4)],
    },
    "aws:ecr/repository:Repository": lambda r: {
        "repositoryUrl": f"{ACCOUNT_ID}.dkr.ecr.{r.inputs['region']}.amazonaws.com/{r.inputs['name']}",
        "registryId": ACCOUNT_ID,
    },
    "aws:kms/key:Key": lambda r: {
        "keyId": f"{_digest(r.name, 8)}-{_digest(r.name + 'k', 4)}-4000-8000-{_digest(r.name, 12)}"
    },
    "aws:s3/bucket:Bucket": lambda r: {
        "arn": f"arn:aws:s3:::{r.inputs['bucket']}",
        "bucketDomainName": f"{r.inputs['bucket']}.s3.amazonaws.com",
        "bucketRegionalDomainName": f"{r.inputs['bucket']}.s3.{r.inputs['region']}.amazonaws.com",
    },
    "aws:iam/role:Role": lambda r: {
        "arn": f"arn:aws:iam::{ACCOUNT_ID}:role/{r.inputs['name']}",
        "uniqueId": f"AROA{_digest(r.name, 17).upper()}",
    },
    "aws:ec2/vpc:Vpc": lambda r: {
        "defaultSecurityGroupId": f"sg-{_digest(r.name + 'default', 17)}",
        "defaultNetworkAclId": f"acl-{_digest(r.name, 17)}",
        "defaultRouteTableId": f"rtb-{_digest(r.name + 'default', 17)}",
        "mainRouteTableId": f"rtb-{_digest(r.name + 'default', 17)}",
    },
    "aws:ec2/eip:Eip": lambda r: {"allocationId": f"eipalloc-{r.name}", "publicIp": "203.0.113.1"},
    "random:index/randomPassword:RandomPassword": lambda r: {"result": _digest(r.name, 32)},
    "random:index/randomId:RandomId": lambda r: {"hex": _digest(r.name, 8)},
}


class Synthetic:
    """A backend that makes up every answer, deterministically and readably."""

    def create(self, registration: Registration) -> Created:
        r = registration
        kind = r.type.rsplit(":", 1)[-1]
        if r.type.startswith("kubernetes:"):
            metadata = r.inputs.get("metadata", {})
            return Created("/".join(filter(None, [metadata.get("namespace"), metadata.get("name", r.name)])), {})
        prefix = _EC2_ID_PREFIX.get(kind)
        resource_id = f"{prefix}-{r.name}" if prefix else str(r.inputs.get("name") or r.inputs.get("bucket") or r.name)
        region = r.inputs.get("region", "")
        path = kind[0].lower() + kind[1:]
        outputs: dict[str, Any] = {"name": r.inputs.get("name", r.name)} if "name" not in r.inputs else {}
        if r.type.startswith("aws:"):
            outputs["arn"] = f"arn:aws:{_service(r.type)}:{region}:{ACCOUNT_ID}:{path}/{resource_id}"
        outputs.update(_SPECIAL[r.type](r) if r.type in _SPECIAL else {})
        return Created(str(outputs.get("zoneId", resource_id)) if kind == "Zone" else resource_id, outputs)

    def invoke(self, token: str, args: Mapping[str, Any]) -> Mapping[str, Any]:
        function = token.rsplit(":", 1)[-1]
        region = str(args.get("region", regions.GLOBAL_REGION))
        match function:
            case "getCallerIdentity":
                return {"accountId": ACCOUNT_ID, "arn": f"arn:aws:iam::{ACCOUNT_ID}:root", "userId": "AIDA"}
            case "getPartition":
                return {"partition": "aws", "dnsSuffix": "amazonaws.com"}
            case "getAvailabilityZones":
                return {"names": _zones(region), "zoneIds": [f"{regions.code(region)}-az{n}" for n in (1, 2, 3)]}
            case "getManagedPrefixList":
                return {"id": f"pl-{_digest(str(args['name']) + region, 8)}", "name": args["name"]}
            case _:
                raise RegistrationFailed(
                    f"no synthetic answer for the function {token}: add one to localcloud/synthetic.py"
                )
