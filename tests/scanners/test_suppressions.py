"""Which findings stay open, and which suppressions are no longer needed."""

from __future__ import annotations

import pytest

from tests.scanners import suppressions
from tests.scanners.findings import Finding
from tests.scanners.suppressions import InvalidSuppression, judge, load
from tests.scanners.tools import all_tools

TOOLS = ("kube-score", "checkov")
FINDING = Finding("kube-score", "pull-policy", "Deployment/ml-system/web", "not Always")
ENTRY = "{tool: kube-score, check: pull-policy, object: Deployment/ml-system/*, reason: by digest}"


def test_a_finding_is_suppressed_by_tool_check_and_object() -> None:
    verdict = judge([FINDING], load(f"- {ENTRY}", TOOLS), TOOLS)
    assert (verdict.passed, verdict.suppressed, verdict.open) == (True, 1, [])


@pytest.mark.parametrize(
    "other",
    [
        FINDING._replace(tool="checkov"),
        FINDING._replace(check="probes"),
        FINDING._replace(object="Deployment/monitoring/web"),
    ],
)
def test_another_tool_check_or_object_is_not_suppressed(other: Finding) -> None:
    verdict = judge([FINDING, other], load(f"- {ENTRY}", TOOLS), TOOLS)
    assert verdict.open == [other]
    assert not verdict.passed


def test_a_suppression_that_covers_nothing_fails() -> None:
    verdict = judge([], load(f"- {ENTRY}", TOOLS), TOOLS)
    assert [entry.object for entry in verdict.unused] == ["Deployment/ml-system/*"]
    assert not verdict.passed


def test_a_suppression_of_a_tool_that_did_not_run_is_not_unused() -> None:
    assert judge([], load(f"- {ENTRY}", TOOLS), ["checkov"]).passed


def test_a_second_suppression_of_the_same_finding_is_needed_too() -> None:
    wider = ENTRY.replace("ml-system", "*")
    assert judge([FINDING], load(f"- {ENTRY}\n- {wider}", TOOLS), TOOLS).passed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tool: kube-score", "no list"),
        ("- kube-score", "suppression 1 is 'kube-score': give it the fields tool, check, object, reason"),
        ("- {tool: kube-score, check: a, object: b}", "suppression 1: reason"),
        (f"- {ENTRY}\n- {{tool: kube-score, check: a, object: b, reason: ' '}}", "suppression 2: reason is empty"),
        ("- {tool: kube-score, check: a, object: b, reason: c, until: d}", "suppression 1: until"),
        ("- {tool: trivy, check: a, object: b, reason: c}", "the tool 'trivy' is none of checkov, kube-score"),
    ],
)
def test_an_entry_without_a_reason_or_of_another_shape_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidSuppression, match=message):
        load(text, TOOLS)


def test_the_list_in_the_repository_can_be_read() -> None:
    tools = [tool.name for tool in all_tools()]
    assert {entry.tool for entry in load(suppressions.FILE.read_text(), tools)} <= set(tools)
