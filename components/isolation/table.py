"""What a set of NetworkPolicies allows, read from the manifests alone, and where its two ends disagree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from components.isolation.flow import PolicyType
from components.workload import labels
from components.workload.labels import Manifest
from infra.errors import InvalidInput

EVERY_POD = "*"
ANYWHERE = "anywhere"
ANY_PORT = "any"

_PEERS: dict[PolicyType, str] = {"Ingress": "from", "Egress": "to"}


class UnreadablePolicy(InvalidInput):
    """A policy in a form that the table would show wrongly; the message names policy and form."""


class Row(NamedTuple):
    """One allowed flow. Pods are `namespace/application`, or `namespace/*`; other ends are CIDRs."""

    source: str
    target: str
    port: str
    protocol: str


def rows(policies: Iterable[Manifest]) -> list[Row]:
    """Every flow that some policy allows, at whichever end, in order."""
    found = list(policies)
    return sorted(_side(found, "Ingress") | _side(found, "Egress"))


def one_sided(policies: Iterable[Manifest]) -> list[str]:
    """Flows between pods that one end allows and the other does not, in words.

    Both ends are compared as they are written, so an end that allows more than the other is told of too. An end in a
    namespace without any policy is not looked at.
    """
    found = list(policies)
    ours = {str(policy["metadata"]["namespace"]) for policy in found}
    taken, opened = (
        {row for row in _side(found, kind) if all(end.partition("/")[0] in ours for end in (row.source, row.target))}
        for kind in ("Ingress", "Egress")
    )
    missing = [(row, "the target takes it, the source may not open it") for row in taken - opened]
    missing += [(row, "the source may open it, the target does not take it") for row in opened - taken]
    return [f"{row.source} -> {row.target} {row.port}/{row.protocol}: {what}" for row, what in sorted(missing)]


def open_namespaces(policies: Iterable[Manifest], namespaces: Iterable[str]) -> list[str]:
    """Namespaces of which some pod takes or opens connections without a policy: those without a default-deny."""
    denied: dict[str, set[str]] = {}
    for policy in policies:
        if not policy["spec"]["podSelector"]:
            denied.setdefault(policy["metadata"]["namespace"], set()).update(policy["spec"]["policyTypes"])
    return sorted(name for name in namespaces if denied.get(name, set[str]()) < {"Ingress", "Egress"})


def markdown(policies: Iterable[Manifest], known: Mapping[str, str]) -> str:
    """The rows as a table; `known` names addresses that say little by themselves."""
    lines = ["| from | to | port | protocol |", "|---|---|---|---|"]
    for row in rows(policies):
        ends = [f"{known[end]} ({end})" if end in known else f"`{end}`" for end in (row.source, row.target)]
        lines.append(f"| {ends[0]} | {ends[1]} | {row.port} | {row.protocol} |")
    return "\n".join(lines) + "\n"


def _side(policies: Sequence[Manifest], kind: PolicyType) -> set[Row]:
    return {row for policy in policies if kind in policy["spec"]["policyTypes"] for row in _allowed(policy, kind)}


def _allowed(policy: Manifest, kind: PolicyType) -> Iterable[Row]:
    where = _name(policy)
    namespace = str(policy["metadata"]["namespace"])
    own = f"{namespace}/{_pods(policy['spec']['podSelector'], where)}"
    for rule in _list(policy["spec"], kind.lower()):
        for peer in _list(rule, _PEERS[kind]) or [{}]:
            other = _peer(peer, namespace, where)
            for port in _list(rule, "ports") or [{}]:
                source, target = (other, own) if kind == "Ingress" else (own, other)
                yield Row(source, target, _port(port), str(port.get("protocol", "TCP") if port else ANY_PORT))


def _peer(peer: Mapping[str, Any], namespace: str, where: str) -> str:
    if not peer:
        return ANYWHERE
    if "ipBlock" in peer:
        if peer["ipBlock"].get("except"):
            raise UnreadablePolicy(f"{where} leaves addresses out of a range: allow the ranges that remain, one by one")
        return str(peer["ipBlock"]["cidr"])
    if "namespaceSelector" in peer:
        selected = _labels(peer["namespaceSelector"], where)
        if set(selected) != {labels.NAMESPACE_LABEL}:
            raise UnreadablePolicy(
                f"{where} selects namespaces by {sorted(selected) or 'nothing'}: "
                f"select them by {labels.NAMESPACE_LABEL}, which a namespace cannot choose"
            )
        namespace = selected[labels.NAMESPACE_LABEL]
    return f"{namespace}/{_pods(peer.get('podSelector', {}), where)}"


def _pods(selector: Mapping[str, Any], where: str) -> str:
    """An application's name where the selector is that; every label of it otherwise."""
    selected = _labels(selector, where)
    if not selected:
        return EVERY_POD
    if set(selected) == {labels.NAME_LABEL}:
        return selected[labels.NAME_LABEL]
    return ",".join(f"{key}={value}" for key, value in sorted(selected.items()))


def _labels(selector: Mapping[str, Any], where: str) -> dict[str, str]:
    if set(selector) - {"matchLabels"}:
        raise UnreadablePolicy(f"{where} selects by expressions: select by matchLabels")
    return cast(dict[str, str], selector.get("matchLabels") or {})


def _port(port: Mapping[str, Any]) -> str:
    first, last = port.get("port", ANY_PORT), port.get("endPort")
    return f"{first}-{last}" if last else str(first)


def _list(holder: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], holder.get(key) or [])


def _name(policy: Manifest) -> str:
    return f"the policy {policy['metadata']['namespace']}/{policy['metadata']['name']}"
