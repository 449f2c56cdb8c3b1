"""How the service finds canaries, and how it tells of their ends where a way to people is broken."""

from __future__ import annotations

import json
import logging
import urllib.error
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from contract import registry
from contract.deployment import Change
from ops.canary import standing
from ops.canary.actions import Action
from ops.canary.log import JsonLines
from ops.canary.probes import PortTaken, ProbeServer
from ops.canary.tally import Tally
from ops.canary.trials import Trials
from ops.notices.slack import BadWebhook
from ops.platform import Outputs, Platform
from ops.rollout import transitions
from ops.rollout.records import Records
from tests.lifecycle.canary_world import NAME, World
from tests.lifecycle.clock import Clock
from tests.lifecycle.table import NOW, REGION, TABLE, V1, churn

SECRET = "T0PLANTED"


@pytest.fixture
def trials(dynamodb: Any) -> Trials:
    return Trials(dynamodb, TABLE, "default")


def test_only_deployments_with_a_canary_are_found_and_only_of_the_tenant(dynamodb: Any, trials: Trials) -> None:
    world = World(dynamodb)
    world.records.create(transitions.new("fraud", V1, by="ada", now=NOW), action="created", reason="")
    assert trials.running() == []
    started = world.start()
    assert trials.running() == [NAME]
    Records(dynamodb, TABLE, "other").create(
        transitions.documents.replace(started, tenant="other", deployment_id="theirs"), action="created", reason=""
    )
    assert trials.running() == [NAME]
    assert Trials(dynamodb, TABLE, "other").running() == ["theirs"]


def test_a_record_that_cannot_be_read_hides_no_other(dynamodb: Any, trials: Trials) -> None:
    world = World(dynamodb)
    world.start()
    broken = {
        **registry.deployment("default", "broken").item,
        registry.STATUS_ATTRIBUTE: {"S": "canary"},
        registry.CREATED_AT_ATTRIBUTE: {"S": NOW.isoformat()},
        registry.DOCUMENT_ATTRIBUTE: {"S": "{"},
    }
    dynamodb.put_item(TableName=TABLE, Item=broken)
    assert sorted(trials.running()) == ["broken", NAME]
    history = registry.history("default", "broken", 1).item
    dynamodb.put_item(TableName=TABLE, Item={**history, registry.DOCUMENT_ATTRIBUTE: {"S": "{"}})
    assert trials.judged(world.records, NOW) == []


def test_verdicts_are_found_for_as_long_as_they_are_recent(dynamodb: Any, trials: Trials) -> None:
    world = World(dynamodb)
    assert trials.judged(world.records, NOW) == []
    world.start()
    world.controller().run(NAME)
    ended = world.now
    world.records.change(NAME, transitions.roll_back, by="ada", action=Action.ROLLED_BACK, reason="")
    assert trials.judged(world.records, NOW) == [NAME]
    assert trials.judged(world.records, ended + timedelta(seconds=1)) == []


# Answering


def test_a_port_that_is_taken_is_refused_with_what_to_do() -> None:
    with ProbeServer("127.0.0.1", 0, Tally(60.0)) as server, pytest.raises(PortTaken, match="give another --host or"):
        ProbeServer("127.0.0.1", server.port, Tally(60.0))


def test_a_loop_that_is_stuck_and_a_table_that_is_away_are_told_apart() -> None:
    clock = Clock()
    tally = Tally(60.0, clock)

    def statuses() -> list[int]:
        return [status_of(f"http://127.0.0.1:{server.port}{path}") for path in ("/health", "/health/ready", "/metrics")]

    with ProbeServer("127.0.0.1", 0, tally) as server:
        assert statuses() == [200, 503, 200]
        tally.found(0)
        assert statuses() == [200, 200, 200]
        clock.pass_(61)
        tally.came_round()
        assert statuses() == [200, 503, 200]
        clock.pass_(61)
        assert statuses() == [503, 503, 200]


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


# Telling


def platform(dynamodb: Any) -> Platform:
    made = Platform(
        "prod",
        Outputs(
            regions=(REGION,), models_buckets={}, staging_buckets={}, deployments_table=TABLE, api_keys_table="keys"
        ),
    )
    made.dynamodb = dynamodb
    return made


def passed() -> Change:
    record = churn()
    return Change(
        revision=2,
        at=NOW,
        by="service",
        action=Action.CANARY_PASSED,
        reason="it kept to every gate",
        stable=V1,
        weights=record.weights,
    )


def test_a_webhook_that_is_missing_or_bad_is_logged_and_counted_and_holds_nothing_up(
    dynamodb: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tally, hook = Tally(60.0), tmp_path / "url"
    tell = standing.notices(platform(dynamodb), hook, tally)
    tell(churn(), passed())
    hook.write_text(f"http://elsewhere.example/{SECRET}")
    tell(churn(), passed())
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "no Slack webhook can be read" in caplog.text
    assert "would send it unencrypted" in caplog.text
    assert SECRET not in caplog.text
    assert "serveml_canary_controller_undelivered_total 2.0" in tally.page().decode()


def test_a_bad_webhook_in_the_environment_is_refused_at_the_start(
    dynamodb: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVEML_SLACK_WEBHOOK", "not an address")
    with pytest.raises(BadWebhook):
        standing.notices(platform(dynamodb), None, Tally(60.0))


# The log


def test_an_exception_is_logged_by_its_class_its_code_and_its_place_and_never_by_its_message(dynamodb: Any) -> None:
    try:
        dynamodb.get_item(TableName=SECRET, Key={})
    except dynamodb.exceptions.ClientError as error:
        said = logging.LogRecord("ops", logging.ERROR, __file__, 1, "left", None, (type(error), error, None))
    line = JsonLines("pod-1").format(said)
    assert SECRET not in line
    logged = json.loads(line)
    assert logged["exception"][0].endswith("Exception")
    assert logged["exception"][1].endswith("on GetItem")
    assert logged["deployment"] is None
