"""What was said is not said again: not by a second controller, another process, or a retry after a crash."""

from __future__ import annotations

import multiprocessing
import threading
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from contract import registry
from ops.notices import Delivery, Notice, Notifier, Outcome, Said, Severity, SlackWebhook
from ops.notices.notice import Undelivered
from ops.notices.retry import Patience
from ops.notices.said import CLAIM_SECONDS, KEPT_SECONDS
from tests.lifecycle.answers import Answer, AnswerServer
from tests.lifecycle.table import TABLE, dynamodb_at

TENANT = "default"
NOTICE = Notice(severity=Severity.INFO, summary="churn serves 1.1.0", deployment="churn", key="churn#8")
NO_PAUSE = Patience(pause=lambda _: None)
PROCESSES = 4


class Ways:
    """A sender that counts, and fails while it is told to."""

    def __init__(self, name: str = "way") -> None:
        self.name = name
        self.sent = 0
        self.fails = False

    def send(self, notice: Notice, timeout_seconds: float) -> None:
        if self.fails:
            raise Undelivered("it fails", again=False)
        self.sent += 1


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said(dynamodb: Any, clock: Clock) -> Said:
    return Said(dynamodb, TABLE, TENANT, now=lambda: clock.now)


def _outcomes(deliveries: list[Delivery]) -> list[Outcome]:
    return [delivery.outcome for delivery in deliveries]


def test_a_second_controller_does_not_say_it_again(said: Said) -> None:
    way = Ways()
    assert _outcomes(Notifier([way], said).notify(NOTICE)) == [Outcome.SENT]
    assert _outcomes(Notifier([way], said).notify(NOTICE)) == [Outcome.SAID_BEFORE]
    assert way.sent == 1


def test_another_event_of_the_same_deployment_is_said(said: Said) -> None:
    way = Ways()
    for revision in (8, 9):
        Notifier([way], said).notify(
            Notice(severity=Severity.INFO, summary="s", deployment="churn", key=f"churn#{revision}")
        )
    assert way.sent == 2


def test_what_failed_on_one_way_is_tried_there_again_and_not_on_the_other(said: Said) -> None:
    good, bad = Ways("good"), Ways("bad")
    bad.fails = True
    notifier = Notifier([good, bad], said)
    assert _outcomes(notifier.notify(NOTICE)) == [Outcome.SENT, Outcome.FAILED]
    bad.fails = False
    assert _outcomes(notifier.notify(NOTICE)) == [Outcome.SAID_BEFORE, Outcome.SENT]
    assert (good.sent, bad.sent) == (1, 1)


def test_after_a_crash_before_it_was_marked_it_is_said_again_once_the_claim_has_run_out(
    said: Said, clock: Clock
) -> None:
    way = Ways()
    assert said.claim(f"{NOTICE.key}#{way.name}") is not None  # and its holder dies
    assert _outcomes(Notifier([way], said).notify(NOTICE)) == [Outcome.SAID_BEFORE]
    clock.now += CLAIM_SECONDS + 1
    assert _outcomes(Notifier([way], said).notify(NOTICE)) == [Outcome.SENT]
    assert way.sent == 1


def test_what_was_said_is_kept_for_a_week_and_deleted_by_itself(said: Said, clock: Clock, dynamodb: Any) -> None:
    way = Ways()
    Notifier([way], said).notify(NOTICE)
    key = registry.notice(TENANT, f"{NOTICE.key}#{way.name}")
    item = dynamodb.get_item(TableName=TABLE, Key=key.item)["Item"]
    assert int(item[registry.TTL_ATTRIBUTE]["N"]) == clock.now + KEPT_SECONDS
    clock.now += KEPT_SECONDS - 1
    assert _outcomes(Notifier([way], said).notify(NOTICE)) == [Outcome.SAID_BEFORE]
    clock.now += 2  # DynamoDB has not deleted it yet
    assert _outcomes(Notifier([way], said).notify(NOTICE)) == [Outcome.SENT]


def test_giving_up_does_not_take_away_anothers_claim(said: Said, clock: Clock) -> None:
    first = said.claim("k")
    assert first is not None
    clock.now += CLAIM_SECONDS + 1
    assert said.claim("k") is not None
    said.give_up("k", first)
    assert said.claim("k") is None


class _Away:
    """A table that cannot be reached, from some call on."""

    def __init__(self, dynamodb: Any, works: int) -> None:
        self._dynamodb = dynamodb
        self._left = works

    def put_item(self, **call: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise EndpointConnectionError(endpoint_url="https://dynamodb.example")
        return self._dynamodb.put_item(**call)


@pytest.mark.parametrize("works", [0, 1])
def test_a_notice_is_said_although_the_table_is_away(dynamodb: Any, works: int) -> None:
    way = Ways()
    away: Any = _Away(dynamodb, works)
    (delivery,) = Notifier([way], Said(away, TABLE, TENANT)).notify(NOTICE)
    assert delivery.outcome is Outcome.SENT
    assert delivery.reason == "may be said again, since the table could not be used: EndpointConnectionError"
    assert way.sent == 1


def test_threads_that_begin_together_say_it_once(shared_table: Any) -> None:
    # On the account in a process of its own, which answers one request at a time, as DynamoDB does for one item.
    said = Said(shared_table, TABLE, TENANT)
    way = Ways()
    barrier = threading.Barrier(8)
    found: list[Outcome] = []

    def say() -> None:
        notifier = Notifier([way], said)
        barrier.wait(10)
        found.extend(_outcomes(notifier.notify(NOTICE)))

    threads = [threading.Thread(target=say) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == sorted([Outcome.SENT, *[Outcome.SAID_BEFORE] * 7])
    assert way.sent == 1


def _say_in_a_process(endpoint: str, slack: str, together: Any, found: Any) -> None:
    said = Said(dynamodb_at(endpoint), TABLE, TENANT)
    notifier = Notifier([SlackWebhook(slack)], said, NO_PAUSE)
    together.wait(60)
    found.put([delivery.outcome.value for delivery in notifier.notify(NOTICE)])


def test_processes_that_begin_together_say_it_once(shared_table: Any) -> None:
    context = multiprocessing.get_context("spawn")
    together, found = context.Barrier(PROCESSES), context.Queue()
    endpoint = shared_table.meta.endpoint_url
    with AnswerServer(Answer()) as server:
        processes = [
            context.Process(target=_say_in_a_process, args=(endpoint, server.url, together, found))
            for _ in range(PROCESSES)
        ]
        for process in processes:
            process.start()
        outcomes = [found.get(timeout=90)[0] for _ in processes]
        for process in processes:
            process.join(30)
        asked = len(server.asked)
    assert sorted(outcomes) == sorted(["sent", *["said before"] * (PROCESSES - 1)])
    assert asked == 1
