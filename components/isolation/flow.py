"""Connections that pods may open, and the NetworkPolicies that allow them at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from components.workload import labels
from components.workload.labels import Manifest

Protocol = Literal["TCP", "UDP"]
PolicyType = Literal["Ingress", "Egress"]


@dataclass(frozen=True, kw_only=True)
class Pods:
    """The pods of an application, or all of a namespace."""

    namespace: str
    application: str | None = None
    """None for every pod of the namespace."""

    @property
    def selector(self) -> dict[str, str]:
        return {labels.NAME_LABEL: self.application} if self.application else {}


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """What no selector finds: nodes, the control plane, AWS."""

    cidrs: Sequence[str]


End = Pods | Addresses


class Port(NamedTuple):
    number: int
    protocol: Protocol = "TCP"


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Who opens connections to whom, on which ports of the target's pods (not of a Service before them)."""

    source: End
    target: End
    ports: Sequence[Port]


def application_policies(flows: Sequence[Flow], namespaces: Sequence[str]) -> list[Manifest]:
    """For each application of `namespaces` the policy with all that it may do; ends elsewhere are left to others."""
    found: dict[tuple[str, str], dict[PolicyType, list[Manifest]]] = {}
    for flow in flows:
        ends: tuple[tuple[End, PolicyType, Manifest], ...] = (
            (flow.source, "Egress", egress_rule(flow)),
            (flow.target, "Ingress", ingress_rule(flow)),
        )
        for end, kind, rule in ends:
            if isinstance(end, Pods) and end.application and end.namespace in namespaces:
                found.setdefault((end.namespace, end.application), {}).setdefault(kind, []).append(rule)
    return [
        policy(
            application,
            Pods(namespace=namespace, application=application),
            ingress=rules.get("Ingress", ()),
            egress=rules.get("Egress", ()),
        )
        for (namespace, application), rules in sorted(found.items(), key=lambda item: item[0])
    ]


def ingress_rule(flow: Flow) -> Manifest:
    return {"from": _peers(flow.source, _namespace_of(flow.target)), "ports": _ports(flow)}


def egress_rule(flow: Flow) -> Manifest:
    return {"to": _peers(flow.target, _namespace_of(flow.source)), "ports": _ports(flow)}


def policy(
    name: str,
    pods: Pods,
    *,
    ingress: Sequence[Manifest] = (),
    egress: Sequence[Manifest] = (),
    types: Sequence[PolicyType] | None = None,
) -> Manifest:
    """A policy of pods; its types are the directions that it has rules for, unless they are given."""
    kinds = types or [kind for kind, rules in (("Ingress", ingress), ("Egress", egress)) if rules]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": pods.namespace},
        "spec": {
            "podSelector": {"matchLabels": pods.selector} if pods.selector else {},
            "policyTypes": list(kinds),
            **({"ingress": list(ingress)} if ingress else {}),
            **({"egress": list(egress)} if egress else {}),
        },
    }


def _peers(end: End, seen_from: str | None) -> list[Manifest]:
    if isinstance(end, Addresses):
        return [{"ipBlock": {"cidr": cidr}} for cidr in end.cidrs]
    pods: Manifest = {"podSelector": {"matchLabels": end.selector} if end.selector else {}}
    if end.namespace == seen_from:
        # A pod selector by itself means the policy's own namespace.
        return [pods]
    namespace: Manifest = {"namespaceSelector": {"matchLabels": {labels.NAMESPACE_LABEL: end.namespace}}}
    return [{**namespace, **pods}] if end.selector else [namespace]


def _namespace_of(end: End) -> str | None:
    return end.namespace if isinstance(end, Pods) else None


def _ports(flow: Flow) -> list[Manifest]:
    return [{"protocol": port.protocol, "port": port.number} for port in flow.ports]
