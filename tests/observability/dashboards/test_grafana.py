"""Grafana: what its pod may do, what it is told, and that it keeps nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.observability import grafana, names
from components.observability.dashboards.catalogue import DASHBOARDS, EXAMPLE
from components.observability.monitors import TARGETS
from components.workload.labels import Manifest
from localcloud.graph import Graph
from tests.support.components import graph_of, place

REGION = "eu-west-1"
MANIFESTS = grafana.manifests(REGION, EXAMPLE)
POD = MANIFESTS[-1]["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
MIB = 1024**2


@cache
def registered(*, preview: bool = False) -> Graph:
    def stand_in(name: str) -> pulumi.Resource:
        return kubernetes.core.v1.ConfigMap(name, metadata={"name": name})

    def program() -> None:
        grafana.Grafana(
            "grafana",
            grafana.GrafanaArgs(
                place=place(),
                provider=kubernetes.Provider("provider", kubeconfig="{}"),
                cluster=stand_in("cluster"),
                after=[stand_in("prepared")],
                dashboards=EXAMPLE,
            ),
        )

    return graph_of(program, preview=preview)


def one(kind: str, name: str = names.GRAFANA) -> Manifest:
    [found] = [each for each in MANIFESTS if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def volume(name: str) -> Any:
    [found] = [each for each in POD["volumes"] if each["name"] == name]
    return found


def mount(name: str) -> Any:
    [found] = [each for each in CONTAINER["volumeMounts"] if each["name"] == name]
    return found


def setting(name: str) -> str:
    [found] = [each["value"] for each in CONTAINER["env"] if each["name"] == name]
    return found


def mebibytes(text: str) -> int:
    number, unit = text[:-2], text[-2:]
    return int(number) * {"Mi": 1, "Gi": 1024}[unit]


def test_everything_is_registered_after_what_it_needs_and_goes_with_the_cluster() -> None:
    nodes = [node for node in registered().custom() if node.parent.endswith("::grafana")]
    assert sorted(node.type.rpartition(":")[2] for node in nodes) == sorted(each["kind"] for each in MANIFESTS)
    deployment = next(node for node in nodes if node.type.endswith(":Deployment"))
    waits = {urn.rpartition("::")[2] for urn in deployment.dependencies}
    assert waits >= {node.name for node in nodes if node.type.endswith(":ConfigMap")}
    for node in nodes:
        assert "prepared" in {urn.rpartition("::")[2] for urn in node.dependencies}
        assert node.deleted_with.endswith("::cluster")
        assert node.inputs["metadata"]["namespace"] == "monitoring"


def test_an_update_and_a_preview_register_the_same() -> None:
    assert sorted(node.urn for node in registered()) == sorted(node.urn for node in registered(preview=True))


def test_it_says_where_it_answers() -> None:
    [component] = [node for node in registered() if node.type == "serveml:observability:Grafana"]
    assert component.registered_outputs == {"url": "http://grafana.monitoring.svc:3000"}


def test_its_pod_is_as_the_restricted_standard_wants_it_and_holds_no_token() -> None:
    assert POD["securityContext"]["runAsNonRoot"]
    assert POD["securityContext"]["runAsUser"] > 0
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False
    assert one("ServiceAccount")["automountServiceAccountToken"] is False
    assert not [each for each in MANIFESTS if each["kind"].endswith("Role") or each["kind"].endswith("Binding")]
    assert "@sha256:" in CONTAINER["image"]


def test_it_keeps_nothing_and_may_write_only_what_goes_with_the_pod() -> None:
    assert not [each for each in MANIFESTS if each["kind"] in ("PersistentVolumeClaim", "StatefulSet")]
    writable = [each["name"] for each in CONTAINER["volumeMounts"] if not each["readOnly"]]
    assert writable == ["data", "tmp"]
    assert all("sizeLimit" in volume(name)["emptyDir"] for name in writable)
    written = sum(mebibytes(volume(name)["emptyDir"]["sizeLimit"]) for name in writable)
    assert written < mebibytes(CONTAINER["resources"]["limits"]["ephemeral-storage"])


def test_the_password_is_a_file_from_the_secret_and_no_variable() -> None:
    given = volume("admin")["secret"]
    assert given == {"secretName": "grafana-admin", "items": [{"key": "password", "path": "password"}]}
    assert setting("GF_SECURITY_ADMIN_PASSWORD__FILE") == f"{mount('admin')['mountPath']}/password"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in [each["name"] for each in CONTAINER["env"]]


def test_nobody_comes_in_unnamed_or_by_a_door_of_their_own() -> None:
    assert setting("GF_AUTH_ANONYMOUS_ENABLED") == "false"
    assert setting("GF_USERS_ALLOW_SIGN_UP") == "false"
    assert setting("GF_SECURITY_COOKIE_SECURE") == "true"
    assert one("Service")["spec"]["type"] == "ClusterIP"
    assert not [each for each in MANIFESTS if each["kind"] == "Ingress"]


def test_nothing_is_asked_of_the_outside() -> None:
    for name in (
        "GF_ANALYTICS_REPORTING_ENABLED",
        "GF_ANALYTICS_CHECK_FOR_UPDATES",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES",
        "GF_NEWS_NEWS_FEED_ENABLED",
        "GF_PLUGINS_PREINSTALL_AUTO_UPDATE",
        "GF_SNAPSHOTS_EXTERNAL_ENABLED",
    ):
        assert setting(name) == "false"
    assert setting("GF_PLUGINS_PREINSTALL_DISABLED") == "true"
    assert setting("GF_SECURITY_DISABLE_GRAVATAR") == "true"


def test_alerting_is_left_to_those_who_do_it() -> None:
    assert setting("GF_UNIFIED_ALERTING_ENABLED") == "false"


def test_every_setting_is_text_as_the_api_server_wants_it() -> None:
    assert all(isinstance(value, str) and name.startswith("GF_") for name, value in grafana.SETTINGS.items())


def test_data_sources_are_the_clusters_own_and_prometheus_is_called_by_its_region() -> None:
    data = one("ConfigMap", "grafana-provisioning")["data"]
    sources = {each["type"]: each for each in json.loads(data["datasources.yaml"])["datasources"]}
    assert sources["prometheus"]["name"] == REGION
    assert sources["prometheus"]["url"] == "http://prometheus.monitoring.svc:9090"
    assert sources["prometheus"]["isDefault"] is True
    assert sources["prometheus"]["jsonData"]["timeInterval"] == "15s"
    assert sources["alertmanager"]["url"] == "http://alertmanager.monitoring.svc:9093"
    assert not any(each["editable"] for each in sources.values())


def test_every_dashboard_is_a_config_map_of_its_own_in_the_folder_that_is_read() -> None:
    maps = [each["configMap"]["name"] for each in volume("dashboards")["projected"]["sources"]]
    assert maps == [f"grafana-{name}" for name in DASHBOARDS]
    assert [list(one("ConfigMap", name)["data"]) for name in maps] == [[f"{name}.json"] for name in DASHBOARDS]
    assert all(len(json.dumps(one("ConfigMap", name))) < MIB for name in maps)
    [provider] = json.loads(one("ConfigMap", "grafana-provisioning")["data"]["dashboards.yaml"])["providers"]
    assert provider["options"]["path"] == mount("dashboards")["mountPath"]
    assert provider["allowUiUpdates"] is False
    home = setting("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH")
    assert home == f"{mount('dashboards')['mountPath']}/api-overview.json"


def checksum(manifests: list[Manifest]) -> str:
    return manifests[-1]["spec"]["template"]["metadata"]["annotations"][grafana.CHECKSUM_ANNOTATION]


def test_the_pod_is_replaced_when_a_dashboard_or_a_data_source_changes() -> None:
    stricter = replace(EXAMPLE, limits=replace(EXAMPLE.limits, latency_p95_ms=250))
    found = [
        checksum(grafana.manifests(REGION, EXAMPLE)),
        checksum(grafana.manifests(REGION, stricter)),
        checksum(grafana.manifests("us-east-1", EXAMPLE)),
    ]
    assert len(set(found)) == len(found)
    assert checksum(grafana.manifests(REGION, replace(EXAMPLE))) == found[0]


def test_it_is_reached_and_scraped_at_the_port_that_it_listens_on() -> None:
    [port] = CONTAINER["ports"]
    assert port["containerPort"] == 3000
    assert one("Service")["spec"]["ports"][0]["targetPort"] == port["name"]
    [target] = [target for target in TARGETS if target.application == names.GRAFANA]
    assert target.port == port["name"]


def test_probes_ask_for_its_health() -> None:
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert CONTAINER[probe]["httpGet"]["path"] == "/api/health"
