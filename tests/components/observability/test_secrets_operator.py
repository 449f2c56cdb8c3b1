"""Each controller of External Secrets serves one namespace and one Secret, and may do no more there."""

from __future__ import annotations

from typing import Any

import pytest

from components.observability import secrets_operator
from components.observability.secrets_operator import Copy
from components.observability.synchronised_secrets import grafana_copy, serving_copy
from components.workload.labels import Manifest
from infra.naming import Names

NAMES = Names("serveml", "test", "eu-west-1")
SERVING, GRAFANA = serving_copy(NAMES), grafana_copy(NAMES)
COPIES = pytest.mark.parametrize("copy", [SERVING, GRAFANA], ids=lambda copy: copy.secret)


def one(copy: Copy, kind: str) -> Manifest:
    [found] = [each for each in secrets_operator.controller_manifests(copy) if each["kind"] == kind]
    return found


def rules(copy: Copy, kind: str) -> list[dict[str, Any]]:
    return [rule for rule in one(copy, "Role")["rules"] if kind in rule["resources"]]


@COPIES
def test_its_rights_lie_in_the_namespace_it_serves_alone(copy: Copy) -> None:
    kinds = {each["kind"] for each in secrets_operator.controller_manifests(copy)}
    assert not {"ClusterRole", "ClusterRoleBinding"} & kinds
    assert one(copy, "Role")["metadata"]["namespace"] == copy.namespace
    assert one(copy, "RoleBinding")["metadata"]["namespace"] == copy.namespace
    assert one(copy, "RoleBinding")["subjects"] == [
        {"kind": "ServiceAccount", "name": copy.controller, "namespace": "monitoring"}
    ]
    assert f"--namespace={copy.namespace}" in secrets_operator.arguments(copy)


@COPIES
def test_it_changes_no_secret_but_the_one_it_keeps(copy: Copy) -> None:
    for rule in rules(copy, "secrets"):
        if {"update", "patch", "delete"} & set(rule["verbs"]):
            assert rule["resourceNames"] == [copy.secret]


@COPIES
def test_no_right_is_a_wildcard(copy: Copy) -> None:
    for rule in one(copy, "Role")["rules"]:
        assert "*" not in {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}


@COPIES
def test_kinds_that_are_not_defined_are_not_looked_for(copy: Copy) -> None:
    off = {given.removesuffix("=false") for given in secrets_operator.arguments(copy) if given.endswith("=false")}
    assert off == {
        "--enable-cluster-store-reconciler",
        "--enable-cluster-external-secret-reconciler",
        "--enable-cluster-push-secret-reconciler",
        "--enable-push-secret-reconciler",
        "--enable-generator-state",
    }


def test_the_two_share_nothing_that_tells_them_apart() -> None:
    for what in ("controller", "namespace", "secret", "source"):
        assert getattr(SERVING, what) != getattr(GRAFANA, what)
    selectors = [one(copy, "Deployment")["spec"]["selector"]["matchLabels"] for copy in (SERVING, GRAFANA)]
    assert selectors[0] != selectors[1]


@COPIES
def test_prometheus_finds_it_behind_the_one_service(copy: Copy) -> None:
    [service] = secrets_operator.shared_manifests()
    template = one(copy, "Deployment")["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    [container] = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert service["spec"]["ports"][0]["targetPort"] in ports
    assert {f"--metrics-addr=:{ports['metrics']}", f"--live-addr=:{ports['health']}"} <= set(container["args"])


@COPIES
def test_its_pod_is_bound_as_any_other(copy: Copy) -> None:
    pod = one(copy, "Deployment")["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == copy.controller
    assert pod["securityContext"]["runAsNonRoot"]
    [container] = pod["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "@sha256:" in container["image"]
    for bound in ("requests", "limits"):
        assert sorted(container["resources"][bound]) == ["cpu", "ephemeral-storage", "memory"]


def test_pods_of_models_get_whatever_operators_put_in() -> None:
    spec = secrets_operator.external_secret(SERVING)["spec"]
    assert spec["dataFrom"] == [{"extract": {"key": "serveml-test-euw1/ml-credentials"}}]
    assert spec["target"]["name"] == "ml-credentials"


def test_grafana_gets_its_password_under_the_key_it_looks_for() -> None:
    spec = secrets_operator.external_secret(GRAFANA)["spec"]
    assert spec["data"] == [
        {"secretKey": "password", "remoteRef": {"key": "serveml-test-euw1/grafana-admin", "property": "password"}}
    ]
    assert spec["target"]["name"] == "grafana-admin"


@COPIES
def test_a_secret_that_is_gone_from_aws_stays_in_the_cluster(copy: Copy) -> None:
    target = secrets_operator.external_secret(copy)["spec"]["target"]
    assert (target["creationPolicy"], target["deletionPolicy"]) == ("Owner", "Retain")
