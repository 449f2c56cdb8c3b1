"""Whole stacks on mocks: each is built once a worker, and tests of one stack stay on one worker."""

from __future__ import annotations

import functools

import pytest

from localcloud.graph import Graph
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
