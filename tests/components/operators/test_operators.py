"""The managed policies, on mocks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pulumi

from components.operators.duties import Approval, Duty
from components.operators.operators import Operators, OperatorsArgs
from components.operators.policies import document
from components.operators.reach import Reach, RegionStores
from infra.naming import Names
from localcloud.graph import Graph, Node
from tests.lifecycle.rights_world import PREFIX, reach
from tests.support.components import TAGS, graph_of, place

PLACE = replace(place(), names=Names("serveml", "prod"))


def graph(given: Reach | None = None) -> Graph:
    return graph_of(lambda: Operators(PLACE.names.of("operators"), OperatorsArgs(place=PLACE, reach=given or reach())))


def policy(made: Graph, duty: Duty) -> Node:
    return made.one("aws:iam/policy:Policy", duty)


def later(stores: RegionStores) -> RegionStores:
    """As a stack gives them: what AWS answers."""
    return RegionStores(**{name: _later(name, value) for name, value in vars(stores).items()})


def _later(name: str, value: Any) -> Any:
    return value if name == "region" else pulumi.Output.from_input(value)


def test_each_duty_has_one_policy_that_permission_sets_find_by_its_name() -> None:
    policies = graph().of_type("aws:iam/policy:Policy")
    assert sorted(node.inputs["name"] for node in policies) == sorted(f"{PREFIX}-{duty}" for duty in Duty)
    for node in policies:
        assert node.inputs["tags"] == {**TAGS, "Name": node.inputs["name"]}


def test_the_documents_are_the_same_whether_names_are_known_at_once_or_later() -> None:
    def program() -> object:
        given = replace(
            reach(),
            stores=[later(stores) for stores in reach().stores],
            topic_arn=pulumi.Output.from_input(reach().topic_arn),
        )
        return Operators(PLACE.names.of("operators"), OperatorsArgs(place=PLACE, reach=given))

    for made in (graph(), graph_of(program)):
        for duty in Duty:
            assert json.loads(policy(made, duty).inputs["policy"]) == document(duty, reach())


def test_the_arns_are_told_by_duty() -> None:
    made = graph()
    outputs = made.one("serveml:operators:Operators").registered_outputs or {}
    assert outputs == {"policy_arns": {duty.value: policy(made, duty).outputs["arn"] for duty in Duty}}


def test_one_region_without_approval_makes_policies_without_empty_statements() -> None:
    alone = replace(reach(Approval.NOT_NEEDED), stores=reach().stores[:1])
    for node in graph(alone).of_type("aws:iam/policy:Policy"):
        for statement in json.loads(node.inputs["policy"])["Statement"]:
            assert statement["Resource"], statement
