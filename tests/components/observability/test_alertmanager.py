"""What Alertmanager is asked to be, and the AWS rights that it publishes with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.observability import alertmanager
from components.observability.alertmanager import Alertmanager
from components.observability.errors import InvalidObservability
from tests.components.observability.args import BASIC_ALERTMANAGER, FULL_ALERTMANAGER, TOPIC_ARN
from tests.components.observability.schemas import problems


def spec(args: Alertmanager = FULL_ALERTMANAGER) -> dict[str, Any]:
    return alertmanager.resource(args)["spec"]


@pytest.mark.parametrize("args", [BASIC_ALERTMANAGER, FULL_ALERTMANAGER], ids=["basic", "full"])
def test_the_operator_would_take_it_as_it_is(args: Alertmanager) -> None:
    assert problems(alertmanager.resource(args)) == []


def test_it_reads_its_configuration_from_the_secret_that_is_made_for_it() -> None:
    secret = alertmanager.secret("route: {}")
    assert spec()["configSecret"] == secret["metadata"]["name"]
    assert secret["stringData"] == {"alertmanager.yaml": "route: {}"}


def test_it_may_publish_to_its_topic_and_to_no_other() -> None:
    publish, key = alertmanager.statements(TOPIC_ARN, "arn:key")
    assert (publish["Action"], publish["Resource"]) == (["sns:Publish"], [TOPIC_ARN])
    assert (key["Action"], key["Resource"]) == (["kms:Decrypt", "kms:GenerateDataKey"], ["arn:key"])


def test_it_needs_no_token_of_the_kubernetes_api() -> None:
    assert spec()["automountServiceAccountToken"] is False
    kinds = {manifest["kind"] for manifest in alertmanager.manifests(FULL_ALERTMANAGER, "")}
    assert not {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} & kinds


def test_silences_outlive_a_pod() -> None:
    assert spec()["storage"]["volumeClaimTemplate"]["spec"]["storageClassName"] == "gp3"


def test_one_is_not_held_back_by_a_budget_and_two_lose_one_at_a_time() -> None:
    def budgets(args: Alertmanager) -> list[Any]:
        made = alertmanager.manifests(args, "")
        return [manifest["spec"] for manifest in made if manifest["kind"] == "PodDisruptionBudget"]

    assert budgets(BASIC_ALERTMANAGER) == []
    assert budgets(FULL_ALERTMANAGER) == [
        {"maxUnavailable": 1, "selector": {"matchLabels": alertmanager.selector()}},
    ]


@pytest.mark.parametrize("field", ["replicas", "zones"])
def test_a_figure_below_one_is_refused_by_name(field: str) -> None:
    with pytest.raises(InvalidObservability, match=f"Alertmanager's {field} is 0: give a whole number, 1 or more"):
        replace(FULL_ALERTMANAGER, **{field: 0})
