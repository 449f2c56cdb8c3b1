"""How much of a graph's AWS resources is created in moto, and how much is made up, and why."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from rich.table import Table

from localcloud.account import backend as _backend  # noqa: F401  # pyright: ignore[reportUnusedImport] # registers the creators
from localcloud.account.registry import CREATORS
from localcloud.account.synthesised import REASONS
from localcloud.graph import Graph

MOTO = "moto"


@dataclass(frozen=True)
class TypeCoverage:
    """One AWS type of a graph. `reason` says why it is not created in moto; it is empty where it is."""

    type: str
    count: int
    reason: str

    @property
    def created(self) -> bool:
        return not self.reason

    @property
    def how(self) -> str:
        return MOTO if self.created else f"synthesised: {self.reason}"


@dataclass(frozen=True)
class Coverage:
    """The AWS types of a graph, by name."""

    types: tuple[TypeCoverage, ...]

    @property
    def ratio(self) -> float:
        """Share of the types that are created in moto, from 0 to 1; 1 where there is no AWS type."""
        return _share(sum(item.created for item in self.types), len(self.types))

    @property
    def resource_ratio(self) -> float:
        """Share of the resources, from 0 to 1."""
        created = sum(item.count for item in self.types if item.created)
        return _share(created, sum(item.count for item in self.types))

    def as_json(self) -> str:
        document = {
            "ratio": round(self.ratio, 4),
            "resource_ratio": round(self.resource_ratio, 4),
            "types": [{"type": item.type, "count": item.count, "how": item.how} for item in self.types],
        }
        return json.dumps(document, indent=2)

    def as_table(self) -> Table:
        table = Table(
            title="AWS resources of the local account",
            caption=f"{self.ratio:.0%} of the types and {self.resource_ratio:.0%} of the resources are created in moto",
        )
        table.add_column("type", no_wrap=True)
        table.add_column("count", justify="right")
        table.add_column("how")
        for item in self.types:
            style = None if item.created else "yellow"
            table.add_row(_short(item.type), str(item.count), item.how, style=style)
        return table


def coverage_of(graph: Graph) -> Coverage:
    """Count the AWS types of a graph; LookupError names a type that is neither created nor excused."""
    counts = Counter(node.type for node in graph.custom() if node.is_aws)
    return Coverage(tuple(TypeCoverage(token, count, _reason(token)) for token, count in sorted(counts.items())))


def _short(token: str) -> str:
    """`aws:ec2/vpc:Vpc` as the SDK writes it: `ec2.Vpc`."""
    _, module, kind = token.split(":")
    return f"{module.split('/')[0]}.{kind}"


def _reason(token: str) -> str:
    if token in CREATORS:
        return ""
    if token not in REASONS:
        raise LookupError(f"{token} has no creator and no reason: add one of them under localcloud/account/")
    return REASONS[token]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
