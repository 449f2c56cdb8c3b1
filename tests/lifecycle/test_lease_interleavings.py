"""A lease under any interleaving of its competitors, whatever their clocks say, against a model of it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from moto import mock_aws

from ops.rollout.lease import SECONDS, Lease, Leases, held_condition
from ops.rollout.records import LeaseLost, Records
from tests.lifecycle.clock import Clock
from tests.lifecycle.table import REGION, TABLE, churn, create_table
from tests.lifecycle.writers import counted_up


class Competitor:
    """A controller as the model sees it."""

    def __init__(self, dynamodb: Any, clock: Clock) -> None:
        self.clock = clock
        self.leases = Leases(dynamodb, TABLE, "default", clock=clock)
        self.ever_held: list[Lease] = []
        self.changed_at = clock()
        """When the lease was last taken or renewed by anybody, by this one's clock."""


COMPETITORS = 3
competitors = st.integers(0, COMPETITORS - 1)


class AnyInterleaving(RuleBasedStateMachine):
    """Controllers take, renew, lose and give up one lease, sleep for any time, and write with whatever they ever held.

    The model knows only who got a lease last and whether it was given up since.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mock = mock_aws()
        self.mock.start()
        dynamodb = boto3.client("dynamodb", region_name=REGION)
        create_table(dynamodb)
        self.dynamodb = dynamodb
        self.records = Records(dynamodb, TABLE, pause=lambda _: None)
        self.records.create(churn(), action="create", reason="first")
        self.valid: Lease | None = None
        self.competitors: list[Competitor] = []
        self.writes = 0

    @initialize(
        clocks=st.lists(st.tuples(st.floats(0, 1e6), st.floats(0.25, 4)), min_size=COMPETITORS, max_size=COMPETITORS)
    )
    def start(self, clocks: list[tuple[float, float]]) -> None:
        self.competitors = [Competitor(self.dynamodb, Clock(began, rate)) for began, rate in clocks]

    @rule(seconds=st.sampled_from([0.5, SECONDS / 2, SECONDS, 3 * SECONDS]))
    def sleep(self, seconds: float) -> None:
        for competitor in self.competitors:
            competitor.clock.pass_(seconds)

    @rule(who=competitors)
    def acquire(self, who: int) -> None:
        competitor = self.competitors[who]
        lease = competitor.leases.acquire("churn", f"controller-{who}")
        if self.valid is None:
            assert lease is not None, "a free lease is there for whoever asks first"
        if lease is None:
            return
        if self.valid is not None:
            assert competitor.clock() - competitor.changed_at >= SECONDS, "taken from a holder that was alive"
        assert all(lease.token > old.token for each in self.competitors for old in each.ever_held)
        competitor.ever_held.append(lease)
        self.valid = lease
        self.note_change()

    @rule(who=competitors)
    def wait_for_it(self, who: int) -> None:
        """Whoever asks, waits for a lease's length without a sign of life of the holder, and asks again, gets it."""
        competitor = self.competitors[who]
        before = self.valid
        self.acquire(who)
        if self.valid is before:
            self.sleep(SECONDS / competitor.clock.rate * 1.001)
            self.acquire(who)
        assert self.valid is not None
        assert self.valid is competitor.ever_held[-1]

    @rule(who=competitors, which=st.floats(0, 0.99))
    def renew(self, who: int, which: float) -> None:
        lease = self.any_of(who, which)
        if lease is not None:
            assert self.competitors[who].leases.renew(lease) is (lease is self.valid)
            if lease is self.valid:
                self.note_change()

    @rule(who=competitors, which=st.floats(0, 0.99))
    def release(self, who: int, which: float) -> None:
        lease = self.any_of(who, which)
        if lease is not None:
            assert self.competitors[who].leases.release(lease) is (lease is self.valid)
            if lease is self.valid:
                self.valid = None

    @rule(who=competitors, which=st.floats(0, 0.99))
    def write(self, who: int, which: float) -> None:
        lease = self.any_of(who, which)
        if lease is None:
            return
        if lease is self.valid:
            self.change_with(lease)
            self.writes += 1
        else:
            with pytest.raises(LeaseLost):
                self.change_with(lease)

    @invariant()
    def only_the_holders_writes_were_made(self) -> None:
        assert self.records.get("churn").revision == 1 + self.writes

    @invariant()
    def one_lease_at_most_is_good_for_a_write(self) -> None:
        assert len([lease for each in self.competitors for lease in each.ever_held if self.is_good(lease)]) == (
            self.valid is not None
        )

    def is_good(self, lease: Lease) -> bool:
        """Whether the table would take a write under it; nothing is written."""
        try:
            self.dynamodb.transact_write_items(TransactItems=[{"ConditionCheck": held_condition(TABLE, lease)}])
        except self.dynamodb.exceptions.TransactionCanceledException:
            return False
        return True

    def change_with(self, lease: Lease) -> None:
        self.records.change(
            "churn", lambda before: counted_up(before, 1), by=lease.holder, action="set", reason="", lease=lease
        )

    def any_of(self, who: int, which: float) -> Lease | None:
        held = self.competitors[who].ever_held
        return held[int(which * len(held))] if held else None

    def note_change(self) -> None:
        for competitor in self.competitors:
            competitor.changed_at = competitor.clock()

    def teardown(self) -> None:
        self.mock.stop()


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    # To make a failing run shorter, it would be run for minutes more.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
