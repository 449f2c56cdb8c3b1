"""Every alarm has a page that says what to do, and every page an alarm that sends its reader there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.alarms.facts import alarms_of
from components.alarms.metrics import Alarm, Runbook
from tests.components.alarms.examples import EDGE, EVERYTHING

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted((ROOT / "docs" / "runbooks").glob("aws-*.md"))
ALARMS = [*alarms_of(EVERYTHING), *alarms_of(EDGE)]


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm.name)
def test_the_page_of_an_alarm_names_it(alarm: Alarm) -> None:
    text = (ROOT / alarm.runbook.page).read_text()
    # `<prefix>-nat-<zone>-ports` stands for an alarm of every zone.
    patterns = [
        re.sub(r"\\?<[^>]*>", ".+", re.sub(r"\\?\[[^]]*\\?\]", ".*", re.escape(name).replace("\\<", "<")))
        for name in re.findall(r"`(<p[^`]+)`", text)
    ]
    assert any(re.fullmatch(pattern, f"serveml-prod-euw1-{alarm.name}") for pattern in patterns), patterns


def test_every_page_has_an_alarm_and_every_alarm_a_page() -> None:
    assert {page.stem for page in PAGES} == {runbook.value for runbook in Runbook}
    assert {alarm.runbook for alarm in ALARMS} == set(Runbook)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_it_means_how_to_see_it_what_to_do_and_when_it_is_over(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert headings == ["What it means", "See it", "Do", "Over when"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_leads_only_to_pages_that_exist(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+\.md)\)", page.read_text()):
        assert (page.parent / link).exists(), link
