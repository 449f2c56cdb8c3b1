"""The canary controller in the cluster: what its pods run with, when they are replaced, and whom they reach."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi_kubernetes as kubernetes
import pytest
from typer.main import get_command

from components.controller import manifests
from components.controller.controller import CanaryController, CanaryControllerArgs
from components.controller.errors import InvalidController
from components.isolation import platform as watching
from components.isolation import table
from components.isolation.flow import application_policies
from components.isolation.platform import Watched
from components.workload.errors import InvalidWorkload
from localcloud.graph import Graph
from ops import platform
from ops.canary.service import Rhythm
from ops.canary.standing import STOP_MARGIN_SECONDS
from ops.commands import canary
from tests.components.observability.schemas import problems
from tests.support.components import graph_of, place

IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/canary-controller@sha256:" + "c" * 64
URL = "http://prometheus.monitoring.svc:9090"
OUTPUTS: dict[str, Any] = {
    "regions": ["eu-west-1"],
    "models_buckets": {"eu-west-1": "models"},
    "staging_buckets": {"eu-west-1": "staging"},
    "deployments_table": "serveml-test-deployments",
    "api_keys_table": "serveml-test-api-keys",
    "alarm_topic": "arn:aws:sns:eu-west-1:123456789012:alarms",
}


def graph(*, outputs: dict[str, Any] = OUTPUTS, **changed: Any) -> Graph:
    def program() -> None:
        stand_in = kubernetes.core.v1.ConfigMap("cluster", metadata={"name": "cluster"})
        given: dict[str, Any] = {"image": IMAGE, "replicas": 2, "zones": 3, "slack_secret": "canary-slack", **changed}
        CanaryController(
            "controller",
            CanaryControllerArgs(
                place=place(),
                provider=kubernetes.Provider("provider", kubeconfig="{}"),
                cluster=stand_in,
                after=[stand_in],
                environment="prod",
                outputs=outputs,
                prometheus_url=URL,
                log_level="info",
                **given,
            ),
        )

    return graph_of(program)


def template(found: Graph) -> dict[str, Any]:
    return found.one("Deployment").inputs["spec"]["template"]


def container(found: Graph) -> dict[str, Any]:
    [only] = template(found)["spec"]["containers"]
    return only


def option(name: str, arguments: list[str]) -> str:
    return arguments[arguments.index(name) + 1]


def test_what_the_pods_are_given_is_what_the_command_reads(tmp_path: Path) -> None:
    found = graph()
    config = found.one("ConfigMap", "outputs").inputs
    path = tmp_path / manifests.OUTPUTS_FILE
    path.write_text(config["data"][manifests.OUTPUTS_FILE])
    read = platform.load("prod", path).outputs
    assert (read.deployments_table, read.alarm_topic) == (OUTPUTS["deployments_table"], OUTPUTS["alarm_topic"])
    arguments = container(found)["args"]
    mounted = {mount["name"]: mount["mountPath"] for mount in container(found)["volumeMounts"]}
    assert option("--outputs", arguments) == f"{mounted['outputs']}/{manifests.OUTPUTS_FILE}"
    assert option("--slack-webhook", arguments) == f"{mounted['slack']}/{manifests.SLACK_KEY}"
    assert (option("--prometheus", arguments), option("--env", arguments)) == (URL, "prod")
    [volume] = [volume for volume in template(found)["spec"]["volumes"] if volume["name"] == "outputs"]
    assert volume["configMap"]["name"] == config["metadata"]["name"]


def test_its_arguments_are_options_that_the_command_knows() -> None:
    command: Any = get_command(canary.app)
    known = {name for option in command.commands["serve"].params for name in option.opts}
    assert {argument for argument in container(graph())["args"] if argument.startswith("--")} <= known


def test_other_outputs_replace_the_pods_and_the_same_ones_do_not() -> None:
    def checksum(outputs: dict[str, Any]) -> Any:
        return template(graph(outputs=outputs))["metadata"]["annotations"]

    assert checksum(OUTPUTS) == checksum(dict(reversed(OUTPUTS.items())))
    assert checksum(OUTPUTS) != checksum({**OUTPUTS, "alarm_topic": None})


def test_a_missing_slack_secret_keeps_no_pod_from_starting() -> None:
    [volume] = [volume for volume in template(graph())["spec"]["volumes"] if volume["name"] == "slack"]
    assert volume["secret"] == {"secretName": "canary-slack", "optional": True}
    without = graph(slack_secret=None)
    assert "--slack-webhook" not in container(without)["args"]
    assert [volume["name"] for volume in template(without)["spec"]["volumes"]] == ["outputs"]


def test_its_pods_may_do_nothing_but_run() -> None:
    found = graph()
    spec, only = template(found)["spec"], container(found)
    assert spec["automountServiceAccountToken"] is False
    assert found.one("ServiceAccount").inputs["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount["readOnly"] for mount in only["volumeMounts"])
    for bound in ("requests", "limits"):
        assert set(only["resources"][bound]) == {"cpu", "memory", "ephemeral-storage"}


def test_they_have_the_time_that_they_take_to_end() -> None:
    given = template(graph())["spec"]["terminationGracePeriodSeconds"]
    assert given > Rhythm().stop_seconds + STOP_MARGIN_SECONDS


def test_replicas_lie_apart_and_only_one_is_taken_away_at_a_time() -> None:
    spread = {rule["topologyKey"] for rule in template(graph())["spec"]["topologySpreadConstraints"]}
    assert spread == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert graph().one("PodDisruptionBudget").inputs["spec"]["maxUnavailable"] == 1
    alone = graph(replicas=1)
    # A budget for one would keep its node from ever being drained.
    assert not [node for node in alone.custom() if node.type.endswith(":PodDisruptionBudget")]
    assert "topologySpreadConstraints" not in template(alone)["spec"]


def test_it_starts_once_account_and_outputs_stand() -> None:
    found = graph()
    waits_for = set(found.one("Deployment").dependencies)
    parts = [found.one("ServiceAccount"), found.one("ConfigMap", "outputs")]
    assert {part.urn for part in parts} <= waits_for


def test_prometheus_finds_its_page_and_its_probes_are_asked_at_the_same_port() -> None:
    found = graph()
    monitor = found.one("ServiceMonitor").inputs
    assert problems(monitor | {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor"}) == []
    service = found.one("kubernetes:core/v1:Service").inputs
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [service["metadata"]["namespace"]]}
    [port] = service["spec"]["ports"]
    assert monitor["spec"]["endpoints"][0]["port"] == port["name"]
    [named] = container(found)["ports"]
    assert (port["targetPort"], named["name"]) == (named["name"], port["name"])
    assert option("--port", container(found)["args"]) == str(named["containerPort"])
    for probe in ("livenessProbe", "readinessProbe"):
        assert container(found)[probe]["httpGet"]["port"] == named["name"]


def test_it_reaches_prometheus_and_aws_and_is_scraped() -> None:
    watched = Watched(
        private_cidrs=["10.0.64.0/20"],
        interface_services=(),
        replicated=True,
        traces=False,
        metrics_adapter=False,
        canary_controller=True,
    )
    policies = application_policies(watching.watching_flows(watched), watching.NAMESPACES)
    ours = [row for row in table.rows(policies) if "monitoring/canary-controller" in (row.source, row.target)]
    assert [row[1:] for row in ours if row.source == "monitoring/canary-controller"] == [
        ("0.0.0.0/0", "443", "TCP"),
        ("169.254.170.23/32", "80", "TCP"),
        ("monitoring/prometheus", "9090", "TCP"),
    ]
    assert [(row.source, row.port) for row in ours if row.target == "monitoring/canary-controller"] == [
        ("monitoring/prometheus", "8080")
    ]


def test_it_lies_apart_from_the_pods_whose_traffic_it_moves() -> None:
    namespaces = {
        node.inputs["metadata"]["namespace"] for node in graph().custom() if node.urn.endswith("controller-deployment")
    }
    assert namespaces == {"monitoring"}


def test_an_image_by_tag_and_no_replicas_are_refused() -> None:
    with pytest.raises(InvalidWorkload, match="not named by digest"):
        graph(image="canary-controller:latest")
    with pytest.raises(InvalidController, match="0 replicas drive no canary: give 1 or more"):
        graph(replicas=0)


def test_outputs_are_json_that_any_order_of_their_making_leaves_the_same() -> None:
    text = graph().one("ConfigMap", "outputs").inputs["data"][manifests.OUTPUTS_FILE]
    assert json.loads(text) == OUTPUTS
