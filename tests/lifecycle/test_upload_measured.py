"""The benchmark of publishing measures real uploads, each way as often as it was asked."""

from __future__ import annotations

import pytest

from bench.publish.__main__ import BOTO3, BOTO3_DIGESTS, OURS, Round, measure, ratio


def test_every_way_is_measured_in_every_round() -> None:
    measured = measure(size_mib=17, rounds=2)
    assert {name: len(rounds) for name, rounds in measured.items()} == {OURS: 2, BOTO3: 2, BOTO3_DIGESTS: 2}
    assert all(found.seconds > 0 and found.processor_seconds > 0 for rounds in measured.values() for found in rounds)


def test_the_ratio_is_that_of_the_medians() -> None:
    def rounds(*seconds: float) -> list[Round]:
        return [Round(seconds=found, processor_seconds=1.0) for found in seconds]

    measured = {OURS: rounds(3.0, 90.0, 2.0), BOTO3: rounds(2.0, 0.1, 50.0)}
    assert ratio(measured, OURS) == pytest.approx(1.5)
