"""Services beside each other, and beside operators, drive every canary to its right end, whoever of them dies when."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from contract.deployment import WHOLE_PERCENT, Weight, check
from ops.canary.actions import ENDINGS, Action
from ops.rollout.lease import Leases
from tests.lifecycle.service_world import LEASE_SECONDS, Many, Mortal, run_until
from tests.lifecycle.table import TABLE, V1, V2

# What a killed process's threads end with is no fault of theirs.
KILLED = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
GOOD, BAD = "churn", "fraud"


@pytest.fixture
def many(shared_table: Any) -> Many:
    world = Many(shared_table, [GOOD, BAD])
    world.error_shares[BAD] = 0.5
    return world


def assert_right(many: Many) -> None:
    for name in many.names:
        record, history = many.current(name), many.history(name)
        check(record)
        good = many.error_shares[name] == 0
        assert (record.stable, record.canary) == (V2 if good else V1, None)
        assert record.weights == (Weight(version=record.stable, percent=WHOLE_PERCENT),)
        ends = [change for change in history if change.action in ENDINGS]
        assert [change.action for change in ends] == [Action.CANARY_PASSED if good else Action.CANARY_WITHDRAWN]
        # Each stage was entered once, in order, whoever entered it.
        shares = [
            next((weight.percent for weight in change.weights if weight.version == V2), 0)
            for change in history
            if change.action == Action.STAGE_ENTERED
        ]
        assert shares == sorted(set(shares))
        assert {change.revision for change in many.told[name]} == {ends[0].revision}


def test_one_service_drives_every_canary_there_is(many: Many) -> None:
    many.start()
    stop = threading.Event()
    run_until(many.wait_for_all, [(many.service(stop), stop)])
    assert_right(many)
    page = many.tallies[0].page().decode()
    assert 'serveml_canary_controller_ended_total{ended="passed"} 1.0' in page
    assert 'serveml_canary_controller_ended_total{ended="withdrawn"} 1.0' in page
    assert "serveml_canary_controller_driving 0.0" in page


def test_two_services_share_the_canaries_and_no_stage_is_entered_twice(many: Many) -> None:
    many.start()
    stops = [threading.Event(), threading.Event()]
    run_until(many.wait_for_all, [(many.service(stop, by=f"service {n}"), stop) for n, stop in enumerate(stops)])
    assert_right(many)


@KILLED
@pytest.mark.parametrize("at", [1, 4, 9, 14])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_of_two_services_one_may_be_killed_at_any_write(many: Many, shared_table: Any, at: int, after: bool) -> None:
    many.start()
    mortal = Mortal(shared_table, at, after=after)
    stops = [threading.Event(), threading.Event()]
    services = [
        (many.service(stops[0], mortal, by="mortal"), stops[0]),
        (many.service(stops[1], by="other"), stops[1]),
    ]
    run_until(many.wait_for_all, services)
    assert_right(many)


@KILLED
@pytest.mark.parametrize("at", [3, 14, 17, 20])
def test_a_service_that_comes_after_one_was_killed_goes_on_and_tells_what_that_one_could_not(
    many: Many, shared_table: Any, at: int
) -> None:
    many.start()
    mortal, stop = Mortal(shared_table, at, after=True), threading.Event()

    def over() -> None:
        # It may have come to the end of both canaries before so many writes.
        while not mortal.dead.wait(0.05) and len(many.told) < len(many.names):
            pass

    run_until(over, [(many.service(stop, mortal, by="mortal"), stop)])
    again = threading.Event()
    run_until(many.wait_for_all, [(many.service(again, by="next"), again)])
    assert_right(many)


def test_a_canary_that_an_operator_drives_is_left_alone(many: Many, shared_table: Any) -> None:
    many.start()
    operators = Leases(shared_table, TABLE, "default")
    lease = operators.acquire(GOOD)
    assert lease is not None

    def meanwhile() -> None:
        while BAD not in many.told:
            assert operators.renew(lease)
            many.wait_until_told([BAD], LEASE_SECONDS / 8)

    stop = threading.Event()
    run_until(meanwhile, [(many.service(stop), stop)])
    assert many.current(GOOD).percent_of(V1) == WHOLE_PERCENT
    assert [change.action for change in many.history(GOOD)] == [Action.CREATED, Action.CANARY_STARTED]


def test_a_service_that_stops_leaves_its_canaries_where_they_are_with_their_leases_given_up(
    many: Many, shared_table: Any
) -> None:
    many.error_shares[BAD] = 0.0
    many.start()
    entered, stop = threading.Event(), threading.Event()
    service = many.service(stop)

    def until_one_has_a_share() -> None:
        for _ in range(3000):
            if all(many.current(name).percent_of(V2) for name in many.names):
                entered.set()
                return

    run_until(until_one_has_a_share, [(service, stop)])
    assert entered.is_set()
    for name in many.names:
        check(many.current(name))
        assert Leases(shared_table, TABLE, "default").acquire(name) is not None
