"""What scanners find, in one shape, read from the output of each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

_CRITICAL = 1  # kube-score grades an object 1 (critical), 5 (warning), 7 (almost) or 10; see its scorecard package.


class Finding(NamedTuple):
    """One fault of one object; found in both regions it is still one."""

    tool: str
    check: str
    object: str
    """`Kind/namespace/name`, or what of it the tool tells."""
    detail: str


class UnreadableOutput(Exception):
    """A tool printed something else than it does when it has scanned; the message holds the start of it."""


def kube_score(text: str) -> set[Finding]:
    """Of `kube-score score --output-format json`: the critical ones."""
    found = set[Finding]()
    for scored in cast(list[dict[str, Any]], _json("kube-score", text, list)):
        metadata = scored["object_meta"]
        parts = (scored["type_meta"]["kind"], metadata.get("namespace", ""), metadata["name"])
        for check in scored["checks"]:
            if not check["skipped"] and check["grade"] <= _CRITICAL:
                comments = cast(list[dict[str, str]], check["comments"] or [])
                said = "; ".join(": ".join(filter(None, (it["path"], it["summary"]))) for it in comments)
                found.add(Finding("kube-score", check["check"]["id"], _object(*parts), said))
    return found


def checkov(text: str) -> set[Finding]:
    """Of `checkov --framework kubernetes --output json`: the failed ones. A file without objects has no results."""
    report = cast(Mapping[str, Any], _json("checkov", text, dict))
    failed = cast(list[dict[str, Any]], report.get("results", {}).get("failed_checks", []))
    return {
        Finding("checkov", check["check_id"], _object(*check["resource"].split(".", 2)), check["check_name"])
        for check in failed
    }


_NOT_VALID = re.compile(r"ERROR \S+ did not validate for resource (\S+) against version \S+: (.*)")


def kubernetes_validate(text: str) -> set[Finding]:
    """Of `kubernetes-validate --quiet`, which has no other form than lines. It warns of kinds that are not Kubernetes'
    own; their schemas are checked where they are made."""
    found = set[Finding]()
    for line in text.splitlines():
        if line.startswith("WARN"):
            continue
        match = _NOT_VALID.match(line)
        if match is None:
            raise UnreadableOutput(f"kubernetes-validate said: {line[:200]}")
        found.add(Finding("kubernetes-validate", "schema", match[1], match[2]))
    return found


_LINE = re.compile(r"(?P<where>.+?:\d+):\d+: \[(?P<level>\w+)\] (?P<said>.*) \((?P<rule>[\w-]+)\)")


def yamllint(text: str) -> set[Finding]:
    """Of `yamllint --format parsable`, which has no JSON: the errors, by line."""
    found = set[Finding]()
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise UnreadableOutput(f"yamllint said: {line[:200]}")
        if match["level"] == "error":
            found.add(Finding("yamllint", match["rule"], match["where"], match["said"]))
    return found


def _json(tool: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise UnreadableOutput(f"{tool} printed no report: {text.strip()[:200] or 'nothing'}")
    return value


def _object(kind: str, namespace: str, name: str) -> str:
    return "/".join(part for part in (kind, namespace, name) if part)
