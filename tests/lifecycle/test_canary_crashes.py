"""Controllers die, sleep, meet each other and lose their table, and the canary still comes to its right end."""

from __future__ import annotations

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from contract.deployment import WHOLE_PERCENT, Stage, Weight, check
from ops.canary.actions import Action
from ops.canary.decide import Pace
from ops.canary.ending import Ended, Outcome
from ops.rollout.lease import SECONDS
from tests.lifecycle.canary_world import NAME, STAGES, Crash, Fragile, World
from tests.lifecycle.table import TABLE, V1, V2, create_table

ONLY_COPIES = (Stage(percent=0, shadow_percent=20, seconds=20), *STAGES)


@pytest.fixture
def world(dynamodb: Any) -> World:
    return World(dynamodb)


def ends(world: World, client: Any = None) -> Outcome | None:
    """How the canary ended, or None where the controller died on the way."""
    try:
        return world.controller(client).run(NAME)
    except Crash:
        return None


def driven(world: World, clients: list[Any]) -> Outcome:
    """By controllers that die one after the other, then by one that does not; the record is right in between."""
    for client in clients:
        outcome = ends(world, client)
        record = world.current()
        check(record)
        assert record.canary is not None or record.percent_of(record.stable) == WHOLE_PERCENT
        if outcome is not None and outcome.ended is not Ended.NOTHING:
            return outcome
    outcome = ends(world)
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_controller_may_die_at_any_write(dynamodb: Any, good: bool, after: bool) -> None:
    """For every write there is: the process ends before it, or before it learns that it took effect."""
    stages = (Stage(percent=10, seconds=10), Stage(percent=100, seconds=10))
    at, whole = 1, 10_000
    while at <= whole:
        dynamodb.delete_table(TableName=TABLE)
        world = fresh(dynamodb)
        if not good:
            world.error_shares[V2] = 0.3
        world.start(stages=stages)
        client = Fragile(dynamodb, at, after=after)
        outcome = driven(world, [client])
        assert_right(world, outcome, good)
        if client.writes < at:
            whole = client.writes
        at += 1
    assert whole >= (12 if good else 5)


@pytest.mark.parametrize("seed", range(24))
def test_many_controllers_may_die(dynamodb: Any, seed: int) -> None:
    chance = random.Random(seed)
    good = chance.random() < 0.5
    world = World(dynamodb, seed=seed)
    if not good:
        world.error_shares[V2] = chance.uniform(0.02, 1.0)
    world.start(stages=chance.choice([STAGES, ONLY_COPIES]))
    clients = [Fragile(dynamodb, chance.randint(1, 12), after=chance.random() < 0.5) for _ in range(6)]
    assert_right(world, driven(world, clients), good)


def fresh(dynamodb: Any) -> World:
    create_table(dynamodb)
    return World(dynamodb)


def assert_right(world: World, outcome: Outcome, good: bool) -> None:
    record = world.current()
    assert outcome.ended is (Ended.PASSED if good else Ended.WITHDRAWN)
    assert (record.stable, record.canary, record.shadow) == (V2 if good else V1, None, None)
    assert record.weights == (Weight(version=record.stable, percent=WHOLE_PERCENT),)
    actions = world.actions()
    ending = Action.CANARY_PASSED if good else Action.CANARY_WITHDRAWN
    assert actions.count(ending) == 1
    assert actions[-1] == ending
    # Each stage is entered once, in order, however often a controller began anew.
    shares = [
        next((weight.percent for weight in change.weights if weight.version == V2), 0)
        for change in world.records.history(NAME)
        if change.action == Action.STAGE_ENTERED
    ][::-1]
    assert shares == sorted(set(shares))
    # It is said, and if said again then with the same revision, by which notices are told apart.
    assert {change.revision for change in world.notices} == {outcome.revision}


# Several controllers


def test_of_two_controllers_only_one_acts(world: World) -> None:
    world.start()
    second = world.controller(by="second")
    outcomes: list[Outcome] = []
    asked = False

    def ask() -> None:
        nonlocal asked
        if world.current().percent_of(V2) and not asked:
            asked = True
            # While the first one waits between two looks, the second asks for the lease and gives up in time.
            world.on_wait = give_up
            with pytest.raises(Crash):
                outcomes.append(second.run(NAME))
            world.on_wait = lambda: None

    def give_up() -> None:
        if len(waiting) >= 2:
            raise Crash

    waiting = world.looks
    world.on_wait = ask
    outcome = world.controller(by="first").run(NAME)
    assert asked
    assert outcomes == []
    assert outcome.ended is Ended.PASSED
    assert {change.by for change in world.records.history(NAME) if change.revision > 2} == {"first"}
    assert any(look.said.startswith("another controller acts") for look in world.looks)


def test_a_controller_that_slept_finds_itself_replaced_and_does_nothing(world: World) -> None:
    world.start()
    outcomes: list[Outcome] = []

    def sleep() -> None:
        if world.current().percent_of(V2) and not outcomes:
            world.on_wait = lambda: None
            began = world.now
            outcomes.append(world.controller(by="second").run(NAME))
            assert (world.now - began).total_seconds() >= SECONDS

    world.on_wait = sleep
    outcome = world.controller(by="first").run(NAME)
    assert outcomes[0].ended is Ended.PASSED
    assert outcome.ended is Ended.LEASE_LOST
    assert "another controller has taken over" in outcome.reason
    assert world.actions()[-1] == Action.CANARY_PASSED
    assert len(world.notices) == 1


def test_a_finished_controller_leaves_the_lease_free(world: World) -> None:
    world.start()
    world.controller().run(NAME)
    world.error_shares[V2] = 0.0
    byhand_record = world.records.get(NAME)
    assert byhand_record.canary is None
    before = world.now
    assert world.controller().run(NAME).ended is Ended.PASSED
    assert world.now == before


# A table that does not answer


class Flaky:
    """A client that cannot reach the table for a number of calls, once it was used for a while."""

    def __init__(self, client: Any, failures: int, error: Exception) -> None:
        self._client, self._left, self._error, self._calls = client, failures, error, 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name not in {"get_item", "update_item", "transact_write_items"}:
            return call

        def guarded(**arguments: Any) -> Any:
            self._calls += 1
            if self._calls > 8 and self._left:
                self._left -= 1
                raise self._error
            return call(**arguments)

        return guarded


def test_a_table_that_is_away_for_a_while_only_delays(world: World) -> None:
    world.start()
    away = EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")
    assert world.controller(Flaky(world.dynamodb, 7, away)).run(NAME).ended is Ended.PASSED


def test_a_table_that_stays_away_ends_the_controller_and_leaves_the_record(world: World) -> None:
    world.start()
    away = EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")
    with pytest.raises(EndpointConnectionError):
        world.controller(Flaky(world.dynamodb, 10_000, away), pace=Pace(away_seconds=60)).run(NAME)
    assert world.current().canary is not None
    assert world.controller().run(NAME).ended is Ended.PASSED


def test_a_missing_right_is_no_matter_of_waiting(world: World) -> None:
    world.start()
    response: Any = {
        "Error": {"Code": "AccessDeniedException", "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    before = world.now
    with pytest.raises(ClientError):
        world.controller(Flaky(world.dynamodb, 10_000, ClientError(response, "GetItem"))).run(NAME)
    assert (world.now - before).total_seconds() <= 30
