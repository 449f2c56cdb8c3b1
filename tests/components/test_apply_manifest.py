"""The way from a Kubernetes manifest to its resource, on mocks."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.kubernetes import InvalidManifest, apply_manifest
from localcloud.graph import Node
from tests.support.components import graph_of


def applied(manifest: dict[str, Any]) -> Node:
    return graph_of(lambda: apply_manifest("object", manifest, pulumi.ResourceOptions())).custom()[0]


class TestManifests:
    @pytest.mark.parametrize(
        ("api_version", "kind", "token"),
        [
            ("v1", "Namespace", "kubernetes:core/v1:Namespace"),
            ("v1", "PersistentVolumeClaim", "kubernetes:core/v1:PersistentVolumeClaim"),
            ("apps/v1", "Deployment", "kubernetes:apps/v1:Deployment"),
            (
                "autoscaling/v2",
                "HorizontalPodAutoscaler",
                "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
            ),
            ("networking.k8s.io/v1", "NetworkPolicy", "kubernetes:networking.k8s.io/v1:NetworkPolicy"),
            ("policy/v1", "PodDisruptionBudget", "kubernetes:policy/v1:PodDisruptionBudget"),
            ("eks.amazonaws.com/v1", "TargetGroupBinding", "kubernetes:eks.amazonaws.com/v1:TargetGroupBinding"),
        ],
    )
    def test_a_kind_becomes_its_resource(self, api_version: str, kind: str, token: str) -> None:
        found = applied({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": {}})
        assert found.type == token
        assert (found.inputs["apiVersion"], found.inputs["kind"]) == (api_version, kind)

    def test_fields_reach_the_cluster_as_they_are_written(self) -> None:
        manifest = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "inference", "namespace": "ml-system", "labels": {"app.kubernetes.io/name": "x"}},
            "spec": {
                "minReadySeconds": 5,
                "selector": {"matchLabels": {"app_name": "x"}},
                "template": {
                    "metadata": {"labels": {"app_name": "x"}},
                    "spec": {"containers": [{"name": "server", "securityContext": {"runAsNonRoot": True}}]},
                },
            },
        }
        assert applied(manifest).inputs == manifest

    def test_keys_of_data_are_not_taken_for_field_names(self) -> None:
        data = {"api_version": "1", "SERVEML_LOG_LEVEL": "info", "a.b": "c"}
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}
        assert applied(manifest).inputs["data"] == data

    def test_fields_beside_the_spec_are_kept(self) -> None:
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "deployers", "namespace": "ml-system"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "model-deployer"},
            "subjects": [{"kind": "Group", "name": "deployers", "apiGroup": "rbac.authorization.k8s.io"}],
        }
        priority = {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "gpu"},
            "value": 1000000,
            "globalDefault": False,
        }
        assert applied(binding).inputs == binding
        assert applied(priority).inputs == priority

    def test_values_may_be_outputs_and_secrets_stay_hidden(self) -> None:
        def program() -> None:
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "key", "namespace": pulumi.Output.from_input("ml-system")},
                "stringData": {"key": pulumi.Output.secret("hush")},
            }
            apply_manifest("object", secret, pulumi.ResourceOptions())

        found = graph_of(program).custom()[0]
        assert found.inputs["metadata"]["namespace"] == "ml-system"
        assert "hush" not in json.dumps(found.inputs)

    @pytest.mark.parametrize(
        ("manifest", "said"),
        [
            ({"kind": "Namespace", "metadata": {"name": "x"}}, "no apiVersion"),
            ({"apiVersion": "v1", "metadata": {"name": "x"}}, "no kind"),
            ({"apiVersion": "v1", "kind": "Namespace"}, "no metadata.name"),
            ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "x-"}}, "no metadata.name"),
        ],
    )
    def test_a_manifest_that_names_nothing_is_refused(self, manifest: dict[str, Any], said: str) -> None:
        with pytest.raises(InvalidManifest, match=said):
            applied(manifest)

    def test_a_kind_of_kubernetes_own_that_is_not_known_is_not_taken_for_a_custom_resource(self) -> None:
        with pytest.raises(InvalidManifest, match="has kind Deploymnet of apps/v1"):
            applied({"apiVersion": "apps/v1", "kind": "Deploymnet", "metadata": {"name": "x"}})

    def test_a_custom_resource_carries_nothing_beside_metadata_and_spec(self) -> None:
        with pytest.raises(InvalidManifest, match="fields data"):
            applied({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x"}, "data": {}})
