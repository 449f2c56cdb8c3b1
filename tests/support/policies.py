"""Finds the policy documents in a graph, wherever a resource carries one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from localcloud.graph import Graph, Node

_INPUTS = ("policy", "assumeRolePolicy", "policyDocument")


def documents(graph: Graph) -> Iterator[tuple[Node, str, dict[str, Any]]]:
    """Each policy document of the graph: the resource, the input that holds it, and the document."""
    for node in graph.custom():
        if not node.is_aws:
            continue
        for key in _INPUTS:
            value = node.inputs.get(key)
            if isinstance(value, str) and value.startswith("{"):
                document = json.loads(value)
                if "Statement" in document:
                    yield node, key, document


def statements(graph: Graph) -> Iterator[tuple[Node, str, dict[str, Any]]]:
    """Each statement of each policy document."""
    for node, key, document in documents(graph):
        for statement in document["Statement"]:
            yield node, key, statement


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
