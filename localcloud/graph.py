"""The resource graph of one run of the program: what was registered, with which inputs and options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SECRET = "[secret]"
"""Stands in the graph for every value that Pulumi marked secret."""

UNKNOWN = "[unknown]"
"""Stands for values that a preview cannot know yet."""


@dataclass(frozen=True)
class Node:
    """One registered resource. `inputs` are in the provider's wire names (camelCase), secrets masked."""

    urn: str
    type: str
    name: str
    custom: bool
    parent: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    id: str
    protect: bool = False
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    deleted_with: str = ""
    provider: str = ""
    aliases: tuple[str, ...] = ()
    ignore_changes: tuple[str, ...] = ()
    delete_before_replace: bool = False
    retain_on_delete: bool = False
    secret_inputs: tuple[str, ...] = ()
    """Top-level inputs in which a secret was masked."""
    registered_outputs: Mapping[str, Any] | None = None
    """What a component registered; None for custom resources and for components that never did."""

    @property
    def is_aws(self) -> bool:
        return self.type.startswith("aws:")

    @property
    def is_kubernetes(self) -> bool:
        return self.type.startswith("kubernetes:")

    @property
    def region(self) -> str | None:
        return self.inputs.get("region")


@dataclass(frozen=True)
class Invoke:
    """One call of a provider function, such as aws:index/getCallerIdentity:getCallerIdentity."""

    token: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class Graph:
    """Everything that one run registered, in order of registration."""

    stack: str
    nodes: tuple[Node, ...]
    invokes: tuple[Invoke, ...]
    exports: Mapping[str, Any]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def of_type(self, type_token: str) -> list[Node]:
        """Nodes of a type, by its whole token (`aws:ec2/vpc:Vpc`) or its last part (`Vpc`)."""
        return [node for node in self.nodes if node.type == type_token or node.type.rsplit(":", 1)[-1] == type_token]

    def one(self, type_token: str, name_part: str = "") -> Node:
        """The single node of a type whose name holds `name_part`; LookupError names what there is otherwise."""
        found = [node for node in self.of_type(type_token) if name_part in node.name]
        if len(found) != 1:
            raise LookupError(
                f"{len(found)} nodes of type {type_token} with {name_part!r} in the name: {[n.name for n in found]}"
            )
        return found[0]

    def by_urn(self) -> dict[str, Node]:
        return {node.urn: node for node in self.nodes}

    def custom(self) -> list[Node]:
        """Custom resources alone: no components, no providers, no stack."""
        return [node for node in self.nodes if node.custom and not node.type.startswith("pulumi:")]

    def components(self) -> list[Node]:
        return [node for node in self.nodes if not node.custom and node.type != "pulumi:pulumi:Stack"]
