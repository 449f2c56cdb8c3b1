"""What may be made of a deployment and what not, and that whatever is made of it can be followed by pods."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contract import deployment as documents
from contract.deployment import BUCKETS, Deployment, Gates, InvalidDeployment, Shadow, Stage, Weight, bucket
from contract.objects import Version
from ops.rollout import transitions
from ops.rollout.transitions import ChangeRefused
from tests.lifecycle.table import NOW, V1, V2, V3, churn

STAGES = (
    Stage(percent=0, shadow_percent=20),
    Stage(percent=10, shadow_percent=5),
    Stage(percent=50),
    Stage(percent=100),
)


def tried(record: Deployment | None = None, version: Version = V2, **changed: Any) -> Deployment:
    options: dict[str, Any] = {"canary_id": "c1", "stages": STAGES, "gates": Gates(), "by": "ada", "now": NOW}
    return transitions.start_canary(record or churn(), version, **(options | changed))


def split(first: int = 30) -> Deployment:
    return transitions.set_weights(
        churn(), (Weight(version=V2, percent=first), Weight(version=V1, percent=100 - first))
    )


def shares(record: Deployment) -> dict[Version, int]:
    return {weight.version: weight.percent for weight in record.weights}


def served(record: Deployment, place: int) -> Version:
    """The version whose share, in the order of the weights, a user's bucket lies in."""
    end = 0
    for weight in record.weights:
        end += weight.percent * BUCKETS // documents.WHOLE_PERCENT
        if place < end:
            return weight.version
    raise AssertionError("the shares leave somebody out")


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda: tried(tried(), V3), "churn tries 2.0.0 already, at 0 percent: wait for its end, or abort it"),
            (lambda: tried(version=V1), "churn serves 1.0.0 already: name another version"),
            (lambda: tried(split(), V3), "churn splits its traffic by hand: give one version all of it"),
            (
                lambda: tried(churn(V2), V1),
                "1.0.0 is older than 2.0.0, which churn serves: say --allow-older if that is meant, or roll back",
            ),
            (lambda: transitions.enter_stage(churn(), 0, NOW), "churn tries no version: it serves 1.0.0"),
            (lambda: transitions.note_evidence(churn(), {}), "churn tries no version"),
            (lambda: transitions.finish_canary(churn()), "churn tries no version"),
            (lambda: transitions.withdraw_canary(churn()), "churn tries no version"),
            (lambda: transitions.roll_back(churn()), "churn served nothing before 1.0.0 that it could go back to"),
            (
                lambda: transitions.set_weights(tried(), (Weight(version=V1, percent=100),)),
                "churn tries 2.0.0: abort the canary before weights are set by hand",
            ),
        ],
    )
    def test_a_change_that_may_not_be_says_why_and_what_to_do(
        self, change: Callable[[], Deployment], said: str
    ) -> None:
        with pytest.raises(ChangeRefused) as refused:
            change()
        assert said in str(refused.value)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda: tried(stages=()), "the steps none"),
            (lambda: tried(stages=(Stage(percent=50), Stage(percent=10))), "the steps 50, 10"),
            (lambda: transitions.set_weights(churn(), (Weight(version=V2, percent=99),)), "make 99: let them make 100"),
            (
                lambda: transitions.set_weights(churn(), (Weight(version=V2, percent=100),), V1),
                "gives its stable version 1.0.0 no share",
            ),
            (lambda: transitions.set_weights(churn(), ()), "the weights none"),
            (lambda: transitions.note_evidence(tried(), {"p": float("inf")}), "no finite number"),
        ],
    )
    def test_what_no_pod_could_follow_is_never_made(self, change: Callable[[], Deployment], said: str) -> None:
        with pytest.raises(InvalidDeployment) as refused:
            change()
        assert said in str(refused.value)


class TestTrial:
    def test_a_version_on_trial_gets_nothing_before_its_first_stage(self) -> None:
        started = tried()
        assert shares(started) == {V1: 100}
        assert started.shadow is None
        assert started.canary is not None
        assert (started.canary.stage, started.canary.stage_began_at) == (0, None)
        assert started.versions == (V1, V2)

    @pytest.mark.parametrize(
        ("stage", "expected", "shadow"),
        [(0, {V1: 100}, 20), (1, {V2: 10, V1: 90}, 5), (2, {V2: 50, V1: 50}, None), (3, {V2: 100}, None)],
    )
    def test_a_stage_gives_it_what_it_says(self, stage: int, expected: dict[Version, int], shadow: int | None) -> None:
        entered = transitions.enter_stage(tried(), stage, NOW)
        assert shares(entered) == expected
        assert entered.shadow == (Shadow(version=V2, percent=shadow) if shadow else None)
        assert entered.canary is not None
        assert (entered.canary.stage, entered.canary.stage_began_at) == (stage, NOW)
        assert entered.stable == V1

    def test_passed_it_is_the_stable_one_and_what_it_replaced_can_be_gone_back_to(self) -> None:
        done = transitions.finish_canary(transitions.enter_stage(tried(), 3, NOW))
        assert (done.stable, done.previous, done.canary, done.shadow) == (V2, V1, None, None)
        assert shares(done) == {V2: 100}

    def test_withdrawn_it_leaves_everything_as_it_was(self) -> None:
        assert transitions.withdraw_canary(transitions.enter_stage(tried(), 1, NOW)) == churn()

    def test_an_older_version_is_tried_only_if_that_is_meant(self) -> None:
        assert tried(churn(V2), V1, allow_older=True).versions == (V2, V1)

    def test_evidence_is_kept_and_harms_no_stage(self) -> None:
        noted = transitions.note_evidence(transitions.enter_stage(tried(), 1, NOW), {"log_e": 1.5})
        assert noted.canary is not None
        assert noted.canary.evidence == {"log_e": 1.5}
        assert shares(noted) == {V2: 10, V1: 90}


class TestWayBack:
    def test_from_a_trial_to_the_stable_version(self) -> None:
        assert transitions.roll_back(transitions.enter_stage(tried(), 2, NOW)) == churn()

    def test_from_a_split_by_hand_to_the_stable_version(self) -> None:
        assert shares(transitions.roll_back(split())) == {V1: 100}

    def test_after_a_trial_to_what_served_before_and_no_further(self) -> None:
        done = transitions.finish_canary(tried())
        back = transitions.roll_back(done)
        assert (back.stable, shares(back), back.previous) == (V1, {V1: 100}, None)
        with pytest.raises(ChangeRefused, match="served nothing before"):
            transitions.roll_back(back)


class TestByHand:
    def test_the_largest_share_is_the_stable_one_and_comes_last(self) -> None:
        by_hand = split(30)
        assert by_hand.stable == V1
        assert [weight.version for weight in by_hand.weights] == [V2, V1]
        assert split(70).stable == V2
        assert split(70).previous == V1

    def test_a_named_version_is_the_stable_one(self) -> None:
        by_hand = transitions.set_weights(churn(), (Weight(version=V1, percent=10), Weight(version=V2, percent=90)), V1)
        assert (by_hand.stable, by_hand.previous) == (V1, None)
        assert [weight.version for weight in by_hand.weights] == [V2, V1]


class TestUsers:
    @given(st.binary(max_size=20), st.lists(st.integers(1, 99), min_size=1, max_size=6, unique=True))
    def test_as_a_trials_share_grows_a_user_changes_sides_once_at_most_and_only_to_it(
        self, user: bytes, percents: list[int]
    ) -> None:
        stages = tuple(Stage(percent=percent) for percent in (*sorted(percents), 100))
        record = tried(stages=stages)
        place = bucket(record.salt, user)
        answered = [served(transitions.enter_stage(record, stage, NOW), place) for stage in range(len(stages))]
        assert answered == sorted(answered)
        assert answered[-1] == V2
        first = answered.index(V2)
        assert all(place >= stage.percent * 100 for stage in stages[:first])
        assert place < stages[first].percent * 100

    @given(st.binary(max_size=20), st.integers(1, 49), st.integers(1, 49))
    def test_as_a_share_by_hand_grows_a_user_only_ever_changes_over_to_it(
        self, user: bytes, one: int, other: int
    ) -> None:
        small, large = (split(percent) for percent in sorted((one, other)))
        place = bucket(small.salt, user)
        if served(small, place) == V2:
            assert served(large, place) == V2

    @given(st.binary(max_size=20))
    def test_the_end_of_a_trial_moves_nobody(self, user: bytes) -> None:
        last = transitions.enter_stage(tried(), 3, NOW)
        done = transitions.finish_canary(last)
        assert served(last, bucket(last.salt, user)) == served(done, bucket(done.salt, user)) == V2


class AnyLife(RuleBasedStateMachine):
    """Whatever is done to a deployment in whatever order."""

    record: Deployment
    versions = st.builds(Version, st.integers(1, 4), st.integers(0, 2), st.just(0))

    @initialize(version=versions)
    def create(self, version: Version) -> None:
        self.record = churn(version)

    @rule(
        version=versions,
        percents=st.lists(st.integers(1, 99), max_size=4, unique=True),
        shadow=st.integers(0, 100),
        older=st.booleans(),
    )
    def start(self, version: Version, percents: list[int], shadow: int, older: bool) -> None:
        stages = tuple(Stage(percent=percent, shadow_percent=shadow) for percent in (*sorted(percents), 100))
        self.attempt(lambda: tried(self.record, version, stages=stages, allow_older=older))

    @precondition(lambda self: self.record.canary is not None)
    @rule(part=st.floats(0, 0.99))
    def enter(self, part: float) -> None:
        assert self.record.canary is not None
        stage = int(part * len(self.record.canary.stages))
        self.attempt(lambda: transitions.enter_stage(self.record, stage, NOW))

    @rule(value=st.floats())
    def note(self, value: float) -> None:
        self.attempt(lambda: transitions.note_evidence(self.record, {"value": value}))

    @rule()
    def finish(self) -> None:
        self.attempt(lambda: transitions.finish_canary(self.record))

    @rule()
    def withdraw(self) -> None:
        before = self.record
        self.attempt(lambda: transitions.withdraw_canary(self.record))
        assert self.record.stable == before.stable

    @rule()
    def roll_back(self) -> None:
        self.attempt(lambda: transitions.roll_back(self.record))
        assert self.record.canary is None

    @rule(
        shared=st.dictionaries(versions, st.integers(-1, 100), max_size=3),
        stable=st.none() | versions,
    )
    def set(self, shared: dict[Version, int], stable: Version | None) -> None:
        weights = [Weight(version=version, percent=percent) for version, percent in shared.items()]
        missing = 100 - sum(shared.values())
        if weights and missing:
            weights[0] = Weight(version=weights[0].version, percent=weights[0].percent + missing)
        self.attempt(lambda: transitions.set_weights(self.record, tuple(weights), stable))

    def attempt(self, change: Callable[[], Deployment]) -> None:
        """Refusals leave the record as it was, and nothing else is ever raised."""
        with contextlib.suppress(ChangeRefused, InvalidDeployment):
            self.record = change()

    @invariant()
    def pods_can_follow_it(self) -> None:
        record = self.record
        documents.check(record)
        assert sum(weight.percent for weight in record.weights) == 100
        assert documents.decode(documents.encode(record), Deployment) == record

    @invariant()
    def the_stable_version_is_never_lost(self) -> None:
        record = self.record
        assert record.stable in record.versions
        assert record.canary is not None or record.percent_of(record.stable) > 0
        assert record.previous != record.stable

    @invariant()
    def every_version_that_answers_is_held(self) -> None:
        for place in range(0, BUCKETS, 97):
            assert served(self.record, place) in self.record.versions


TestAnyLife = AnyLife.TestCase
