"""The role that the pods of one service account take, on mocks."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components.cluster import PodIdentity, PodIdentityArgs
from localcloud.graph import Graph
from tests.support.components import graph_of, place

ACCOUNT = "123456789012"
NAME = "serveml-test-euw1"


class TestPodIdentity:
    @staticmethod
    def identity(statements: list[dict[str, Any]]) -> PodIdentity:
        return PodIdentity(
            "inference",
            PodIdentityArgs(
                place=place(),
                account_id=ACCOUNT,
                cluster_name=pulumi.Output.from_input(NAME),
                namespace="ml-system",
                service_account="inference",
                statements=statements,
            ),
        )

    def graph(self, *, preview: bool = False) -> Graph:
        def program() -> None:
            objects = pulumi.Output.concat("arn:aws:s3:::models", "/models/*")
            self.identity([{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [objects]}])

        return graph_of(program, preview=preview)

    def test_one_service_account_of_one_namespace_of_this_cluster_may_take_the_role(self) -> None:
        trust = json.loads(self.graph().one("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"]
        assert trust == [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringEquals": {
                        "aws:SourceAccount": ACCOUNT,
                        "aws:RequestTag/eks-cluster-arn": f"arn:aws:eks:eu-west-1:{ACCOUNT}:cluster/{NAME}",
                        "aws:RequestTag/kubernetes-namespace": "ml-system",
                        "aws:RequestTag/kubernetes-service-account": "inference",
                    }
                },
            }
        ]

    def test_the_role_may_do_what_was_given(self) -> None:
        policy = json.loads(self.graph().one("RolePolicy").inputs["policy"])
        assert policy["Statement"] == [
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::models/models/*"]}
        ]

    def test_the_association_comes_after_the_rights(self) -> None:
        graph = self.graph()
        association = graph.one("PodIdentityAssociation")
        assert association.inputs["roleArn"] == graph.one("aws:iam/role:Role").outputs["arn"]
        assert (association.inputs["namespace"], association.inputs["serviceAccount"]) == ("ml-system", "inference")
        assert graph.one("RolePolicy").urn in association.dependencies

    def test_a_preview_plans_the_same_resources(self) -> None:
        assert {node.urn for node in self.graph(preview=True)} == {node.urn for node in self.graph()}

    def test_an_identity_without_rights_is_refused(self) -> None:
        with pytest.raises(ValueError, match="leave the identity out"):
            graph_of(lambda: self.identity([]))
