"""Policies of the VPC's endpoints: which callers, and whose resources, may be reached through them.

They keep a stolen foreign credential, or our own data, from crossing the account's border unseen by the
internet gateway. What a caller may do there is left to IAM and to the resources' own policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra import documents
from infra.errors import InvalidInput

Document = dict[str, Any]

_RESOURCE_BOUND: Mapping[str, bool] = {
    # Add-ons are pulled from registries that AWS owns, so the registry's account is left open.
    "ecr.api": False,
    "ecr.dkr": False,
    # GetCallerIdentity has no resource, hence no resource account to compare with.
    "sts": False,
    "secretsmanager": True,
    "kms": True,
    "logs": True,
}
"""Interface endpoints, and whether calls through them are bound to resources of this account as well."""


class UnknownEndpoint(InvalidInput):
    """A service without a policy here; the message lists those that have one."""


def interface_endpoint(service: str, account_id: str) -> Document:
    """Policy of the interface endpoint of a service (`ecr.api`, `kms`, ...): callers of this account only.

    Where the service's resources are ours, they must be of this account too. Calls without a signature, such as
    AssumeRoleWithWebIdentity, carry no account and are refused: pods get their rights from Pod Identity.
    """
    if service not in _RESOURCE_BOUND:
        raise UnknownEndpoint(
            f"no endpoint policy is known for the service {service!r}: choose from {', '.join(sorted(_RESOURCE_BOUND))}"
        )
    prefix = service.split(".")[0]
    return _document(_own_calls(f"{prefix}:*", account_id, own_resources=_RESOURCE_BOUND[service]))


def dynamodb_endpoint(account_id: str) -> Document:
    """Policy of the DynamoDB gateway: callers and tables of this account."""
    return _document(_own_calls("dynamodb:*", account_id, own_resources=True))


def s3_endpoint(account_id: str, region: str) -> Document:
    """Policy of the S3 gateway: callers and buckets of this account, and the layers of container images."""
    return _document(
        _own_calls("s3:*", account_id, own_resources=True),
        {
            "Sid": "ImageLayers",
            "Effect": "Allow",
            # Layers are fetched by addresses that the registry signed, or without any signature.
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": [
                # ECR's layers (Amazon ECR User Guide, "Minimum Amazon S3 bucket permissions for Amazon ECR").
                f"arn:aws:s3:::prod-{region}-starport-layer-bucket/*",
                # registry.k8s.io sends AWS clients to a bucket of their region (kubernetes/registry.k8s.io,
                # awsRegionToHostURL; read there for each region of infra.regions).
                f"arn:aws:s3:::prod-registry-k8s-io-{region}/*",
            ],
        },
    )


def _own_calls(actions: str, account_id: str, *, own_resources: bool) -> Document:
    accounts = {"aws:PrincipalAccount": account_id}
    if own_resources:
        accounts["aws:ResourceAccount"] = account_id
    return {
        "Sid": "CallsOfThisAccount",
        "Effect": "Allow",
        "Principal": "*",
        # An endpoint policy is a ceiling and grants nothing: every action of the one service, on whatever the
        # conditions leave, is what the border should let through (aws-samples/data-perimeter-policy-examples).
        "Action": actions,
        "Resource": "*",
        "Condition": {"StringEquals": accounts},
    }


def _document(*statements: Document) -> Document:
    return documents.policy(statements)
