"""Secrets that follow Secrets Manager as a component: what is registered, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from components.observability.errors import InvalidObservability
from components.observability.secrets_operator import Copy
from components.observability.synchronised_secrets import (
    SynchronisedSecrets,
    SynchronisedSecretsArgs,
    grafana_copy,
    serving_copy,
)
from infra.naming import ROLE_MAX, Names
from localcloud.graph import Graph, Node
from tests.support.components import graph_of, place

NAMES = Names("serveml", "test", "eu-west-1")
COPIES = (serving_copy(NAMES), grafana_copy(NAMES))


@cache
def synchronised(*, preview: bool = False, copies: Sequence[Copy] = COPIES) -> Graph:
    def stand_in(name: str) -> pulumi.Resource:
        return kubernetes.core.v1.ConfigMap(name, metadata={"name": name})

    def program() -> None:
        SynchronisedSecrets(
            "synchronised",
            SynchronisedSecretsArgs(
                place=place(),
                provider=kubernetes.Provider("provider", kubeconfig="{}"),
                cluster=stand_in("cluster"),
                after=[stand_in("prepared")],
                copies=copies,
            ),
        )

    return graph_of(program, preview=preview)


def objects() -> list[Node]:
    return [node for node in synchronised().custom() if node.parent.endswith("::synchronised")]


def one(kind: str, namespace: str) -> Node:
    [found] = [
        node
        for node in objects()
        if node.type.endswith(f":{kind}") and node.inputs["metadata"].get("namespace") == namespace
    ]
    return found


def before(node: Node) -> set[str]:
    return {urn.rpartition("::")[2] for urn in node.dependencies}


def test_there_is_a_store_and_a_secret_for_each_namespace() -> None:
    for copy in COPIES:
        assert one("SecretStore", copy.namespace).inputs["metadata"]["name"] == "secrets-manager"
        assert one("ExternalSecret", copy.namespace).inputs["metadata"]["name"] == copy.secret


def test_what_is_copied_waits_for_its_definition_and_for_the_controller_that_takes_its_finalizer_off() -> None:
    definitions = {node.name for node in objects() if node.type.endswith(":CustomResourceDefinition")}
    assert len(definitions) == 3
    for copy in COPIES:
        waits = before(one("ExternalSecret", copy.namespace))
        assert definitions <= waits
        assert f"synchronised-monitoring-{copy.controller}-deployment" in waits
        assert one("SecretStore", copy.namespace).name in waits


def test_everything_waits_for_what_it_was_told_to_and_goes_with_the_cluster() -> None:
    assert len(objects()) == 3 + 1 + 2 * 6
    for node in objects():
        assert "prepared" in before(node), node.name
        assert node.deleted_with.endswith("::cluster"), node.name


def test_it_says_which_secrets_it_keeps() -> None:
    [component] = [node for node in synchronised() if node.type == "serveml:observability:SynchronisedSecrets"]
    assert component.registered_outputs == {"secrets": ["ml-system/ml-credentials", "monitoring/grafana-admin"]}


def test_a_preview_registers_the_same() -> None:
    assert sorted(node.urn for node in synchronised()) == sorted(node.urn for node in synchronised(preview=True))


@pytest.mark.parametrize("same", ["controller", "namespace"])
def test_copies_that_would_share_a_controller_or_a_store_are_refused(same: str) -> None:
    twin = replace(COPIES[1], **{same: getattr(COPIES[0], same)})
    with pytest.raises((InvalidObservability, pulumi.RunError), match=f"share the {same}"):
        synchronised(copies=(COPIES[0], twin))


def test_the_roles_of_the_controllers_have_names_that_aws_takes_for_the_longest_project() -> None:
    names = Names("a" * 18, "staging", "ap-northeast-1")
    for copy in COPIES:
        assert len(names.role("monitoring", copy.controller)) <= ROLE_MAX
