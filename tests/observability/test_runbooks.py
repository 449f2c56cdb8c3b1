"""Every alert has a page, every page an alert, and what a page sends its reader to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.observability.rules import RULE_FILES, alerts
from components.observability.rules.rule import RUNBOOKS, Record
from tests.observability.promtool import LIMITS

FOLDER = Path(__file__).parents[2] / RUNBOOKS
INDEX = "README.md"
ALERTS = alerts(LIMITS)
PAGES = sorted({f"{alert.page}.md" for alert in ALERTS})

# Pages of CloudWatch's alarms, which tests of their own tie to the alarms.
OF_ALARMS = re.compile(r"aws-.+\.md|region-failover\.md")

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
RECORD = re.compile(r"\b[a-z_]+:[a-z_]+:[a-z0-9]+\b")


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    found = [path.name for path in FOLDER.glob("*.md") if path.name != INDEX]
    assert sorted(name for name in found if not OF_ALARMS.fullmatch(name)) == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_whose_it_is_and_what_to_do(page: str) -> None:
    text = (FOLDER / page).read_text()
    for alert in (alert for alert in ALERTS if f"{alert.page}.md" == page):
        head = text.split("\n## ")[0]
        assert f"`{alert.name}`" in head
        assert alert.severity in head
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["What it means", "See it", "Do", "Over when"]


@pytest.mark.parametrize("page", [INDEX, *PAGES])
def test_links_lead_somewhere(page: str) -> None:
    links = LINK.findall((FOLDER / page).read_text())
    assert [link for link in links if not (FOLDER / link).is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_series_that_a_page_names_are_recorded(page: str) -> None:
    rules = [rule for groups in RULE_FILES.values() for group in groups(LIMITS) for rule in group.rules]
    recorded = {rule.name for rule in rules if isinstance(rule, Record)}
    assert set(RECORD.findall((FOLDER / page).read_text())) - recorded == set()


def test_the_index_has_a_row_for_every_alert() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \| \[.+\]\((.+)\) \|$", (FOLDER / INDEX).read_text(), re.MULTILINE)
    found = {name: (severities.split(", "), page) for name, severities, page in rows}
    expected: dict[str, tuple[list[str], str]] = {}
    for alert in ALERTS:
        severities, _ = expected.setdefault(alert.name, ([], f"{alert.page}.md"))
        if alert.severity not in severities:
            severities.append(alert.severity)
    assert found == expected
    assert [name for name, *_ in rows] == sorted(expected)
