"""kube-state-metrics tells of the kinds that are read, and may read no other."""

from __future__ import annotations

import re

from components.observability import state_metrics
from components.observability.rules.catalogue import manifests as rules
from components.observability.rules.limits import Limits
from components.workload.labels import Manifest

MANIFESTS = state_metrics.manifests()
PREFIXES = {
    "daemonset": "daemonsets",
    "deployment": "deployments",
    "horizontalpodautoscaler": "horizontalpodautoscalers",
    "job": "jobs",
    "node": "nodes",
    "persistentvolumeclaim": "persistentvolumeclaims",
    "pod": "pods",
    "poddisruptionbudget": "poddisruptionbudgets",
    "resourcequota": "resourcequotas",
    "statefulset": "statefulsets",
}
"""The word after `kube_` in a metric's name, and the kind it tells of (docs/metrics in its repository)."""


def role() -> Manifest:
    [found] = [manifest for manifest in MANIFESTS if manifest["kind"] == "ClusterRole"]
    return found


def allowed() -> set[str]:
    return {kind for rule in role()["rules"] for kind in rule["resources"]}


def test_it_may_list_and_watch_exactly_what_it_is_told_to_tell_of() -> None:
    container = state_metrics.deployment()["spec"]["template"]["spec"]["containers"][0]
    [told] = [given for given in container["args"] if given.startswith("--resources=")]
    assert set(told.removeprefix("--resources=").split(",")) == allowed()
    assert all(rule["verbs"] == ["list", "watch"] for rule in role()["rules"])


def test_no_secret_and_no_configuration_is_within_its_reach() -> None:
    assert not {"secrets", "configmaps", "*"} & allowed()


def test_every_kind_that_an_alert_asks_for_is_told_of() -> None:
    asked = set(re.findall(r"\bkube_([a-z]+)", str(rules(Limits(replicas_min=3), part_of="serveml"))))
    assert asked
    assert {PREFIXES[word] for word in asked} <= allowed()


def test_there_are_never_two_at_once_which_would_count_everything_twice() -> None:
    spec = state_metrics.deployment()["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
