"""Lengths of time as operators write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from ops.durations import InvalidDuration, parse


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
