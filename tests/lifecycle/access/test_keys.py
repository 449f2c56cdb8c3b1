"""Keys in the table: how many, until when, and what two people do to one at the same time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contract import access
from contract.access import InvalidRecord
from ops.keys import LONGEST_OVERLAP, ApiKeys, KeyChanged, KeyRefused, NoKey, State, TooManyKeys, id_in, state_of
from ops.platform import Platform
from serving.access.keys import KeyRing
from serving.access.source import KeyTable
from serving.messages import Refused
from tests.lifecycle.access.stored import KEYS

NOW = 1_800_000_000
DAY = 86_400


class Clock:
    """Unix time that only tests move."""

    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(platform: Platform, clock: Clock) -> ApiKeys:
    return ApiKeys(platform.dynamodb, KEYS, now=clock)


def issue(keys: ApiKeys, user: str = "ada", **given: Any) -> tuple[str, access.ApiKeyRecord]:
    return keys.issue(**({"user_id": user, "scopes": ["churn"]} | given))


def ring_of(platform: Platform) -> KeyRing:
    """The table as a pod reads it."""
    ring = KeyRing()
    ring.replace(KeyTable(platform.dynamodb, KEYS)())
    return ring


def items(platform: Platform) -> list[Any]:
    return platform.dynamodb.scan(TableName=KEYS)["Items"]


def test_a_pod_takes_a_new_key_and_the_table_holds_nothing_of_its_secret(platform: Platform, keys: ApiKeys) -> None:
    key, record = issue(keys, requests_per_minute=7)
    verified = ring_of(platform).verify(key, NOW)
    assert verified.principal.user_id == "ada"
    assert verified.principal.requests_per_minute == 7
    assert key.rpartition("_")[2] not in str(items(platform))
    assert keys.get(record.key_id) == record


def test_a_user_has_ten_good_keys_at_most_and_ended_ones_do_not_count(
    platform: Platform, keys: ApiKeys, clock: Clock
) -> None:
    issue(keys, expires_at=NOW + DAY)
    _, revoked = issue(keys)
    keys.revoke(revoked.key_id)
    clock.now += 2 * DAY
    for _ in range(access.MOST_KEYS_PER_USER):
        issue(keys)
    before = items(platform)
    with pytest.raises(TooManyKeys, match="ada has 10 good keys, 10 are allowed: revoke one"):
        issue(keys)
    assert items(platform) == before
    issue(keys, user="bob")


def test_an_expiry_in_the_past_is_refused_before_anything_is_written(platform: Platform, keys: ApiKeys) -> None:
    with pytest.raises(KeyRefused, match="in the past"):
        issue(keys, expires_at=NOW)
    assert items(platform) == []


def test_a_write_whose_answer_was_lost_still_gives_the_key(
    platform: Platform, keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = platform.dynamodb.put_item

    def put_twice(**given: Any) -> Any:
        put(**given)
        return put(**given)

    monkeypatch.setattr(platform.dynamodb, "put_item", put_twice)
    key, record = issue(keys)
    assert ring_of(platform).verify(key, NOW).principal.key_id == record.key_id
    assert len(items(platform)) == 1


def test_keys_are_found_by_user_and_all_of_them_newest_first(keys: ApiKeys, clock: Clock) -> None:
    _, first = issue(keys)
    clock.now += 1
    _, second = issue(keys, user="bob")
    clock.now += 1
    _, third = issue(keys)
    assert keys.of_user("ada").records == (third, first)
    assert keys.all().records == (third, second, first)
    assert keys.all(user_id="bob").records == (second,)


def test_an_item_that_is_no_key_is_named_and_hides_no_other(platform: Platform, keys: ApiKeys) -> None:
    _, record = issue(keys)
    platform.dynamodb.put_item(
        TableName=KEYS, Item={access.HASH_KEY: {"S": "broken"}, access.USER_INDEX_HASH_KEY: {"S": "ada"}}
    )
    found = keys.of_user("ada")
    assert found.records == (record,)
    assert found.unreadable == ("broken",)


def test_a_revoked_key_is_refused_and_its_first_revocation_stands(
    platform: Platform, keys: ApiKeys, clock: Clock
) -> None:
    key, record = issue(keys)
    revoked, changed = keys.revoke(record.key_id, "it was in a log")
    assert changed
    assert state_of(revoked, NOW) is State.REVOKED
    clock.now += DAY
    again, changed = keys.revoke(record.key_id, "another reason")
    assert not changed
    assert again == revoked == keys.get(record.key_id)
    assert again.revoked_reason == "it was in a log"
    with pytest.raises(Refused, match="revoked"):
        ring_of(platform).verify(key, NOW)


def test_two_who_revoke_at_once_leave_the_first_ones_reason(keys: ApiKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    _, record = issue(keys)
    get = keys.get

    def get_and_be_overtaken(key_id: str) -> access.ApiKeyRecord:
        found = get(key_id)
        monkeypatch.setattr(keys, "get", get)
        keys.revoke(key_id, "first")
        return found

    monkeypatch.setattr(keys, "get", get_and_be_overtaken)
    revoked, changed = keys.revoke(record.key_id, "second")
    assert not changed
    assert revoked.revoked_reason == "first"


def test_revoking_never_makes_an_item_of_a_key_that_was_deleted_meanwhile(
    platform: Platform, keys: ApiKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, record = issue(keys)
    get = keys.get

    def get_and_delete(key_id: str) -> access.ApiKeyRecord:
        found = get(key_id)
        monkeypatch.setattr(keys, "get", get)
        keys.delete(key_id)
        return found

    monkeypatch.setattr(keys, "get", get_and_delete)
    with pytest.raises(NoKey):
        keys.revoke(record.key_id)
    assert items(platform) == []


@pytest.mark.parametrize("reason", ["", "two\nlines", "x" * 201])
def test_a_reason_is_one_short_line(platform: Platform, keys: ApiKeys, reason: str) -> None:
    _, record = issue(keys)
    with pytest.raises(InvalidRecord, match="1 to 200 characters on one line"):
        keys.revoke(record.key_id, reason)
    assert keys.get(record.key_id) == record


@pytest.mark.parametrize("key_id", ["aaaaaaaaaaaa", "", "nonsense", "sml_aaaaaaaaaaaa"])
def test_a_key_that_is_not_there_cannot_be_revoked(keys: ApiKeys, key_id: str) -> None:
    with pytest.raises(NoKey, match="serveml key list"):
        keys.revoke(key_id)


def test_after_a_rotation_both_keys_are_good_until_the_overlap_is_over(
    platform: Platform, keys: ApiKeys, clock: Clock
) -> None:
    old_key, old = issue(keys, scopes=["churn", "fraud"], requests_per_minute=9, expires_at=NOW + 90 * DAY)
    clock.now += 80 * DAY
    new_key, new, ending = keys.rotate(old.key_id, timedelta(hours=24))
    assert (new.user_id, new.scopes, new.requests_per_minute) == (old.user_id, old.scopes, 9)
    assert new.expires_at == clock.now + 90 * DAY
    assert keys.get(old.key_id) == ending
    ring = ring_of(platform)
    assert ring.verify(new_key, clock.now).principal.key_id == new.key_id
    assert ring.verify(old_key, clock.now + DAY - 1).principal.key_id == old.key_id
    with pytest.raises(Refused, match="expired"):
        ring.verify(old_key, clock.now + DAY)


def test_a_rotation_never_lengthens_the_old_keys_life(keys: ApiKeys) -> None:
    _, old = issue(keys, expires_at=NOW + 60)
    _, _, ending = keys.rotate(old.key_id, timedelta(hours=24))
    assert ending.expires_at == NOW + 60


def test_a_key_without_an_end_is_replaced_by_one_without_unless_a_lifetime_is_given(keys: ApiKeys) -> None:
    _, old = issue(keys)
    _, new, _ = keys.rotate(old.key_id, timedelta(hours=1))
    assert new.expires_at is None
    _, newest, _ = keys.rotate(new.key_id, timedelta(hours=1), lifetime=timedelta(days=1))
    assert newest.expires_at == NOW + DAY


def test_a_user_with_all_keys_can_rotate_one_but_not_go_on_collecting(keys: ApiKeys) -> None:
    records = [issue(keys)[1] for _ in range(access.MOST_KEYS_PER_USER)]
    keys.rotate(records[0].key_id, timedelta(hours=1))
    with pytest.raises(TooManyKeys):
        keys.rotate(records[1].key_id, timedelta(hours=1))


@pytest.mark.parametrize("overlap", [timedelta(0), LONGEST_OVERLAP + timedelta(seconds=1)])
def test_an_overlap_out_of_bounds_is_refused(platform: Platform, keys: ApiKeys, overlap: timedelta) -> None:
    _, old = issue(keys)
    with pytest.raises(KeyRefused, match="from a second to 30 days"):
        keys.rotate(old.key_id, overlap)
    assert keys.all().records == (old,)


def test_a_revoked_key_hands_on_no_rights(keys: ApiKeys) -> None:
    _, old = issue(keys)
    revoked, _ = keys.revoke(old.key_id)
    with pytest.raises(KeyRefused, match="is revoked and has no rights to hand on"):
        keys.rotate(old.key_id, timedelta(hours=1))
    assert keys.all().records == (revoked,)


def test_a_key_revoked_during_a_rotation_gets_no_successor(
    keys: ApiKeys, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, old = issue(keys)
    write = platform.dynamodb.transact_write_items

    def revoke_first(**given: Any) -> Any:
        keys.revoke(old.key_id)
        return write(**given)

    monkeypatch.setattr(platform.dynamodb, "transact_write_items", revoke_first)
    with pytest.raises(KeyChanged, match="somebody else"):
        keys.rotate(old.key_id, timedelta(hours=1))
    (left,) = keys.all().records
    assert left.key_id == old.key_id
    assert state_of(left, NOW) is State.REVOKED


def test_a_key_is_known_by_its_id_its_beginning_and_the_whole_of_it() -> None:
    key, record = access.issue(user_id="ada", scopes=["churn"], now=NOW)
    assert {id_in(key), id_in(f"sml_{record.key_id}"), id_in(record.key_id)} == {record.key_id}
