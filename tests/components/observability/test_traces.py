"""The collector takes what the serving pods are told to send, and hands it to X-Ray with one right."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
import yaml

from components.observability import collector, traces
from components.observability.errors import InvalidObservability
from components.observability.tracing import Tracing, TracingArgs
from components.workload.labels import Manifest
from contract import service
from localcloud.graph import Graph, Node
from serving.reader import Reader
from serving.tracing import settings as serving_settings
from tests.support.components import graph_of, place

GROUP = "/serveml/test/cluster/application"
FULL = traces.Collector(replicas=2, zones=3, region="eu-west-1", log_group=GROUP)
BASIC = traces.Collector(replicas=1, zones=1, region="eu-west-1", log_group=GROUP)
PROGRAM = shutil.which("otelcol-contrib")


def one(kind: str, args: traces.Collector = FULL) -> Manifest:
    [found] = [each for each in traces.manifests(args) if each["kind"] == kind]
    return found


def configuration() -> dict[str, Any]:
    return yaml.safe_load(one("ConfigMap")["data"]["collector.yaml"])


@cache
def tracing(*, preview: bool = False) -> Graph:
    def stand_in(name: str) -> pulumi.Resource:
        return kubernetes.core.v1.ConfigMap(name, metadata={"name": name})

    def program() -> None:
        Tracing(
            "traces",
            TracingArgs(
                place=place(),
                provider=kubernetes.Provider("provider", kubeconfig="{}"),
                cluster=stand_in("cluster"),
                after=[stand_in("prepared")],
                replicas=2,
                zones=3,
                log_group_name=GROUP,
            ),
        )

    return graph_of(program, preview=preview)


def before(node: Node) -> set[str]:
    return {urn.rpartition("::")[2] for urn in node.dependencies}


def test_its_pods_may_write_segments_and_nothing_else() -> None:
    assert [statement["Action"] for statement in traces.statements()] == [["xray:PutTraceSegments"]]


@pytest.mark.parametrize(("percent", "ratio"), [(1, 0.01), (10, 0.1), (100, 1.0)])
def test_the_serving_pods_understand_what_they_are_told(percent: int, ratio: float) -> None:
    reader = Reader(traces.variables(percent))
    told = serving_settings.read(reader)
    assert not reader.faults
    assert told is not None
    assert told.endpoint == "http://otel-collector.monitoring.svc:4318/v1/traces"
    assert told.sampling.ratio == pytest.approx(ratio)
    assert not told.sampling.parent_based


@pytest.mark.parametrize("percent", [0, -1, 101])
def test_a_share_that_is_none_is_refused(percent: int) -> None:
    with pytest.raises(InvalidObservability, match="give 1 to 100"):
        traces.variables(percent)


def test_every_port_that_is_listened_on_is_one_of_the_container_s() -> None:
    told = configuration()
    listened = {
        told["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"],
        told["receivers"]["otlp"]["protocols"]["http"]["endpoint"],
        told["extensions"]["health_check"]["endpoint"],
    }
    exporter = told["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    listened.add(f"{exporter['host']}:{exporter['port']}")
    [container] = one("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert listened == {f"0.0.0.0:{port}" for port in ports.values()}
    assert ports["metrics"] == 8888
    served = {port["name"]: port["port"] for port in one("Service")["spec"]["ports"]}
    assert served == {name: port for name, port in ports.items() if name != "health"}


def test_it_refuses_before_it_runs_out_of_memory_and_batches_last() -> None:
    assert configuration()["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "batch"]


def test_a_trace_leads_to_the_logs() -> None:
    assert configuration()["exporters"]["awsxray"] == {"region": "eu-west-1", "aws_log_groups": [GROUP]}


def test_one_of_two_may_be_missing_at_a_time_and_a_single_one_can_be_drained() -> None:
    assert one("PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert "PodDisruptionBudget" not in {each["kind"] for each in traces.manifests(BASIC)}
    assert one("Deployment")["spec"]["replicas"] == 2


def test_its_pods_get_no_token_and_write_nowhere() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    [container] = pod["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert "@sha256:" in container["image"]
    assert [mount["readOnly"] for mount in container["volumeMounts"]] == [True]


def test_a_changed_configuration_replaces_the_pods() -> None:
    other = traces.Collector(replicas=2, zones=3, region="eu-west-1", log_group="/another")

    def annotations(args: traces.Collector) -> dict[str, str]:
        return one("Deployment", args)["spec"]["template"]["metadata"]["annotations"]

    assert annotations(FULL) != annotations(other)


@pytest.mark.parametrize("wrong", [{"replicas": 0}, {"zones": 0}])
def test_a_collector_of_none_is_refused(wrong: dict[str, int]) -> None:
    given: dict[str, Any] = {"replicas": 1, "zones": 1, "region": "eu-west-1", "log_group": GROUP, **wrong}
    with pytest.raises(InvalidObservability, match="1 or more"):
        traces.Collector(**given)


def test_the_component_registers_its_objects_in_order_and_with_the_cluster() -> None:
    objects = [node for node in tracing().custom() if node.parent.endswith("::traces")]
    assert len(objects) == 5
    for node in objects:
        assert "prepared" in before(node)
        assert node.deleted_with.endswith("::cluster")
    [pods] = [node for node in objects if node.type.endswith(":Deployment")]
    assert {"traces-configmap", "traces-serviceaccount"} <= before(pods)
    [component] = [node for node in tracing() if node.type == "serveml:observability:Tracing"]
    assert component.registered_outputs == {
        "endpoint": traces.variables(10)[service.ENV_OTLP_ENDPOINT],
    }
    assert sorted(node.urn for node in tracing()) == sorted(node.urn for node in tracing(preview=True))


@pytest.mark.skipif(PROGRAM is None, reason="needs otelcol-contrib 0.160 on the PATH")
def test_the_collector_itself_finds_nothing_wrong_with_it(tmp_path: Path) -> None:
    assert PROGRAM
    file = tmp_path / "collector.yaml"
    file.write_text(yaml.safe_dump(collector.configuration(region="eu-west-1", log_groups=[GROUP])))
    command = [PROGRAM, "validate", f"--config={file}"]
    checked = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=30, check=False)
    assert checked.returncode == 0, checked.stderr
