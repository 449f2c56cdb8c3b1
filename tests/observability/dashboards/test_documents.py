"""The dashboards' files: up to date, readable by Grafana, and tied to the alerts and limits that they speak of."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from components.observability.dashboards.catalogue import DASHBOARDS, EXAMPLE, FOLDER, files
from components.observability.dashboards.panel import COLUMNS, Wanted
from components.observability.rules import alerts
from components.observability.rules.rule import RUNBOOKS
from components.observability.state_metrics import READ
from components.observability.token_scrapes import CONTAINER_SERIES, KUBELET_SERIES, NODE_SERIES, POD_SERIES

ROOT = Path(__file__).parents[3]
FILES = files(EXAMPLE)
DOCUMENTS: dict[str, Any] = {name: json.loads(content) for name, content in FILES.items()}
PANELS = [
    pytest.param(document, panel, id=f"{name}: {panel['title']}")
    for name, document in DOCUMENTS.items()
    for panel in document["panels"]
    if panel["type"] != "row"
]
# The JSON of a ConfigMap has to leave room for the rest of it: etcd takes 1.5 MiB, the API server 1 MiB of data.
MOST_BYTES = 512 * 1024


def test_the_files_in_the_repository_are_what_is_generated() -> None:
    there = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert there == FILES, "run python -m components.observability.dashboards"


def test_the_same_figures_give_the_same_bytes() -> None:
    assert files(replace(EXAMPLE)) == FILES


def test_each_dashboard_can_be_told_from_the_others() -> None:
    assert [document["title"] for document in DOCUMENTS.values()] == [
        "API Overview",
        "Infrastructure",
        "ML Metrics",
        "SLO",
    ]
    assert len({document["uid"] for document in DOCUMENTS.values()}) == len(DOCUMENTS)
    assert all(re.fullmatch(r"[a-z-]{8,40}", document["uid"]) for document in DOCUMENTS.values())


@pytest.mark.parametrize("name", FILES)
def test_a_dashboard_fits_into_a_config_map(name: str) -> None:
    assert len(FILES[name].encode()) < MOST_BYTES


@pytest.mark.parametrize("name", DOCUMENTS)
def test_panels_have_numbers_and_places_of_their_own(name: str) -> None:
    panels = DOCUMENTS[name]["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in panels)
    ]
    assert all(not one & other for one, other in combinations(cells, 2))
    assert all(x < COLUMNS for found in cells for x, _ in found)


@pytest.mark.parametrize(("document", "panel"), PANELS)
def test_a_panel_says_what_it_shows_in_which_unit(document: Any, panel: Any) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    assert [target["refId"] for target in panel["targets"]] == ["A", "B", "C", "D", "E", "F", "G"][
        : len(panel["targets"])
    ]
    if len(panel["targets"]) > 1:
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert all(legends)
        assert len(set(legends)) == len(legends)


@pytest.mark.parametrize(("document", "panel"), PANELS)
def test_a_panel_asks_the_region_that_was_chosen_by_choices_that_there_are(document: Any, panel: Any) -> None:
    chosen = {variable["name"] for variable in document["templating"]["list"]}
    assert {"datasource", "runbooks"} <= chosen
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert set(re.findall(r"\$([a-z_]+)", target["expr"])) <= chosen


def test_models_and_versions_namespaces_and_deployments_can_be_chosen() -> None:
    chosen = {
        name: [variable["name"] for variable in document["templating"]["list"]] for name, document in DOCUMENTS.items()
    }
    assert chosen["ml-metrics.json"] == ["datasource", "model", "version", "runbooks"]
    assert chosen["infrastructure.json"] == ["datasource", "namespace", "deployment", "runbooks"]


def links(document: Any) -> list[str]:
    return [link["url"] for panel in document["panels"] for link in panel.get("links", [])]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_runbooks_that_there_are(name: str) -> None:
    found = links(DOCUMENTS[name])
    assert found
    for url in found:
        assert (ROOT / url.replace("${runbooks}", RUNBOOKS)).is_file(), url


def test_alerts_on_requests_models_and_pods_are_linked_from_where_they_show() -> None:
    linked = {url for document in DOCUMENTS.values() for url in links(document)}
    prefixes = ("Inference", "Model", "Availability", "Latency", "Container", "Node", "Autoscaler", "Quota", "Volume")
    pages = {alert.page for alert in alerts(EXAMPLE.limits) if alert.name.startswith(prefixes)}
    missing = {page for page in pages if f"${{runbooks}}/{page}.md" not in linked}
    # A pod that has no room for another label set has no figure that would show it.
    assert missing == {"inference-metrics-overflow"}


def test_lines_and_colours_follow_the_limits_of_the_alerts() -> None:
    stricter = Wanted(
        limits=replace(EXAMPLE.limits, latency_p95_ms=250, error_percent=0.5, replicas_min=7),
        runbooks="https://example.com/pages",
    )
    document = json.loads(files(stricter)["api-overview.json"])
    steps = {
        panel["title"]: [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]]
        for panel in document["panels"]
        if "thresholds" in panel.get("fieldConfig", {}).get("defaults", {})
    }
    assert steps["95th percentile"] == steps["Percentiles"] == [None, 0.25]
    assert steps["Failed"] == [None, 0.005]
    assert steps["Pods that answer Prometheus"] == [None, 7]


def test_the_address_of_the_runbooks_is_given_once() -> None:
    moved = files(Wanted(limits=EXAMPLE.limits, runbooks="https://example.com/pages/"))
    for content in moved.values():
        assert content.count("example.com") == 1
        constants = [v for v in json.loads(content)["templating"]["list"] if v["type"] == "constant"]
        assert [constant["query"] for constant in constants] == ["https://example.com/pages"]


def test_colours_of_burn_rates_are_those_of_the_alerts_severity() -> None:
    [panel] = [p for p in DOCUMENTS["slo.json"]["panels"] if p["title"] == "Burn rate of the availability budget"]
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [(step["value"], step["color"]) for step in steps] == [
        (None, "green"),
        (1, "yellow"),
        (3, "yellow"),
        (6, "red"),
        (14.4, "red"),
    ]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_what_is_shown_in_one_table_is_merged_into_one(name: str) -> None:
    for panel in DOCUMENTS[f"{name}.json"]["panels"]:
        if panel["type"] == "table":
            kinds = [transformation["id"] for transformation in panel["transformations"]]
            assert kinds == (["merge", "organize"] if len(panel["targets"]) > 1 else ["organize"])
            renamed = panel["transformations"][-1]["options"]["renameByName"]
            assert list(renamed.values()) == [target["legendFormat"] for target in panel["targets"]]
            assert all(target["instant"] and target["format"] == "table" for target in panel["targets"])


def asked(prefix: str) -> set[str]:
    """Series whose names begin so, of all dashboards."""
    text = " ".join(target["expr"] for d in DOCUMENTS.values() for p in d["panels"] for target in p.get("targets", []))
    return set(re.findall(rf"(?<![a-z_:]){prefix}[a-z_]+(?=[{{)])", text))


def test_series_of_containers_and_volumes_are_among_those_that_are_kept() -> None:
    kept = {*CONTAINER_SERIES, *POD_SERIES, *NODE_SERIES}
    found = asked("container_") | asked("machine_")
    assert len(found) > 8
    assert found <= kept
    assert asked("kubelet_")
    assert asked("kubelet_") <= set(KUBELET_SERIES)


def test_objects_of_the_cluster_are_of_kinds_that_are_told_of() -> None:
    told = {kind.removesuffix("s") for kinds in READ.values() for kind in kinds}
    found = {name.split("_")[1] for name in asked("kube_")}
    assert found == {"deployment", "horizontalpodautoscaler", "node", "pod", "resourcequota"}
    assert found <= told


def test_a_budget_that_is_overspent_is_shown_below_zero() -> None:
    [panel] = [panel for panel in DOCUMENTS["slo.json"]["panels"] if panel["title"] == "Budgets left"]
    assert "min" not in panel["fieldConfig"]["defaults"]
