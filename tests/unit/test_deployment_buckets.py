"""How users are told apart: each has a bucket, which stays his and is as likely as any other."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.deployment import BUCKETS, bucket

texts = st.text(max_size=30)
GOLDEN_BUCKETS = {
    ("churn", b"user-1"): 9019,
    ("churn", b"user-2"): 7748,
    ("c-0001", b"user-1"): 6000,
    ("c-0001", b""): 1303,
    ("", b"user-1"): 6041,
    ("né", "ünï".encode()): 4941,
}


class TestBuckets:
    def test_a_user_stays_where_he_is_from_release_to_release(self) -> None:
        assert {asked: bucket(*asked) for asked in GOLDEN_BUCKETS} == GOLDEN_BUCKETS

    @given(texts, st.binary(max_size=200))
    def test_every_key_has_one_of_the_buckets(self, salt: str, key: bytes) -> None:
        assert 0 <= bucket(salt, key) < BUCKETS
        assert bucket(salt, key) == bucket(salt, key)

    @pytest.mark.parametrize("salt", ["churn", "fraud", "canary-8f3a"])
    def test_users_are_spread_evenly(self, salt: str) -> None:
        users, cells = 200_000, 100
        found = Counter(bucket(salt, b"user-%d" % number) * cells // BUCKETS for number in range(users))
        assert chi_square([found[cell] for cell in range(cells)]) < CHI_SQUARE_99_9[cells - 1]

    def test_users_of_a_single_percent_are_spread_evenly_too(self) -> None:
        found = Counter(place for number in range(400_000) if (place := bucket("churn", b"%d" % number)) < 100)
        assert chi_square([found[place] for place in range(100)]) < CHI_SQUARE_99_9[99]

    def test_two_trials_take_users_independently(self) -> None:
        """What share of the first trial's tenth is in the second's tenth says nothing of the first."""
        users = [b"user-%d" % number for number in range(100_000)]
        both = Counter(
            (bucket("trial-1", user) * 10 // BUCKETS, bucket("trial-2", user) * 10 // BUCKETS) for user in users
        )
        assert chi_square([both[one, other] for one in range(10) for other in range(10)]) < CHI_SQUARE_99_9[99]


CHI_SQUARE_99_9 = {99: 148.23}
"""By degrees of freedom: what evenly spread counts exceed once in a thousand times."""


def chi_square(counts: list[int]) -> float:
    expected = sum(counts) / len(counts)
    return sum((count - expected) ** 2 for count in counts) / expected
