"""Lengths of time as operators write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ops.durations import LONGEST, InvalidDuration, parse, written


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        ("24h", timedelta(days=1)),
        (" 90d ", timedelta(days=90)),
        ("2w", timedelta(days=14)),
    ],
)
def test_a_number_and_a_unit_are_a_length_of_time(text: str, length: timedelta) -> None:
    assert parse(text) == length


@pytest.mark.parametrize("text", ["", "d", "10", "-1d", "1.5h", "1h30m", "1y", "\uff11d", "9999999999s"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidDuration, match="such as 24h"):
        parse(text)


def test_more_than_ten_years_are_refused() -> None:
    with pytest.raises(InvalidDuration, match="at most 3660d"):
        parse("3661d")
    assert parse("3660d") == LONGEST


@pytest.mark.parametrize(
    ("text", "said"),
    [("59s", "'59s' is too short: give at least 1m"), ("61m", "'61m' is too long: at most 1h are allowed")],
)
def test_narrower_bounds_are_named_as_they_would_be_written(text: str, said: str) -> None:
    with pytest.raises(InvalidDuration) as refused:
        parse(text, least=timedelta(minutes=1), most=timedelta(hours=1))
    assert str(refused.value) == said
    for bound in ("60s", "60m"):
        assert parse(bound, least=timedelta(minutes=1), most=timedelta(hours=1)) == parse(bound)


@pytest.mark.parametrize("text", ["45s", "90m", "25h", "10d", "2w"])
def test_a_length_is_written_as_it_is_read_in_the_largest_unit_that_fits(text: str) -> None:
    assert written(parse(text)) == text
