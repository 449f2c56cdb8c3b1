"""Which controller acts: never two at once, never nobody for long, whatever their clocks say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.moto_server import MotoServer
from ops.rollout.lease import SECONDS, Lease, Leases
from ops.rollout.records import Records
from tests.lifecycle.clock import Clock
from tests.lifecycle.table import TABLE, churn
from tests.lifecycle.writers import take_turns_together


@pytest.fixture
def leases(dynamodb: Any) -> Callable[[Clock], Leases]:
    return lambda clock: Leases(dynamodb, TABLE, "default", clock=clock)


class TestOneLease:
    def test_a_free_lease_is_taken_at_once_and_then_by_nobody_else(self, leases: Callable[[Clock], Leases]) -> None:
        mine = leases(Clock()).acquire("churn", "me")
        assert mine is not None
        assert (mine.holder, mine.token) == ("me", 1)
        assert leases(Clock()).acquire("churn", "you") is None

    def test_holders_without_a_name_are_told_apart(self, leases: Callable[[Clock], Leases]) -> None:
        one, other = leases(Clock()).acquire("churn"), leases(Clock()).acquire("fraud")
        assert one is not None
        assert other is not None
        assert one.holder != other.holder

    def test_a_released_lease_is_free_at_once_under_the_next_number(self, leases: Callable[[Clock], Leases]) -> None:
        first = leases(Clock())
        mine = first.acquire("churn", "me")
        assert mine is not None
        assert first.release(mine)
        yours = leases(Clock()).acquire("churn", "you")
        assert yours is not None
        assert yours.token == mine.token + 1

    def test_an_abandoned_lease_is_taken_after_its_length_by_the_watchers_own_clock(
        self, leases: Callable[[Clock], Leases]
    ) -> None:
        assert leases(Clock()).acquire("churn", "gone") is not None
        clock = Clock(began=1e6)
        watcher = leases(clock)
        assert watcher.acquire("churn", "me") is None
        clock.pass_(SECONDS - 0.01)
        assert watcher.acquire("churn", "me") is None
        clock.pass_(0.01)
        taken = watcher.acquire("churn", "me")
        assert taken is not None
        assert taken.token == 2

    def test_a_renewal_begins_the_wait_anew(self, leases: Callable[[Clock], Leases]) -> None:
        holder = leases(Clock())
        mine = holder.acquire("churn", "me")
        assert mine is not None
        clock = Clock()
        watcher = leases(clock)
        for _ in range(4):
            assert watcher.acquire("churn", "you") is None
            assert holder.renew(mine)
            clock.pass_(SECONDS)
        assert watcher.acquire("churn", "you") is None
        clock.pass_(SECONDS)
        assert watcher.acquire("churn", "you") is not None

    def test_who_lost_the_lease_can_neither_renew_nor_release_it(self, leases: Callable[[Clock], Leases]) -> None:
        old = leases(Clock())
        mine = old.acquire("churn", "same name")
        assert mine is not None
        old.release(mine)
        yours = leases(Clock()).acquire("churn", "same name")
        assert yours is not None
        assert not old.renew(mine)
        assert not old.release(mine)
        assert leases(Clock()).renew(yours)

    def test_deployments_and_tenants_have_leases_of_their_own(self, dynamodb: Any) -> None:
        tenants = [Leases(dynamodb, TABLE, tenant) for tenant in ("default", "acme")]
        assert all(leases.acquire(name) is not None for leases in tenants for name in ("churn", "fraud"))

    def test_two_that_see_the_same_abandoned_lease_do_not_both_get_it(
        self, dynamodb: Any, leases: Callable[[Clock], Leases], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert leases(Clock()).acquire("churn", "gone") is not None
        clock = Clock()
        slow, fast = leases(clock), leases(clock)
        assert slow.acquire("churn") is None
        assert fast.acquire("churn") is None
        clock.pass_(SECONDS)
        write, taken = dynamodb.put_item, list[Lease | None]()

        def put_item(**arguments: Any) -> Any:
            monkeypatch.setattr(dynamodb, "put_item", write)
            # Between the slow one's look and its write.
            taken.append(fast.acquire("churn", "fast"))
            return write(**arguments)

        monkeypatch.setattr(dynamodb, "put_item", put_item)
        assert slow.acquire("churn", "slow") is None
        assert [lease and lease.holder for lease in taken] == ["fast"]


class TestInTheWayOfATransaction:
    """DynamoDB turns a write away while a transaction is at work on the same item."""

    @pytest.fixture
    def turned_away(self, dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, int], list[str]]]:
        def set_up(operation: str, times: int) -> list[str]:
            met: list[str] = []
            write = getattr(dynamodb, operation)

            def turn_away(**arguments: Any) -> Any:
                if len(met) == times:
                    return write(**arguments)
                met.append(operation)
                raise ClientError({"Error": {"Code": "TransactionConflictException"}}, operation)

            monkeypatch.setattr(dynamodb, operation, turn_away)
            return met

        return set_up

    def test_a_holder_keeps_its_lease(
        self, leases: Callable[[Clock], Leases], turned_away: Callable[[str, int], list[str]]
    ) -> None:
        holder = leases(Clock())
        mine = holder.acquire("churn")
        assert mine is not None
        met = turned_away("update_item", 2)
        assert holder.renew(mine)
        assert len(met) == 2

    def test_a_free_lease_is_taken_all_the_same(
        self, leases: Callable[[Clock], Leases], turned_away: Callable[[str, int], list[str]]
    ) -> None:
        turned_away("put_item", 1)
        assert leases(Clock()).acquire("churn") is not None

    def test_what_does_not_end_is_an_error_and_no_lost_lease(
        self, leases: Callable[[Clock], Leases], turned_away: Callable[[str, int], list[str]]
    ) -> None:
        holder = leases(Clock())
        mine = holder.acquire("churn")
        assert mine is not None
        turned_away("update_item", 1000)
        with pytest.raises(ClientError):
            holder.renew(mine)


WRITERS, TURNS_EACH = 4, 10


def test_processes_that_race_for_a_lease_hold_it_one_after_the_other(server: MotoServer, shared_table: Any) -> None:
    records = Records(shared_table, TABLE)
    records.create(churn(), action="create", reason="first")
    tokens = take_turns_together(server.endpoint, "churn", WRITERS, TURNS_EACH)
    turns = WRITERS * TURNS_EACH
    # Every number was given to one of them, and each wrote once under it.
    assert sorted(token for own in tokens for token in own) == list(range(1, turns + 1))
    assert all(own == sorted(own) for own in tokens)
    written = [(entry.reason, entry.by) for entry in records.history("churn")][-2::-1]
    holders = {token: f"holder-{holder}" for holder, own in enumerate(tokens) for token in own}
    assert written == [(str(token), holders[token]) for token in range(1, turns + 1)]
