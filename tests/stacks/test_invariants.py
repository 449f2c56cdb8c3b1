"""What holds for every stack's whole graph, whatever its settings."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from infra.regions import GLOBAL_REGION, PAIRS, Residency
from infra.tags import REQUIRED
from localcloud.graph import Graph, Node
from tests.stacks.allowances import GLOBAL_TYPES, PINNED_TO_US_EAST_1, PRIVILEGED_NAMESPACES, WILDCARDS
from tests.stacks.conftest import build
from tests.support.policies import as_list, statements

ROOT = Path(__file__).resolve().parents[2]


def arguments_of(node: Node) -> set[str]:
    """Names of the inputs that the provider's SDK knows for a resource type."""
    _, module, kind = node.type.split(":")
    sdk = importlib.import_module(f"pulumi_aws.{module.split('/')[0]}")
    return set(inspect.signature(getattr(sdk, kind)._internal_init).parameters)


def test_every_regional_resource_names_a_region_of_its_residency(graph: Graph) -> None:
    allowed = set(graph.exports["regions"])
    for node in graph.custom():
        if not node.is_aws:
            continue
        if node.type in GLOBAL_TYPES:
            assert node.region is None, f"{node.urn} is of a global service and takes no region"
        elif "region" in arguments_of(node):
            where = allowed | {GLOBAL_REGION} if node.type in PINNED_TO_US_EAST_1 else allowed
            assert node.region in where, f"{node.urn} is in {node.region}, not in {sorted(where)}"
        else:
            raise AssertionError(f"{node.type} takes no region: add it to GLOBAL_TYPES")


@pytest.mark.xdist_group("prod")
@pytest.mark.parametrize("residency", list(Residency))
def test_no_residency_leaks_into_another_pair(residency: Residency) -> None:
    graph = build("prod", ("serveml:residency", residency))
    pair = PAIRS[residency]
    assert graph.exports["regions"] == [pair.primary, pair.secondary]
    used = {node.region for node in graph.custom() if node.is_aws and node.region}
    assert used <= {pair.primary, pair.secondary, GLOBAL_REGION}


def test_every_taggable_resource_carries_the_required_tags(graph: Graph) -> None:
    for node in graph.custom():
        if node.is_aws and "tags" in arguments_of(node):
            missing = set(REQUIRED) - set(node.inputs.get("tags", {}))
            assert not missing, f"{node.urn} lacks the tags {sorted(missing)}"
            assert node.inputs["tags"]["Environment"] == graph.stack


def test_no_right_is_a_wildcard_without_a_reason(graph: Graph) -> None:
    for node, _, statement in statements(graph):
        if statement["Effect"] != "Allow" or "Resource" not in statement:
            continue
        actions = [action for action in as_list(statement["Action"]) if "*" in action]
        everything = "*" in as_list(statement["Resource"])
        if actions or everything:
            sid = statement.get("Sid", "")
            assert (node.type, sid) in WILDCARDS, f"{node.urn}: statement {sid!r} allows {statement}"


def test_every_wildcard_on_the_list_is_still_needed() -> None:
    used = {
        (node.type, statement.get("Sid", ""))
        for stack in ("prod", "local")
        for node, _, statement in statements(build(stack))
        if statement["Effect"] == "Allow"
    }
    assert set(WILDCARDS) <= used


def test_no_trust_policy_lets_anyone_in(graph: Graph) -> None:
    for node, key, statement in statements(graph):
        principal = statement.get("Principal")
        if key == "assumeRolePolicy":
            assert principal not in ("*", {"AWS": "*"}), node.urn
        # The policy of an endpoint narrows what passes and grants nothing.
        grants = node.type != "aws:ec2/vpcEndpoint:VpcEndpoint"
        if grants and statement["Effect"] == "Allow" and principal in ("*", {"AWS": "*"}):
            assert statement.get("Condition"), f"{node.urn} allows everyone without a condition"


def test_every_component_registers_its_outputs(graph: Graph) -> None:
    forgotten = [node.urn for node in graph.components() if node.registered_outputs is None]
    assert not forgotten


def test_urns_are_unique(graph: Graph) -> None:
    repeated = [urn for urn, count in Counter(node.urn for node in graph).items() if count > 1]
    assert not repeated


def test_every_reference_is_to_a_resource_of_the_graph(graph: Graph) -> None:
    known = {node.urn for node in graph}
    for node in graph:
        for urn in (*node.dependencies, *filter(None, [node.deleted_with])):
            assert urn in known, f"{node.urn} refers to {urn}, which is not there"


def test_what_lies_in_a_cluster_goes_with_it_and_not_before(graph: Graph) -> None:
    clusters = {node.urn for node in graph.of_type("aws:eks/cluster:Cluster")}
    for node in graph:
        if node.is_kubernetes:
            assert node.deleted_with in clusters, f"{node.urn} would be deleted through a cluster that may be gone"


def test_every_namespace_is_labelled_for_pod_security_and_denies_by_default(graph: Graph) -> None:
    namespaces = graph.of_type("kubernetes:core/v1:Namespace")
    assert namespaces
    for node in namespaces:
        name = node.inputs["metadata"]["name"]
        enforced = node.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        assert enforced in ("restricted", "baseline") or (enforced, name) in PRIVILEGED_NAMESPACES, name
        denials = [
            policy
            for policy in graph.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")
            if policy.inputs["metadata"]["namespace"] == name
            and policy.provider == node.provider
            and policy.inputs["spec"]["podSelector"] == {}
            and sorted(policy.inputs["spec"]["policyTypes"]) == ["Egress", "Ingress"]
            and not policy.inputs["spec"].get("ingress")
            and not policy.inputs["spec"].get("egress")
        ]
        assert denials, f"namespace {name} has no default-deny policy"


def test_every_privileged_namespace_on_the_list_is_still_needed() -> None:
    found = {
        (node.inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], node.inputs["metadata"]["name"])
        for node in build("prod").of_type("kubernetes:core/v1:Namespace")
    }
    assert set(PRIVILEGED_NAMESPACES) <= found


def test_every_alarm_has_an_action_and_names_a_runbook_that_exists(graph: Graph) -> None:
    alarms = graph.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")
    assert alarms
    for node in alarms:
        assert node.inputs["alarmActions"], node.urn
        pages = re.findall(r"docs/runbooks/[\w-]+\.md", node.inputs["alarmDescription"])
        assert pages, f"{node.urn} names no runbook"
        assert all((ROOT / page).exists() for page in pages), pages


def test_no_secret_stands_in_the_graph_in_plain_text(graph: Graph) -> None:
    hidden = [str(node.outputs["result"]) for node in graph.of_type("RandomPassword")]
    text = json.dumps([dict(node.inputs) for node in graph]) + json.dumps(dict(graph.exports), default=str)
    assert not [value for value in hidden if value in text]
    assert not re.search(r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY", text)
    for node in graph:
        for key, value in node.inputs.items():
            if re.search(r"(password|secretString|authToken)$", key, re.IGNORECASE):
                assert value == "[secret]", f"{node.urn}: {key}"


def test_a_preview_registers_what_an_update_does(graph: Graph) -> None:
    previewed = build(graph.stack, preview=True)
    assert sorted(node.urn for node in previewed) == sorted(node.urn for node in graph)


# Limits of AWS's service documentation; with autonaming, Pulumi adds eight characters to the logical name.
LIMITS = {
    "aws:lb/loadBalancer:LoadBalancer": ("name", 32, r"[A-Za-z0-9-]+"),
    "aws:lb/targetGroup:TargetGroup": ("name", 32, r"[A-Za-z0-9-]+"),
    "aws:s3/bucket:Bucket": ("bucket", 63, r"[a-z0-9][a-z0-9.-]+[a-z0-9]"),
    "aws:iam/role:Role": ("name", 64, r"[\w+=,.@-]+"),
    "aws:iam/policy:Policy": ("name", 128, r"[\w+=,.@-]+"),
    "aws:eks/cluster:Cluster": ("name", 100, r"[A-Za-z0-9][A-Za-z0-9_-]*"),
    "aws:ec2/securityGroup:SecurityGroup": ("name", 255, r"[\w .:/()#,@\[\]+=&;{}!$*-]+"),
    "aws:dynamodb/table:Table": ("name", 255, r"[\w.-]{3,}"),
    "aws:kms/alias:Alias": ("name", 256, r"alias/[\w/-]+"),
    "aws:ecr/repository:Repository": ("name", 256, r"[a-z0-9]+(?:[._/-][a-z0-9]+)*"),
    "aws:wafv2/webAcl:WebAcl": ("name", 128, r"[\w-]+"),
    "aws:sns/topic:Topic": ("name", 256, r"[\w-]+"),
    "aws:cloudwatch/metricAlarm:MetricAlarm": ("name", 255, r".+"),
    "aws:cloudwatch/logGroup:LogGroup": ("name", 512, r"[\w./#-]+"),
    "aws:cloudfront/originAccessControl:OriginAccessControl": ("name", 64, r".+"),
    "aws:cloudfront/cachePolicy:CachePolicy": ("name", 128, r".+"),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": ("name", 128, r".+"),
    "aws:budgets/budget:Budget": ("name", 100, r"[^:\\]+"),
}
AUTONAME = 8


@pytest.mark.xdist_group("staging")
def test_names_are_within_the_limits_of_aws_for_the_longest_environment_and_region() -> None:
    graph = build(
        "staging",
        ("serveml:residency", "apac"),
        ("serveml:secondary_region", "true"),
        ("serveml:project", "a" * 18),
    )
    seen = set[str]()
    for node in graph.custom():
        if node.type not in LIMITS:
            continue
        seen.add(node.type)
        key, limit, allowed = LIMITS[node.type]
        given = node.inputs.get(key)
        name, most = (given, limit) if given is not None else (node.name, limit - AUTONAME)
        assert len(name) <= most, f"{node.urn}: {name!r} has {len(name)} characters, {most} are allowed"
        assert re.fullmatch(allowed, name), f"{node.urn}: {name!r}"
    assert len(seen) >= 14


def test_the_longest_project_name_that_settings_accept_is_the_one_tested_above() -> None:
    import pulumi

    with pytest.raises(pulumi.RunError, match="shorten project by 1"):
        build(
            "staging",
            ("serveml:residency", "apac"),
            ("serveml:secondary_region", "true"),
            ("serveml:project", "a" * 19),
        )
