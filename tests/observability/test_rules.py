"""The rules are what Prometheus and its operator take, and read series that the platform has."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pulumi
import pulumi_kubernetes as kubernetes
import pytest

from components.observability.errors import InvalidObservability
from components.observability.rules import RULE_FILES, Limits, Rules, RulesArgs, alerts, manifests
from components.observability.rules.objectives import BURNS, objective_groups
from components.observability.rules.promql import PREDICTING
from components.observability.rules.rule import Record
from components.workload.labels import Manifest
from contract import service
from serving.metrics.container import REQUEST_BUCKETS_SECONDS
from serving.rpc.protocol import INFER, STREAM_INFER
from tests.components.observability.schemas import problems
from tests.observability.promtool import LIMITS, PART_OF, check_rules, needs_promtool
from tests.support.components import graph_of, place

RECORD_NAME = re.compile(r"[a-z_]+:[a-z_]+:[a-z0-9]+")


@needs_promtool
@pytest.mark.parametrize("name", RULE_FILES)
def test_promtool_finds_no_fault(name: str, tmp_path: Path) -> None:
    groups = RULE_FILES[name](LIMITS)
    said = check_rules(tmp_path, name, groups)
    assert f"SUCCESS: {sum(len(group.rules) for group in groups)} rules found" in said


def test_every_series_that_a_rule_reads_under_a_level_is_recorded() -> None:
    rules = [rule for groups in RULE_FILES.values() for group in groups(LIMITS) for rule in group.rules]
    recorded = {rule.name for rule in rules if isinstance(rule, Record)}
    read = {name for rule in rules for name in RECORD_NAME.findall(rule.expression)}
    assert read - recorded == set()


def test_names_of_groups_are_unique() -> None:
    names = Counter(group.name for groups in RULE_FILES.values() for group in groups(LIMITS))
    assert [name for name, times in names.items() if times > 1] == []


def test_the_limit_of_the_latency_objective_is_a_bound_of_the_server() -> None:
    assert LIMITS.latency_p95_ms / 1000 in REQUEST_BUCKETS_SECONDS
    assert LIMITS.latency_p99_ms / 1000 in REQUEST_BUCKETS_SECONDS


@pytest.mark.parametrize(
    "route",
    [
        service.PREDICT_PATH,
        service.OPEN_INFERENCE_PREFIX + "/models/{name}/infer",
        service.OPEN_INFERENCE_PREFIX + "/models/{name}/versions/{version}/infer",
        INFER,
        STREAM_INFER,
    ],
)
def test_a_route_with_predictions_counts(route: str) -> None:
    assert re.fullmatch(PREDICTING, route)


@pytest.mark.parametrize(
    "route",
    [
        service.HEALTH_PATH,
        service.METRICS_PATH,
        service.OPEN_INFERENCE_PREFIX + "/models/{name}/ready",
        service.OPEN_INFERENCE_PREFIX + "/repository/models/{name}/load",
    ],
)
def test_a_route_without_predictions_does_not_count(route: str) -> None:
    assert not re.fullmatch(PREDICTING, route)


def test_burn_rates_are_those_of_the_workbook() -> None:
    assert [(burn.factor, burn.long_seconds, burn.short_seconds, burn.severity) for burn in BURNS] == [
        (14.4, 3600, 300, "critical"),
        (6, 6 * 3600, 1800, "critical"),
        (3, 86_400, 2 * 3600, "warning"),
        (1, 3 * 86_400, 6 * 3600, "warning"),
    ]


def test_runbooks_lie_where_the_argument_says() -> None:
    rendered = manifests(LIMITS, part_of=PART_OF, runbooks="https://git.example.com/serveml/docs/runbooks/")
    urls = {
        rule["annotations"]["runbook_url"]
        for manifest in rendered
        for group in manifest["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert urls == {f"https://git.example.com/serveml/docs/runbooks/{alert.page}.md" for alert in alerts(LIMITS)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"error_percent": 0}, "error_percent is 0: give a share above 0 and below 100"),
        ({"availability_percent": 100}, "availability_percent is 100: give a share above 0 and below 100"),
        ({"requests_min": 0}, "requests_min is 0: give a whole number, 1 or more"),
        ({"latency_p99_ms": 100}, "latency_p99_ms is 100, below latency_p95_ms"),
    ],
)
def test_a_figure_that_makes_no_alert_is_refused(given: dict[str, float], said: str) -> None:
    with pytest.raises(InvalidObservability, match=said):
        Limits(replicas_min=3, **given)  # pyright: ignore[reportArgumentType] one of each kind


def test_an_objective_whose_budget_cannot_burn_fast_is_refused() -> None:
    with pytest.raises(InvalidObservability, match=r"latency_percent is 90: .* give more than 93"):
        objective_groups(Limits(replicas_min=3, latency_percent=90))


@pytest.mark.parametrize("preview", [False, True])
def test_the_component_registers_an_object_for_each_subject(preview: bool) -> None:
    def program() -> None:
        provider = kubernetes.Provider("cluster", kubeconfig="{}")
        first = pulumi.ComponentResource("test:first:First", "first")
        args = RulesArgs(place=place(), provider=provider, cluster=first, after=[first], limits=LIMITS)
        Rules("rules", args)

    graph = graph_of(program, preview=preview)
    found = [node for node in graph.nodes if node.type.endswith(":PrometheusRule")]
    assert {node.inputs["metadata"]["name"] for node in found} == set(RULE_FILES)
    assert {node.inputs["metadata"]["namespace"] for node in found} == {"monitoring"}
    assert {node.inputs["metadata"]["labels"]["app.kubernetes.io/part-of"] for node in found} == {"serveml"}


@pytest.mark.parametrize("manifest", manifests(LIMITS, part_of=PART_OF), ids=lambda one: one["metadata"]["name"])
def test_the_operator_takes_every_object(manifest: Manifest) -> None:
    assert problems(manifest) == []
