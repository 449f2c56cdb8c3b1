"""What the infrastructure hands the container is what the container takes."""

from __future__ import annotations

from contract import service
from localcloud.graph import Graph
from serving import settings as container
from serving.access import settings as container_access
from serving.reader import Reader
from tests.stacks.conftest import serving_deployments


def test_the_container_starts_with_the_variables_of_every_stacks_config_map(graph: Graph) -> None:
    config_maps = [
        node
        for node in graph.of_type("kubernetes:core/v1:ConfigMap")
        if service.ENV_MODELS_BUCKET in node.inputs["data"]
    ]
    assert len(config_maps) == len(graph.exports["regions"])
    for node in config_maps:
        loaded = container.load(node.inputs["data"])
        assert loaded.models_bucket == graph.exports["models_buckets"][_region(node.inputs["data"])]
        assert [model.version for model in loaded.models] == [None]
        assert loaded.environment == graph.stack


def test_the_container_asks_every_caller_for_a_key_of_the_stacks_table(graph: Graph) -> None:
    for node in graph.of_type("kubernetes:core/v1:ConfigMap"):
        if service.ENV_AUTHENTICATION in node.inputs["data"]:
            reader = Reader(node.inputs["data"])
            loaded = container_access.read(reader)
            assert not reader.faults
            assert loaded.authentication
            assert loaded.keys_table == graph.exports["api_keys_table"]
            assert loaded.requests_per_minute == 100


def test_every_variable_of_the_config_map_is_one_that_the_contract_names(graph: Graph) -> None:
    named = {value for key, value in vars(service).items() if key.startswith("ENV_") and key != "ENV_PREFIX"}
    for node in graph.of_type("kubernetes:core/v1:ConfigMap"):
        given = {key for key in node.inputs["data"] if key.startswith(service.ENV_PREFIX)}
        assert given <= named, f"{node.urn} sets {sorted(given - named)}, which the container does not read"


def test_pods_answer_on_the_ports_that_the_load_balancer_asks(graph: Graph) -> None:
    groups = graph.of_type("aws:lb/targetGroup:TargetGroup")
    deployment = serving_deployments(graph)[0]
    (container_spec,) = deployment.inputs["spec"]["template"]["spec"]["containers"]
    open_ports = {port["containerPort"] for port in container_spec["ports"]}
    for group in groups:
        assert group.inputs["port"] in open_ports
        assert int(group.inputs["healthCheck"]["port"]) in open_ports
        assert group.inputs["healthCheck"]["path"] == service.HEALTH_PATH


def test_kubelet_asks_at_the_paths_that_the_container_keeps_for_it(graph: Graph) -> None:
    for node in serving_deployments(graph):
        (spec,) = node.inputs["spec"]["template"]["spec"]["containers"]
        asked = {name: spec[name]["httpGet"]["path"] for name in spec if name.endswith("Probe")}
        assert asked == {
            "startupProbe": service.STARTUP_PATH,
            "livenessProbe": service.LIVE_PATH,
            "readinessProbe": service.READY_PATH,
        }


def _region(data: dict[str, str]) -> str:
    return data["AWS_DEFAULT_REGION"]
