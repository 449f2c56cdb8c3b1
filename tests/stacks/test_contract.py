"""What the infrastructure hands the container is what the container takes."""

from __future__ import annotations

from contract import service
from localcloud.graph import Graph
from serving import settings as container


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


def test_every_variable_of_the_config_map_is_one_that_the_contract_names(graph: Graph) -> None:
    named = {value for key, value in vars(service).items() if key.startswith("ENV_") and key != "ENV_PREFIX"}
    for node in graph.of_type("kubernetes:core/v1:ConfigMap"):
        given = {key for key in node.inputs["data"] if key.startswith(service.ENV_PREFIX)}
        assert given <= named, f"{node.urn} sets {sorted(given - named)}, which the container does not read"


def test_pods_answer_on_the_ports_that_the_load_balancer_asks(graph: Graph) -> None:
    groups = graph.of_type("aws:lb/targetGroup:TargetGroup")
    deployment = graph.of_type("kubernetes:apps/v1:Deployment")[0]
    (container_spec,) = deployment.inputs["spec"]["template"]["spec"]["containers"]
    open_ports = {port["containerPort"] for port in container_spec["ports"]}
    for group in groups:
        assert group.inputs["port"] in open_ports
        assert int(group.inputs["healthCheck"]["port"]) in open_ports
        assert group.inputs["healthCheck"]["path"] == service.HEALTH_PATH


def _region(data: dict[str, str]) -> str:
    return data["AWS_DEFAULT_REGION"]
