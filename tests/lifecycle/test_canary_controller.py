"""A canary is driven through its stages, passes no gate on silence, and is withdrawn for what a gate finds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contract.deployment import Gates, Stage, Weight
from ops.canary import byhand
from ops.canary.actions import Action
from ops.canary.decide import Pace
from ops.canary.ending import Ended, Outcome
from ops.rollout.presence import LIVE
from tests.lifecycle.canary_world import GATES, NAME, STAGES, Crash, World
from tests.lifecycle.table import V1, V2

ONLY_COPIES = (Stage(percent=0, shadow_percent=20, seconds=20), *STAGES)


@pytest.fixture
def world(dynamodb: Any) -> World:
    return World(dynamodb)


def test_a_good_version_goes_through_every_stage_and_serves(world: World) -> None:
    world.start()
    outcome = world.controller().run(NAME)
    assert (outcome.ended, outcome.version) == (Ended.PASSED, V2)
    record = world.current()
    assert (record.stable, record.previous, record.canary) == (V2, V1, None)
    assert record.weights == (Weight(version=V2, percent=100),)
    entered = [Action.STAGE_ENTERED] * len(STAGES)
    assert world.actions() == [Action.CREATED, Action.CANARY_STARTED, *entered, Action.CANARY_PASSED]
    assert [change.action for change in world.notices] == [Action.CANARY_PASSED]


def test_a_stage_lasts_its_time_and_gives_its_share(world: World) -> None:
    world.start()
    shares: list[tuple[int, float]] = []
    world.on_wait = lambda: shares.append((world.current().percent_of(V2), world.now.timestamp()))
    world.controller().run(NAME)
    for stage in STAGES:
        times = [at for percent, at in shares if percent == stage.percent]
        assert stage.seconds - 5 <= max(times) - min(times) <= stage.seconds


def test_a_version_that_fails_everything_is_out_at_the_first_look(world: World) -> None:
    world.error_shares[V2] = 1.0
    world.requests_per_second = 6
    world.start()
    outcome = world.controller().run(NAME)
    assert (outcome.ended, outcome.failed) == (Ended.WITHDRAWN, True)
    assert "2.0.0: errors at 10 percent: 3 of 3 requests failed (100%), less than 0.1% may" in outcome.reason
    assert "99.99% confidence" in outcome.reason
    record = world.current()
    assert (record.stable, record.canary, record.weights) == (V1, None, (Weight(version=V1, percent=100),))
    assert [change.reason for change in world.notices] == [outcome.reason]


def test_one_error_at_the_start_does_not_roll_back_a_good_version(world: World) -> None:
    """It is a share of 1 in 50 then, and is waited for to come down until 1 in 1000 is not reached."""
    world.first_errors = 1
    world.start()
    assert world.controller().run(NAME).ended is Ended.PASSED
    first = next(look for look in world.looks if look.figures and look.figures.candidate.requests)
    assert first.figures is not None
    assert (first.figures.candidate.errors, first.figures.candidate.requests) == (1, 50)
    entered = [change.at for change in world.records.history(NAME) if change.action == Action.STAGE_ENTERED][::-1]
    # A stage lasts 20 s where nothing is wrong; a thousand requests take 100 s at 10 percent.
    assert (entered[1] - entered[0]).total_seconds() > 20


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"p95_ms": 750.0}, "latency at 10 percent: P95 was 750 ms"),
        ({"crashes": 1}, "crashes at 10 percent: workers ended unasked 1 times"),
        ({"slow_shares": {V1: 0.03, V2: 0.4}}, "its answers are slower than the stable version's"),
    ],
)
def test_each_gate_withdraws(world: World, fault: dict[str, Any], said: str) -> None:
    vars(world).update(fault)
    world.start()
    outcome = world.controller().run(NAME)
    assert outcome.ended is Ended.WITHDRAWN
    assert said in outcome.reason


def test_errors_below_the_limit_but_above_the_stable_versions_withdraw_by_comparison(world: World) -> None:
    world.requests_per_second = 2000
    world.error_shares[V2] = 0.01
    world.start(gates=replace_gates(max_error_percent=5.0))
    outcome = world.controller().run(NAME)
    assert outcome.ended is Ended.WITHDRAWN
    assert "its errors are more frequent than the stable version's, with a chance of 1% to be wrong" in outcome.reason


def test_a_first_stage_only_copies_and_disagreement_ends_it_before_a_user_is_answered(world: World) -> None:
    world.differing_share = 0.2
    world.start(stages=ONLY_COPIES)
    outcome = world.controller().run(NAME)
    assert outcome.ended is Ended.WITHDRAWN
    assert "disagreement at 0 percent" in outcome.reason
    assert all(change.weights == (Weight(version=V1, percent=100),) for change in world.records.history(NAME))


def test_copies_that_agree_lead_to_the_first_share(world: World) -> None:
    world.start(stages=ONLY_COPIES)
    assert world.controller().run(NAME).ended is Ended.PASSED
    copied = [change.shadow for change in world.records.history(NAME) if change.shadow is not None]
    assert [(shadow.version, shadow.percent) for shadow in copied] == [(V2, 20)]


def test_nothing_is_given_before_every_worker_holds_the_version(world: World) -> None:
    world.refused["pod-b"] = "its checksum does not fit"
    world.start()
    outcome = world.controller(pace=Pace(load_seconds=60)).run(NAME)
    assert outcome.ended is Ended.WITHDRAWN
    assert "1 of 2 workers do not hold 2.0.0: its checksum does not fit" in outcome.reason
    assert Action.STAGE_ENTERED not in world.actions()


def test_a_worker_that_loads_late_is_waited_for(world: World) -> None:
    world.refused["pod-b"] = "downloading"
    until = world.now + timedelta(seconds=40)
    world.on_wait = lambda: world.refused.clear() if world.now >= until else None
    world.start()
    assert world.controller().run(NAME).ended is Ended.PASSED


def test_a_pod_that_ended_is_not_waited_for(world: World) -> None:
    world.refused["pod-b"] = "evicted"
    world.start()
    world.pods.remove("pod-b")
    assert world.controller(pace=Pace(load_seconds=2 * LIVE.total_seconds())).run(NAME).ended is Ended.PASSED


def test_a_worker_that_loses_the_version_keeps_the_canary_at_its_stage_and_ends_it_in_time(world: World) -> None:
    world.start()

    def lose() -> None:
        if world.current().percent_of(V2):
            world.refused["pod-a"] = "out of memory"

    world.on_wait = lose
    outcome = world.controller(pace=Pace(load_seconds=60)).run(NAME)
    assert outcome.ended is Ended.WITHDRAWN
    assert "out of memory" in outcome.reason
    assert world.actions().count(Action.STAGE_ENTERED) == 1


def test_silence_passes_no_gate_and_ends_the_canary(world: World) -> None:
    world.requests_per_second = 0
    world.start()
    began = world.now
    outcome = world.controller().run(NAME)
    assert outcome.ended is Ended.WITHDRAWN
    assert "silence at 10 percent" in outcome.reason
    waited = (world.now - began).total_seconds()
    assert 6 * STAGES[0].seconds < waited <= 6 * STAGES[0].seconds + 15


def test_too_few_requests_are_waited_for_however_long_they_take(world: World) -> None:
    world.requests_per_second = 2
    world.start(stages=(Stage(percent=10, seconds=20), Stage(percent=100, seconds=20)))
    outcome = world.controller().run(NAME)
    assert outcome.ended is Ended.PASSED
    entered = [change.at for change in world.records.history(NAME) if change.action == Action.STAGE_ENTERED]
    assert (entered[0] - entered[1]).total_seconds() >= GATES.min_requests / (2 * 0.1)


def test_without_figures_the_canary_stays_and_is_withdrawn_when_that_lasts(world: World) -> None:
    world.start()
    world.on_wait = lambda: setattr(world, "prometheus_away", world.current().percent_of(V2) > 0)
    outcome = world.controller().run(NAME)
    assert outcome.ended is Ended.WITHDRAWN
    assert "it could not be judged for" in outcome.reason
    assert "Prometheus at http://metrics:9090 cannot be reached" in outcome.reason
    assert world.actions().count(Action.STAGE_ENTERED) == 1


def test_prometheus_may_be_away_for_a_while(world: World) -> None:
    world.start()
    began = world.now

    def flicker() -> None:
        world.prometheus_away = 10 <= (world.now - began).total_seconds() < 100

    world.on_wait = flicker
    assert world.controller().run(NAME).ended is Ended.PASSED


def test_how_long_figures_have_been_missing_outlives_the_controller(world: World) -> None:
    world.start()
    world.on_wait = lambda: setattr(world, "prometheus_away", world.current().percent_of(V2) > 0)
    began = world.now
    outcome: Outcome | None = None
    for _ in range(20):
        deadline = world.now + timedelta(seconds=30)

        def stop(deadline: Any = deadline) -> None:
            world.prometheus_away = world.current().percent_of(V2) > 0
            if world.now >= deadline:
                raise Crash

        world.on_wait = stop
        try:
            outcome = world.controller().run(NAME)
            break
        except Crash:
            world.on_wait = lambda: None
    assert outcome is not None
    assert outcome.ended is Ended.WITHDRAWN
    assert (world.now - began).total_seconds() < 200


def test_who_ends_the_canary_by_hand_is_told_by_the_controller(world: World) -> None:
    world.start()

    def interfere() -> None:
        if world.current().percent_of(V2) == 50:
            byhand.abort(world.records, NAME, by="grace", reason="sales said so")

    world.on_wait = interfere
    outcome = world.controller().run(NAME)
    assert (outcome.ended, outcome.by, outcome.reason) == (Ended.ABORTED, "grace", "sales said so")
    assert (world.current().stable, world.notices) == (V1, [])


def test_what_was_decided_about_one_trial_is_not_done_to_another(world: World) -> None:
    """Between a look at the first one and the write, it is aborted and a second one begins."""
    world.start()
    measure, trials = world.measure, [world.current().canary]

    def interfere(*asked: Any) -> Any:
        found = measure(*asked)
        _, canary, _, until = asked
        if until - canary.stage_began_at >= timedelta(seconds=canary.now.seconds) and len(trials) == 1:
            byhand.abort(world.records, NAME, by="grace", reason="again, please")
            trials.append(world.start().canary)
        return found

    world.measure = interfere
    outcome = world.controller().run(NAME)
    assert (outcome.ended, outcome.by) == (Ended.ABORTED, "grace")
    assert len(trials) == 2
    assert world.current().canary == trials[1]


def test_a_deployment_without_a_canary_is_left_as_it_is(world: World) -> None:
    before = world.current()
    outcome = world.controller().run(NAME)
    assert (outcome.ended, outcome.reason) == (Ended.NOTHING, "churn tries no version: it serves 1.0.0")
    assert world.current() == before


def test_the_figures_are_kept_without_filling_the_history(world: World) -> None:
    world.start(stages=(Stage(percent=10, seconds=300), Stage(percent=100, seconds=20)))
    kept: list[dict[str, float]] = []

    def look() -> None:
        canary = world.current().canary
        if canary is not None and canary.evidence and (not kept or kept[-1] != canary.evidence):
            kept.append(canary.evidence)

    world.on_wait = look
    assert world.controller().run(NAME).ended is Ended.PASSED
    assert 8 <= len(kept) <= 14
    assert Action.EVIDENCE_NOTED not in world.actions()
    revisions = [change.revision for change in world.records.history(NAME)]
    assert revisions == sorted(revisions, reverse=True)


def replace_gates(**changes: Any) -> Gates:
    return Gates(**({name: getattr(GATES, name) for name in Gates.__struct_fields__} | changes))
