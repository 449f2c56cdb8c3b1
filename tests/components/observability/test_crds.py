"""The kinds that the operator waits for are defined, in the versions that are used."""

from __future__ import annotations

from components.observability import crds


def test_every_kind_that_the_operator_waits_for_is_defined() -> None:
    kinds = {crds.plural(definition) for definition in crds.definitions(crds.PROMETHEUS_OPERATOR)}
    # Read in `waitForCacheSync` of its two controllers that are used here.
    assert kinds == {
        "alertmanagerconfigs",
        "alertmanagers",
        "podmonitors",
        "probes",
        "prometheuses",
        "prometheusrules",
        "servicemonitors",
    }


def test_a_definition_is_a_whole_manifest_of_its_kind() -> None:
    for definition in crds.definitions(crds.PROMETHEUS_OPERATOR):
        assert (definition["apiVersion"], definition["kind"]) == ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
        assert definition["metadata"]["name"] == f"{crds.plural(definition)}.monitoring.coreos.com"
        assert definition["metadata"]["annotations"]["operator.prometheus.io/version"] == "0.93.0"


def test_an_upstream_that_nothing_was_taken_from_defines_nothing() -> None:
    assert crds.definitions("nobody/nothing") == []
