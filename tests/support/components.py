"""Runs a single component on mocks and returns its graph."""

from __future__ import annotations

from collections.abc import Callable

from components.base import Place
from infra.naming import Names
from localcloud.graph import Graph
from localcloud.recorder import record
from localcloud.synthetic import Synthetic

TAGS = {"Environment": "test", "Project": "serveml", "CostCenter": "ml", "Owner": "team", "AutoShutdown": "false"}


def place(region: str = "eu-west-1", *, protect: bool = False, environment: str = "test") -> Place:
    return Place(names=Names("serveml", environment, region), region=region, tags=TAGS, protect=protect)


def graph_of(program: Callable[[], object], *, preview: bool = False) -> Graph:
    return record(program, Synthetic(), preview=preview)
