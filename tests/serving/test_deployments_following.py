"""How a worker follows records through whatever the table does: late, away, unreadable, or not to be written to."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from contract import deployment as documents
from contract import registry
from contract.deployment import replace
from serving.deployments.deployments import Deployments
from serving.deployments.following import Follower
from serving.deployments.table import DeploymentTable, Read, TableAway
from tests.lifecycle.table import V1, V2, churn, create_table, dynamodb_at
from tests.serving.followed_table import NAME, SOON_SECONDS, Counts, Holder, Table, moved, read, wait_until
from tests.serving.process import PATIENCE_SECONDS

Follow = Callable[..., tuple[Follower, Deployments, Holder, Counts]]


@pytest.fixture
def follow(tmp_path: Path) -> Iterator[Follow]:
    """Follows a table from now on; ends when the test does."""
    followers: list[Follower] = []

    def run(table: Table | Callable[[], Table]) -> tuple[Follower, Deployments, Holder, Counts]:
        holder, counts = Holder(), Counts()
        deployments = Deployments([holder], tmp_path, counts)
        follower = Follower(
            (lambda: table) if isinstance(table, Table) else table,
            [NAME],
            deployments,
            pod="pod-1",
            worker=0,
            every_seconds=SOON_SECONDS,
            counts=counts,
        )
        followers.append(follower)
        follower.start()
        return follower, deployments, holder, counts

    yield run
    for follower in followers:
        follower.stop()
        follower.join(PATIENCE_SECONDS)


def test_an_error_that_nobody_thought_of_does_not_end_the_following(follow: Follow) -> None:
    table = Table(read(churn()), RuntimeError("unheard of"))
    _, deployments, _, counts = follow(table)
    wait_until(lambda: counts.times_away > 0)
    assert deployments.routings[NAME].stable == str(V1)
    table.then(read(moved(churn())))
    wait_until(lambda: deployments.routings[NAME].stable == str(V2))


def test_a_table_that_cannot_be_opened_is_away_and_tried_again(follow: Follow) -> None:
    tries: list[None] = []

    def opened() -> Table:
        tries.append(None)
        if len(tries) < 3:
            raise RuntimeError("no region")
        return Table(read(churn()))

    follower, deployments, _, _ = follow(opened)
    wait_until(follower.settled(NAME).is_set)
    wait_until(lambda: NAME in deployments.routings)


def test_an_older_copy_of_the_record_changes_nothing(follow: Follow) -> None:
    newer = moved(churn())
    table = Table(read(newer), read(churn()))
    _, _, holder, _ = follow(table)
    wait_until(lambda: table.reads > 3)
    assert holder.records == [newer]


def test_a_record_made_anew_counts_from_one_again(follow: Follow) -> None:
    old = moved(churn())
    new = replace(churn(), created_at=old.created_at.replace(year=old.created_at.year + 1))
    table = Table(read(old))
    _, deployments, _, _ = follow(table)
    wait_until(lambda: NAME in deployments.routings)
    table.then(read(new))
    wait_until(lambda: deployments.routings[NAME].stable == str(V1))


def test_a_record_that_is_refused_is_told_once_and_the_last_one_stays(
    follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    table = Table(read(churn()), Read({}, {NAME: "it has no weights"}))
    with caplog.at_level(logging.ERROR):
        _, deployments, _, _ = follow(table)
        wait_until(lambda: table.reads > 6)
    assert [record.getMessage() for record in caplog.records] == [
        "the deployment churn is refused, what was read last stays: it has no weights"
    ]
    assert deployments.routings[NAME].stable == str(V1)


def test_a_restart_that_meets_a_refused_record_goes_on_with_the_one_on_disk(follow: Follow) -> None:
    before, _, _, _ = follow(Table(read(churn())))
    wait_until(before.settled(NAME).is_set)
    follower, restarted, _, _ = follow(Table(Read({}, {NAME: "it has no weights"})))
    wait_until(follower.settled(NAME).is_set)
    assert restarted.routings[NAME].stable == str(V1)


def test_a_refused_record_with_nothing_on_disk_settles_nothing_until_it_can_be_read(
    follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    table = Table(Read({}, {NAME: "it has no weights"}))
    with caplog.at_level(logging.ERROR):
        follower, deployments, _, _ = follow(table)
        wait_until(lambda: table.reads > 3)
    assert not follower.settled(NAME).is_set()
    assert deployments.routings == {}
    assert [record.getMessage() for record in caplog.records] == [
        "the deployment churn is refused, its model waits for another: it has no weights"
    ]
    table.then(read(churn()))
    wait_until(follower.settled(NAME).is_set)
    assert deployments.routings[NAME].stable == str(V1)


def test_a_table_that_is_away_with_nothing_on_disk_settles_nothing(follow: Follow) -> None:
    table = Table(RuntimeError("away"))
    follower, _, _, counts = follow(table)
    wait_until(lambda: counts.times_away > 1)
    assert not follower.settled(NAME).is_set()
    table.then(read(churn()))
    wait_until(follower.settled(NAME).is_set)


def test_a_model_without_a_record_is_settled_by_the_tables_answer(follow: Follow) -> None:
    follower, deployments, _, _ = follow(Table(Read({}, {})))
    wait_until(follower.settled(NAME).is_set)
    assert deployments.routings == {}


def test_what_cannot_be_reported_is_counted_and_told_once_and_the_records_are_followed(
    follow: Follow, caplog: pytest.LogCaptureFixture
) -> None:
    table = Table(read(churn()))
    table.read_only = True
    _, deployments, _, counts = follow(table)
    with caplog.at_level(logging.WARNING):
        wait_until(lambda: counts.times_unreported > 3)
        table.then(read(moved(churn())))
        wait_until(lambda: deployments.routings[NAME].stable == str(V2))
    told = [record.getMessage() for record in caplog.records if "eport" in record.getMessage()]
    assert len(told) <= 1
    assert not [record for record in caplog.records if "again" in record.getMessage()]
    assert counts.times_away == 0
    table.read_only = False
    wait_until(lambda: bool(table.reports) and table.reports[-1].revision == 2)


def test_the_end_of_a_worker_takes_its_report_away(follow: Follow) -> None:
    table = Table(read(churn()))
    follower, _, _, _ = follow(table)
    wait_until(lambda: bool(table.reports))
    follower.stop()
    follower.join(PATIENCE_SECONDS)
    assert table.reports == []


def test_a_record_on_disk_never_takes_the_place_of_one_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, counts = Holder(), Counts()
    Deployments([holder], tmp_path, counts).follow(NAME, churn())
    deployments = Deployments([holder], tmp_path, counts)
    arriving = threading.Thread(target=deployments.follow, args=(NAME, moved(churn())))
    decode = documents.decode

    def slowly(data: bytes | str, kind: type[Any]) -> Any:
        arriving.start()
        # Long enough for it to be followed in this moment, if that were possible.
        arriving.join(0.2)
        return decode(data, kind)

    monkeypatch.setattr(documents, "decode", slowly)
    deployments.begin_kept([NAME])
    arriving.join(PATIENCE_SECONDS)
    assert deployments.routings[NAME].stable == str(V2)
    assert holder.records[-1].stable == V2


@pytest.fixture
def dynamodb(endpoint: str) -> Any:
    return dynamodb_at(endpoint)


class Throttled:
    """A table that leaves some keys for later, as one does that has too much to do."""

    class Meta:
        region_name = "us-east-1"

    meta = Meta()

    def __init__(self, dynamodb: Any, put_off: int) -> None:
        self._dynamodb = dynamodb
        self._put_off = put_off

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> Any:
        if self._put_off > 0:
            self._put_off -= 1
            return {"Responses": {}, "UnprocessedKeys": RequestItems}
        return self._dynamodb.batch_get_item(RequestItems=RequestItems)


def test_a_record_that_is_put_off_is_asked_for_again_and_then_counts_as_away(dynamodb: Any) -> None:
    create_table(dynamodb, "throttled")
    record = churn()
    key = registry.deployment(record.tenant, NAME)
    document = {registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(record).decode()}}
    dynamodb.put_item(TableName="throttled", Item={**key.item, **document})
    once: Any = Throttled(dynamodb, 1)
    assert DeploymentTable(once, "throttled", record.tenant).read([NAME]).records == {NAME: record}
    often: Any = Throttled(dynamodb, 9)
    with pytest.raises(TableAway, match="the table throttled put off its answer"):
        DeploymentTable(often, "throttled", record.tenant).read([NAME])


def test_a_record_of_another_tenant_or_model_is_refused(dynamodb: Any) -> None:
    create_table(dynamodb, "mixed")
    for record, reason in (
        (churn(tenant="other"), "it is that of other/churn"),
        (replace(churn(), model="fraud"), "it is of the model fraud"),
    ):
        key = registry.deployment(documents.DEFAULT_TENANT, NAME)
        document = {registry.DOCUMENT_ATTRIBUTE: {"S": documents.encode(record).decode()}}
        dynamodb.put_item(TableName="mixed", Item={**key.item, **document})
        found = DeploymentTable(dynamodb, "mixed", documents.DEFAULT_TENANT).read([NAME])
        assert (found.records, found.refused) == ({}, {NAME: reason})
