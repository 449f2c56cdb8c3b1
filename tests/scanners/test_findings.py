"""What is read from the scanners' outputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.scanners import findings, outputs
from tests.scanners.findings import Finding, UnreadableOutput


def test_kube_score_fails_an_object_for_what_is_critical_once_for_all_regions() -> None:
    said = "web: ImagePullPolicy is not set to Always"
    assert findings.kube_score(outputs.KUBE_SCORE) == {
        Finding("kube-score", "container-image-pull-policy", "Deployment/x/critical", said),
        Finding("kube-score", "container-image-pull-policy", "ClusterRole/wide", said),
    }


def test_checkov_fails_an_object_for_each_check_that_failed() -> None:
    assert findings.checkov(outputs.CHECKOV) == {
        Finding("checkov", "CKV_K8S_43", "Deployment/x/web.v1", "Image should use digest")
    }
    assert findings.checkov(outputs.CHECKOV_WITHOUT_OBJECTS) == set()


def test_kubernetes_validate_fails_what_its_schema_refuses_and_leaves_kinds_it_does_not_know() -> None:
    assert findings.kubernetes_validate(outputs.KUBERNETES_VALIDATE) == {
        Finding("kubernetes-validate", "schema", "service/web", "spec.ports: 5 is not of type 'array'")
    }


def test_yamllint_fails_lines_with_errors() -> None:
    assert findings.yamllint(outputs.YAMLLINT) == {
        Finding("yamllint", "key-duplicates", "m.yaml:12", 'duplication of key "name" in mapping')
    }


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (findings.kube_score, "", "kube-score printed no report: nothing"),
        (findings.kube_score, "Failed to score files", "no report: Failed to score"),
        (findings.checkov, "[]", r"checkov printed no report: \[\]"),
        (findings.kubernetes_validate, "FATAL kubernetes-validate 1.0 does not support 1.34", "said: FATAL"),
        (findings.yamllint, "invalid config", "yamllint said: invalid config"),
    ],
)
def test_a_tool_that_did_not_scan_is_no_tool_that_found_nothing(
    read: Callable[[str], set[Finding]], text: str, message: str
) -> None:
    with pytest.raises(UnreadableOutput, match=message):
        read(text)
