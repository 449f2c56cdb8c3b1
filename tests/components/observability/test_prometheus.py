"""What Prometheus is asked to be: how many, for how long, on what, and what it may read."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from components.observability import alertmanager, prometheus, token_scrapes
from components.observability.errors import InvalidObservability
from components.observability.prometheus import Prometheus
from components.observability.rules.catalogue import manifests as rules
from components.observability.rules.limits import Limits
from tests.components.observability.args import BASIC, FULL
from tests.components.observability.schemas import problems


def spec(args: Prometheus = FULL) -> dict[str, Any]:
    return prometheus.resource(args)["spec"]


def of_kind(args: Prometheus, kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in prometheus.manifests(args) if manifest["kind"] == kind]


@pytest.mark.parametrize("args", [BASIC, FULL], ids=["basic", "full"])
def test_the_operator_would_take_it_as_it_is(args: Prometheus) -> None:
    assert problems(prometheus.resource(args)) == []


def test_a_field_that_the_operator_does_not_know_would_be_found() -> None:
    wrong = copy.deepcopy(prometheus.resource(FULL))
    wrong["spec"]["storage"]["volumeClaimTemplate"]["spec"]["storageClass"] = "gp3"
    wrong["spec"]["retentionSize"] = "much"
    assert len(problems(wrong)) == 2


def test_it_keeps_metrics_for_the_days_asked_for_and_leaves_a_fifth_of_the_volume_free() -> None:
    assert spec()["retention"] == "30d"
    assert spec()["retentionSize"] == f"{80 * 1024}MB"
    claim = spec()["storage"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"] == {"requests": {"storage": "100Gi"}}
    assert claim["storageClassName"] == "gp3"


def test_everything_is_scraped_and_every_rule_evaluated_each_15_seconds() -> None:
    assert spec()["scrapeInterval"] == spec()["evaluationInterval"] == "15s"


def test_exemplars_are_kept() -> None:
    assert spec()["enableFeatures"] == ["exemplar-storage"]
    assert spec()["exemplars"]["maxSize"] > 0


def test_series_say_region_and_environment_and_which_replica_they_are_of() -> None:
    assert spec()["externalLabels"] == {"region": "eu-west-1", "environment": "prod"}
    assert spec()["replicaExternalLabelName"] == "replica"


def test_it_reads_the_rules_that_this_project_writes() -> None:
    wanted = spec()["ruleSelector"]["matchLabels"]
    for rule in rules(Limits(replicas_min=3), part_of=FULL.part_of):
        assert wanted.items() <= rule["metadata"]["labels"].items(), rule["metadata"]["name"]
        assert rule["metadata"]["namespace"] == prometheus.resource(FULL)["metadata"]["namespace"]
        assert problems(rule) == []


def test_alerts_go_to_every_alertmanager_by_its_own_address() -> None:
    [found] = spec()["alerting"]["alertmanagers"]
    assert (found["namespace"], found["name"]) == ("monitoring", "alertmanager-operated")
    assert found["port"] == alertmanager.service()["spec"]["ports"][0]["name"]


def test_no_monitor_may_read_files_of_its_container_and_send_them_away() -> None:
    assert spec()["arbitraryFSAccessThroughSMs"] == {"deny": True}
    named = spec()["additionalScrapeConfigs"]
    secret = token_scrapes.secret()
    assert (named["name"], [named["key"]]) == (secret["metadata"]["name"], list(secret["stringData"]))


def test_one_is_not_held_back_by_a_budget_and_two_lose_one_at_a_time() -> None:
    assert of_kind(BASIC, "PodDisruptionBudget") == []
    [budget] = of_kind(FULL, "PodDisruptionBudget")
    assert budget["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": prometheus.selector()}}


def test_two_never_share_a_zone_where_there_are_several() -> None:
    [zone, node] = spec()["topologySpreadConstraints"]
    assert (zone["topologyKey"], zone["whenUnsatisfiable"]) == ("topology.kubernetes.io/zone", "DoNotSchedule")
    # Else both would begin, and stay, in the one zone that happens to have a node.
    assert zone["minDomains"] == 2
    assert node["whenUnsatisfiable"] == "ScheduleAnyway"
    assert [each["topologyKey"] for each in spec(BASIC)["topologySpreadConstraints"]] == ["kubernetes.io/hostname"]


def test_a_caller_keeps_to_one_replica_whose_counters_go_on() -> None:
    assert prometheus.service()["spec"]["sessionAffinity"] == "ClientIP"
    assert prometheus.service()["spec"]["selector"] == prometheus.selector()


def test_it_may_find_targets_only_in_the_namespaces_that_have_some() -> None:
    assert sorted(role["metadata"]["namespace"] for role in of_kind(FULL, "Role")) == [
        "logging",
        "ml-system",
        "monitoring",
    ]
    assert [binding["metadata"]["namespace"] for binding in of_kind(FULL, "RoleBinding")] == [
        role["metadata"]["namespace"] for role in of_kind(FULL, "Role")
    ]


def test_it_may_read_and_nothing_else() -> None:
    for role in (*of_kind(FULL, "Role"), *of_kind(FULL, "ClusterRole")):
        for rule in role["rules"]:
            assert set(rule["verbs"]) <= {"get", "list", "watch"}
            assert not {"secrets", "configmaps", "*"} & set(rule.get("resources", []))


def test_every_container_of_the_pod_has_requests_and_limits() -> None:
    for resources in (spec()["resources"], *(each["resources"] for each in spec()["containers"])):
        for bound in ("requests", "limits"):
            assert sorted(resources[bound]) == ["cpu", "ephemeral-storage", "memory"]
    assert [each["name"] for each in spec()["initContainers"]] == ["init-config-reloader"]


def test_the_image_is_named_by_digest_and_the_version_as_the_operator_reads_it() -> None:
    assert "@sha256:" in spec()["image"]
    assert spec()["version"] == "v3.13.2"


@pytest.mark.parametrize("field", ["replicas", "retention_days", "storage_gib", "zones"])
def test_a_figure_below_one_is_refused_by_name(field: str) -> None:
    with pytest.raises(InvalidObservability, match=f"Prometheus' {field} is 0: give a whole number, 1 or more"):
        replace(FULL, **{field: 0})
