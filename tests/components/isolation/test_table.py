"""How policies are read: what a missing part means, what the table shows, and which forms it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from components.isolation import table
from components.isolation.table import Row, UnreadablePolicy


def policy(spec: dict[str, Any], namespace: str = "a") -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def ingress(*rules: dict[str, Any]) -> dict[str, Any]:
    return policy({"policyTypes": ["Ingress"], "ingress": list(rules)})


PORT = {"protocol": "TCP", "port": 80}


def test_a_rule_without_peers_is_for_anyone_and_one_without_ports_for_any() -> None:
    assert table.rows([ingress({})]) == [Row("anywhere", "a/*", "any", "any")]
    assert table.rows([ingress({"from": [], "ports": []})]) == [Row("anywhere", "a/*", "any", "any")]


def test_rules_of_a_direction_that_the_policy_is_not_for_allow_nothing() -> None:
    assert table.rows([policy({"policyTypes": ["Ingress"], "egress": [{}]})]) == []


def test_every_peer_is_allowed_every_port() -> None:
    rule: dict[str, Any] = {
        "from": [{"podSelector": {}}, {"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "ports": [PORT, {"protocol": "UDP", "port": 1000, "endPort": 2000}],
    }
    assert table.rows([ingress(rule)]) == [
        Row("10.0.0.0/8", "a/*", "1000-2000", "UDP"),
        Row("10.0.0.0/8", "a/*", "80", "TCP"),
        Row("a/*", "a/*", "1000-2000", "UDP"),
        Row("a/*", "a/*", "80", "TCP"),
    ]


def test_pods_are_named_by_application_or_by_all_labels_that_select_them() -> None:
    by_name = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "web"}}}
    by_more = {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "web", "track": "canary"}}}
    found = table.rows([ingress({"from": [by_name, by_more], "ports": [PORT]})])
    assert [row.source for row in found] == ["a/app.kubernetes.io/name=web,track=canary", "a/web"]


@pytest.mark.parametrize(
    ("peer", "message"),
    [
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, "leaves addresses out of a range"),
        ({"namespaceSelector": {}}, "selects namespaces by nothing"),
        ({"namespaceSelector": {"matchLabels": {"team": "x"}}}, r"selects namespaces by \['team'\]"),
        ({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}, "selects by expressions"),
    ],
)
def test_a_form_that_the_table_would_show_wrongly_is_refused(peer: dict[str, Any], message: str) -> None:
    with pytest.raises(UnreadablePolicy, match=rf"the policy a/p {message}"):
        table.rows([ingress({"from": [peer]})])


def test_a_flow_is_one_sided_when_the_other_end_says_more_less_or_nothing() -> None:
    to_b = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "b"}}}
    from_a = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}
    opened = policy({"policyTypes": ["Egress"], "egress": [{"to": [to_b], "ports": [PORT]}]}, "a")
    taken = policy({"policyTypes": ["Ingress"], "ingress": [{"from": [from_a], "ports": [PORT]}]}, "b")
    assert table.one_sided([opened, taken]) == []

    silent = policy({"policyTypes": ["Ingress"]}, "b")
    assert table.one_sided([opened, silent]) == [
        "a/* -> b/* 80/TCP: the source may open it, the target does not take it"
    ]
    taken["spec"]["ingress"][0]["ports"].append({"protocol": "TCP", "port": 81})
    assert table.one_sided([opened, taken]) == ["a/* -> b/* 81/TCP: the target takes it, the source may not open it"]


def test_the_other_end_of_a_flow_to_a_namespace_without_policies_is_not_looked_for() -> None:
    elsewhere = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    assert table.one_sided([policy({"policyTypes": ["Egress"], "egress": [{"to": [elsewhere]}]})]) == []


def test_a_page_names_the_addresses_that_say_little() -> None:
    given = [ingress({"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [PORT]})]
    assert table.markdown(given, {"10.0.0.0/8": "the office"}).splitlines()[2:] == [
        "| the office (10.0.0.0/8) | `a/*` | 80 | TCP |"
    ]
