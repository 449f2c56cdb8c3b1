"""Which changes replace a resource: the plan has to say so before the engine does it."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from localcloud.plan.difference import Kind, compare
from localcloud.plan.document import Resource, read_manifests, read_resources
from localcloud.plan.replacement import UnknownResourceType, forcing_inputs
from localcloud.plan.replacement_table import FORCING

GOLDEN = Path(__file__).parents[1] / "golden"
STACKS = sorted(path.parent.name for path in GOLDEN.glob("*/counts.txt"))
AWS_TYPES = sorted(token for token in FORCING if token.startswith("aws:"))


@cache
def planned() -> dict[str, Resource]:
    """The golden plan of production: every resource and manifest by its key."""
    folder = GOLDEN / "prod"
    resources = read_resources((folder / "resources.json").read_text())
    return {**resources, **read_manifests((folder / "manifests.yaml").read_text())}


def first_of(token: str) -> tuple[str, Resource]:
    return next((key, entry) for key, entry in planned().items() if f"{key.rsplit('::', 1)[0]}$".endswith(f"{token}$"))


def after_change(token: str, path: str, value: Any) -> Kind:
    """The kind of change that the plan shows when one value of the first resource of a type becomes another.

    None takes the value away.
    """
    key, before = first_of(token)
    after = deepcopy(before)
    at: dict[str, Any] = after.get("inputs", after)
    *parents, name = path.split(".")
    for parent in parents:
        at = at[parent]
    if value is None:
        del at[name]
    else:
        at[name] = value
    (change,) = compare({key: before}, {key: after})
    return change.kind


@pytest.mark.parametrize(
    ("token", "path", "value"),
    [
        ("aws:ec2/vpc:Vpc", "cidrBlock", "10.99.0.0/16"),
        ("aws:ec2/subnet:Subnet", "cidrBlock", "10.99.0.0/20"),
        ("aws:ec2/subnet:Subnet", "region", "eu-west-3"),
        ("aws:ec2/securityGroup:SecurityGroup", "description", "another"),
        ("aws:ec2/route:Route", "destinationCidrBlock", "10.0.0.0/8"),
        ("aws:ec2/flowLog:FlowLog", "destinationOptions.perHourPartition", "another"),
        ("aws:s3/bucket:Bucket", "bucket", "another-name"),
        ("aws:dynamodb/table:Table", "rangeKey", "another"),
        ("aws:eks/cluster:Cluster", "name", "another"),
        ("aws:eks/cluster:Cluster", "encryptionConfig", None),
        ("aws:eks/cluster:Cluster", "encryptionConfig.provider.keyArn", "arn:aws:kms:eu-west-1:1:key/another"),
        ("aws:eks/cluster:Cluster", "accessConfig.bootstrapClusterCreatorAdminPermissions", "another"),
        ("aws:kms/key:Key", "keyUsage", "SIGN_VERIFY"),
        ("aws:acm/certificate:Certificate", "subjectAlternativeNames", ["another.example.com"]),
        ("aws:lb/targetGroup:TargetGroup", "port", 9999),
        ("aws:ecr/lifecyclePolicy:LifecyclePolicy", "policy.(json)", {"rules": []}),
        ("kubernetes:apps/v1:Deployment", "spec.selector.matchLabels", {"app": "another"}),
        ("kubernetes:core/v1:Namespace", "metadata.name", "another"),
        ("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "roleRef.name", "another"),
        ("kubernetes:scheduling.k8s.io/v1:PriorityClass", "value", 1),
        ("pulumi:providers:kubernetes", "clusterIdentifier", "another"),
    ],
)
def test_what_cannot_change_in_place_is_shown_as_replaced(token: str, path: str, value: Any) -> None:
    assert after_change(token, path, value) is Kind.REPLACED


@pytest.mark.parametrize(
    ("token", "path", "value"),
    [
        ("aws:ec2/subnet:Subnet", "tags.Name", "another"),
        ("aws:ec2/vpc:Vpc", "enableDnsSupport", "another"),
        ("aws:ec2/internetGateway:InternetGateway", "vpcId", "another"),
        ("aws:ec2/routeTableAssociation:RouteTableAssociation", "routeTableId", "another"),
        ("aws:s3/bucket:Bucket", "forceDestroy", "another"),
        ("kubernetes:core/v1:ConfigMap", "data", {"another": "value"}),
        ("aws:dynamodb/table:Table", "billingMode", "PROVISIONED"),
        ("aws:eks/cluster:Cluster", "version", "9.99"),
        ("aws:eks/cluster:Cluster", "accessConfig.authenticationMode", "CONFIG_MAP"),
        ("aws:eks/cluster:Cluster", "vpcConfig.subnetIds", []),
        ("aws:iam/role:Role", "assumeRolePolicy.(json)", {"Statement": []}),
        ("aws:lb/targetGroup:TargetGroup", "healthCheck.port", "9999"),
        ("aws:kms/alias:Alias", "targetKeyId", "another"),
        ("kubernetes:apps/v1:Deployment", "spec.template.spec.priorityClassName", "another"),
        ("kubernetes:policy/v1:PodDisruptionBudget", "spec", {}),
    ],
)
def test_what_changes_in_place_is_shown_as_changed(token: str, path: str, value: Any) -> None:
    assert after_change(token, path, value) is Kind.CHANGED


def test_one_input_that_forces_decides_for_all_that_changed() -> None:
    key, before = first_of("aws:ec2/subnet:Subnet")
    after = deepcopy(before)
    after["inputs"].update(cidrBlock="10.99.0.0/20", tags={})
    (change,) = compare({key: before}, {key: after})
    assert change.kind is Kind.REPLACED
    assert {"inputs.cidrBlock"} < {field.path for field in change.fields}


def test_protection_of_a_component_or_a_resource_changes_in_place() -> None:
    for token in ("serveml:models:ModelStore", "aws:s3/bucket:Bucket"):
        key, before = first_of(token)
        (change,) = compare({key: before}, {key: {**before, "options": {"deleteBeforeReplace": True}}})
        assert change.kind is Kind.CHANGED


@pytest.mark.parametrize("stack", STACKS)
def test_every_type_of_the_plans_is_in_the_table(stack: str) -> None:
    lines = (GOLDEN / stack / "counts.txt").read_text().splitlines()[1:]
    assert lines
    for line in lines:
        forcing_inputs(line.split()[1])


def test_an_unknown_type_says_which_file_to_extend() -> None:
    with pytest.raises(UnknownResourceType, match=re.escape("localcloud/plan/replacement_table.py")) as raised:
        forcing_inputs("aws:ec2/instance:Instance")
    assert isinstance(raised.value, LookupError)
    assert "aws:ec2/instance:Instance" in str(raised.value)


@pytest.mark.parametrize("token", AWS_TYPES)
def test_every_path_begins_with_an_input_that_the_type_has(token: str) -> None:
    inputs = inputs_of(token)
    assert {path.split(".")[0] for path in FORCING[token]} <= inputs


@pytest.mark.parametrize("token", AWS_TYPES)
def test_another_region_replaces_every_resource_that_lies_in_one(token: str) -> None:
    assert ("region" in FORCING[token]) == ("region" in inputs_of(token))


def test_dotted_paths_name_objects_not_lists() -> None:
    """A path into a list would carry an index in the plan, and never match."""
    dotted = [(token, path) for token, paths in FORCING.items() for path in paths if "." in path]
    assert dotted
    for token, path in dotted:
        for key, entry in planned().items():
            if key.rsplit("::", 1)[0].endswith(token):
                at: Any = entry.get("inputs", entry)
                for name in path.split(".")[:-1]:
                    assert at is None or isinstance(at, dict), f"{token}: {path} in {json.dumps(at)}"
                    at = cast(dict[str, Any], at or {}).get(name)


def inputs_of(token: str) -> set[str]:
    """The wire names of a type's inputs, from the SDK."""
    _, module, kind = token.split(":")
    resource = getattr(importlib.import_module(f"pulumi_aws.{module.split('/')[0]}"), kind)
    return {_camel(name) for name in inspect.signature(resource._internal_init).parameters}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
