"""Whole stacks on mocks: each is built once a worker, and tests of one stack stay on one worker."""

from __future__ import annotations

import functools

import pytest

from components.workload import labels
from localcloud.graph import Graph, Node
from localcloud.program import STACKS, example_overrides, run
from localcloud.synthetic import Synthetic


@functools.cache
def build(stack: str, *overrides: tuple[str, str], preview: bool = False) -> Graph:
    return run(stack, Synthetic(), overrides={**example_overrides(stack), **dict(overrides)}, preview=preview)


@pytest.fixture(params=[pytest.param(stack, marks=pytest.mark.xdist_group(stack)) for stack in STACKS])
def graph(request: pytest.FixtureRequest) -> Graph:
    """Every stack in turn."""
    return build(request.param)


@pytest.fixture
def prod() -> Graph:
    return build("prod")


@pytest.fixture
def dev() -> Graph:
    return build("dev")


def serving_deployments(graph: Graph) -> list[Node]:
    """Those of the inference server, among all that runs in the clusters."""
    return [
        node
        for node in graph.of_type("kubernetes:apps/v1:Deployment")
        if node.inputs["metadata"]["labels"].get(labels.NAME_LABEL) == labels.APPLICATION
    ]
