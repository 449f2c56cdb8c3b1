"""Tables from the operators' side: every page is read, a write in a transaction's way is made later, tries end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract import registry, versions
from contract.versions import VersionRecord
from ops import aws_errors, table
from ops.models.registry import Versions
from ops.table import made, query, scan, tries
from tests.lifecycle.table import NOW, TABLE, V1

PAGE_BYTES = 1024 * 1024
"""DynamoDB ends a page there."""


def failed(code: str, **answer: Any) -> ClientError:
    response: Any = {"Error": {"Code": code}, **answer}
    return ClientError(response, "PutItem")


def failing(*codes: str) -> tuple[Callable[[], None], list[str]]:
    """A write that fails for these reasons, one after the other, and then is made; and what it met so far."""
    met: list[str] = []

    def write() -> None:
        if len(met) < len(codes):
            met.append(codes[len(met)])
            raise failed(met[-1])

    return write, met


class TestReading:
    @pytest.fixture
    def several_pages(self, dynamodb: Any) -> list[str]:
        names = [f"d{number}" for number in range(8)]
        for name in names:
            item = {**registry.deployment("acme", name).item, "padding": {"S": "x" * (PAGE_BYTES // 3)}}
            dynamodb.put_item(TableName=TABLE, Item=item)
        dynamodb.put_item(TableName=TABLE, Item=registry.deployment("other", "d9").item)
        assert "LastEvaluatedKey" in dynamodb.scan(TableName=TABLE)
        return names

    def test_a_query_reads_every_page_in_order(self, dynamodb: Any, several_pages: list[str]) -> None:
        found = [item[registry.RANGE_KEY]["S"] for item in query(dynamodb, TABLE, registry.HASH_KEY, "acme")]
        assert found == several_pages
        back = query(dynamodb, TABLE, registry.HASH_KEY, "acme", newest_first=True)
        assert [item[registry.RANGE_KEY]["S"] for item in back] == several_pages[::-1]

    def test_a_scan_reads_every_page(self, dynamodb: Any, several_pages: list[str]) -> None:
        names = {item[registry.RANGE_KEY]["S"] for item in scan(dynamodb, TABLE)}
        assert names == {*several_pages, "d9"}


class TestWriting:
    def test_it_says_whether_the_condition_held(self) -> None:
        assert made(lambda: None)
        write, _ = failing(aws_errors.CONDITION_FAILED)
        assert not made(write)

    def test_a_write_in_a_transactions_way_is_made_later(self) -> None:
        write, met = failing(*[aws_errors.TRANSACTION_IN_THE_WAY] * 3)
        assert made(write)
        assert len(met) == 3

    def test_a_condition_that_fails_after_that_counts(self) -> None:
        write, _ = failing(aws_errors.TRANSACTION_IN_THE_WAY, aws_errors.CONDITION_FAILED)
        assert not made(write)

    @pytest.mark.parametrize("code", ["AccessDeniedException", aws_errors.TRANSACTION_IN_THE_WAY])
    def test_what_does_not_end_is_an_error(self, code: str) -> None:
        write, _ = failing(*[code] * 100)
        with pytest.raises(ClientError, match=code):
            made(write)

    def test_a_versions_record_is_written_although_a_canary_begins_on_it_at_that_moment(
        self, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        records = Versions(dynamodb, TABLE, pause=lambda _: None)
        first = VersionRecord(model="churn", version=V1, digest="d" * 64, published_at=NOW, published_by="ada")
        put, met = dynamodb.put_item, list[str]()

        def turned_away_once(**arguments: Any) -> Any:
            if len(met) % 2 == 0:
                met.append("turned away")
                raise failed(aws_errors.TRANSACTION_IN_THE_WAY)
            met.append("made")
            return put(**arguments)

        monkeypatch.setattr(dynamodb, "put_item", turned_away_once)
        assert records.create(first)
        changed = records.change("churn", V1, lambda record: versions.replace(record, git_sha="0123abc"))
        assert (changed.revision, changed.git_sha) == (2, "0123abc")
        assert met == ["turned away", "made"] * 2


class TestTries:
    def test_they_are_counted_and_each_is_followed_by_a_pause(self) -> None:
        pauses: list[float] = []
        assert list(tries(3, pauses.append)) == [0, 1, 2]
        assert len(pauses) == 3

    def test_a_try_that_succeeds_is_the_last_and_pauses_no_more(self) -> None:
        pauses: list[float] = []
        for attempt in tries(100, pauses.append):
            if attempt == 1:
                break
        assert len(pauses) == 1

    def test_the_pauses_grow_and_differ_but_are_never_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        bounds: list[tuple[float, float]] = []

        def uniform(low: float, high: float) -> float:
            bounds.append((low, high))
            return high

        monkeypatch.setattr(table.random, "uniform", uniform)
        assert len(list(tries(50, lambda _: None))) == 50
        longest = [high for _, high in bounds]
        assert longest == sorted(longest)
        assert {low for low, _ in bounds} == {0}
        assert longest[0] < longest[3] < longest[-1] <= 0.2


class TestErrors:
    def test_an_error_without_a_code_has_none(self) -> None:
        assert aws_errors.code_of(ClientError({}, "PutItem")) == ""
        assert aws_errors.code_of(failed("NoSuchKey")) == "NoSuchKey"

    def test_the_reasons_of_a_cancelled_transaction_stand_in_the_order_of_its_items(self) -> None:
        reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "no"}, {}]
        cancelled = failed(aws_errors.TRANSACTION_CANCELLED, CancellationReasons=reasons)
        assert aws_errors.cancellation_reasons(cancelled) == ["None", "ConditionalCheckFailed", "None"]
        assert aws_errors.cancellation_reasons(failed("ThrottlingException", CancellationReasons=reasons)) == []
