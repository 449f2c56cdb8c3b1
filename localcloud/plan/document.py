"""A graph as documents that read well in a review: resources in a stable order, Kubernetes objects as manifests."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import yaml

from localcloud.graph import Graph, Node

RESOURCES_FILE = "resources.json"
MANIFESTS_FILE = "manifests.yaml"
COUNTS_FILE = "counts.txt"

Resource = dict[str, Any]


def resources(graph: Graph) -> dict[str, Resource]:
    """Every resource but Kubernetes objects by its URN without stack and project, sorted: type, options, inputs."""
    return dict(sorted((_key(node), _resource(node)) for node in graph if not node.is_kubernetes))


def manifests(graph: Graph) -> dict[str, Resource]:
    """Every Kubernetes object by URN without stack and project, as kubectl would take it.

    Two regions hold objects of the same kind and name; the key tells them apart.
    """
    return {_key(node): _manifest(node) for node in sorted(graph, key=_key) if node.is_kubernetes}


def files(graph: Graph) -> dict[str, str]:
    """File name to text for one stack."""
    documents = manifests(graph)
    return {
        RESOURCES_FILE: json.dumps(resources(graph), indent=1, sort_keys=True) + "\n",
        MANIFESTS_FILE: "".join(
            f"---\n# {key}\n{yaml.safe_dump(document, sort_keys=True, width=120)}"
            for key, document in documents.items()
        ),
        COUNTS_FILE: counts(graph),
    }


def counts(graph: Graph) -> str:
    """Resource types and how many of each, most first within a provider."""
    tally = Counter(node.type for node in graph.custom())
    lines = [f"{sum(tally.values())} resources of {len(tally)} types"]
    lines += [f"{count:5} {kind}" for kind, count in sorted(tally.items())]
    return "\n".join(lines) + "\n"


def read_resources(text: str) -> dict[str, Resource]:
    return cast(dict[str, Resource], json.loads(text))


def read_manifests(text: str) -> dict[str, Resource]:
    """The inverse of what `files` writes: each document under the key in its comment."""
    found: dict[str, Resource] = {}
    for part in text.split("---\n# ")[1:]:
        key, _, body = part.partition("\n")
        found[key] = cast(Resource, yaml.safe_load(body))
    return found


def _key(node: Node) -> str:
    return node.urn.split("::", 2)[2]


def _short(urn: str) -> str:
    return urn.split("::", 2)[2] if urn.count("::") >= 2 else urn


def _resource(node: Node) -> Resource:
    options: dict[str, Any] = {
        "protect": node.protect,
        "deletedWith": _short(node.deleted_with),
        "ignoreChanges": list(node.ignore_changes),
        "deleteBeforeReplace": node.delete_before_replace,
        "retainOnDelete": node.retain_on_delete,
    }
    entry: Resource = {"type": node.type, "inputs": _decoded(node.inputs)}
    chosen = {key: value for key, value in options.items() if value}
    return {**entry, "options": chosen} if chosen else entry


def _manifest(node: Node) -> Resource:
    manifest = {key: value for key, value in node.inputs.items() if value is not None}
    return _defined(manifest) if manifest.get("kind") == "CustomResourceDefinition" else manifest


def _defined(definition: Resource) -> Resource:
    """A definition with the hash of its schemas in their place: they are vendored files, seen as such in a review."""
    spec = cast(dict[str, Any], definition["spec"])
    schemas = json.dumps(spec["versions"], sort_keys=True).encode()
    versions = [version["name"] for version in spec["versions"]]
    return {
        **definition,
        "spec": {**spec, "versions": versions, "versionsSha256": hashlib.sha256(schemas).hexdigest()},
    }


def _decoded(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with JSON text (policies) as structure, so that a changed statement shows as that, not as a long line."""
    return {key: _decode(value) for key, value in inputs.items()}


def _decode(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("{"):
        try:
            return {"(json)": json.loads(value)}
        except ValueError:
            return value
    if isinstance(value, dict):
        return {key: _decode(item) for key, item in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_decode(item) for item in cast(list[Any], value)]
    return value
