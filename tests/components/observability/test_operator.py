"""The operator's rights are the few that it needs, all in one namespace, and its pod is as bound as any."""

from __future__ import annotations

from typing import Any

from components.observability import crds, operator
from components.workload.labels import Manifest

MANIFESTS = operator.manifests()


def role(kind: str) -> Manifest:
    [found] = [manifest for manifest in MANIFESTS if manifest["kind"] == kind]
    return found


def verbs(kind: str, group: str, resource: str) -> set[str]:
    rules: list[dict[str, Any]] = role(kind)["rules"]
    return {
        verb for rule in rules if group in rule["apiGroups"] and resource in rule["resources"] for verb in rule["verbs"]
    }


def arguments() -> list[str]:
    return operator.deployment()["spec"]["template"]["spec"]["containers"][0]["args"]


def test_no_right_is_a_wildcard() -> None:
    for kind in ("Role", "ClusterRole"):
        for rule in role(kind)["rules"]:
            assert "*" not in {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}


def test_secrets_are_within_reach_in_its_own_namespace_alone() -> None:
    assert role("Role")["metadata"]["namespace"] == "monitoring"
    assert verbs("Role", "", "secrets") == {"get", "list", "watch", "create", "update", "delete"}
    assert verbs("ClusterRole", "", "secrets") == set()
    assert "--namespaces=monitoring" in arguments()


def test_of_what_lies_in_no_namespace_it_reads_two_things() -> None:
    assert role("ClusterRole")["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"], "resourceNames": ["monitoring"]},
        {"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["get"]},
    ]


def test_it_may_watch_every_kind_that_is_defined_for_it() -> None:
    for definition in crds.definitions(crds.PROMETHEUS_OPERATOR):
        assert {"get", "list", "watch"} <= verbs("Role", "monitoring.coreos.com", crds.plural(definition))


def test_it_writes_the_state_of_what_it_operates_and_no_resource_of_its_kinds() -> None:
    for kind in ("prometheuses", "alertmanagers"):
        assert {"update", "patch"} <= verbs("Role", "monitoring.coreos.com", f"{kind}/status")
        assert verbs("Role", "monitoring.coreos.com", kind) == {"get", "list", "watch"}


def test_the_image_that_it_puts_beside_others_is_named_by_digest() -> None:
    [reloader] = [given for given in arguments() if given.startswith("--prometheus-config-reloader=")]
    assert "@sha256:" in reloader
    assert operator.deployment()["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
