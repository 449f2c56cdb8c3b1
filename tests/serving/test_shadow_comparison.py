"""Which answers count as the same: labels exactly, numbers within a tolerance, shapes and kinds always."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.model import Array
from serving.shadow.comparison import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE, Comparison, compare


def beside(given_values: Any, other_values: Any, dtype: Any = None) -> Comparison:
    return compare({"out": np.array(given_values, dtype)}, {"out": np.array(other_values, dtype)})


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, object, np.str_])
def test_the_same_labels_agree_and_have_no_distance(dtype: Any) -> None:
    comparison = beside([1, 0, 1], [1, 0, 1], dtype)
    assert not comparison.differs
    assert comparison.largest_absolute is None


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, object, np.str_])
def test_one_row_with_another_label_makes_an_answer_differ(dtype: Any) -> None:
    comparison = beside([1, 0, 1, 0], [1, 0, 1, 1], dtype)
    assert comparison.differs
    assert comparison.outputs[0].differing_rows_percent == 25
    assert comparison.largest_absolute is None


def test_rows_of_several_labels_count_once() -> None:
    comparison = beside([["a", "b"], ["c", "d"]], [["x", "y"], ["c", "d"]], object)
    assert comparison.outputs[0].differing_rows_percent == 50


@pytest.mark.parametrize(
    ("expected", "found", "differs"),
    [
        (0.0, ABSOLUTE_TOLERANCE * 0.99, False),
        (0.0, ABSOLUTE_TOLERANCE * 1.01, True),
        (1000.0, 1000.0 * (1 + 0.99 * RELATIVE_TOLERANCE), False),
        (1000.0, 1000.0 * (1 - 1.01 * RELATIVE_TOLERANCE), True),
        (-0.5, 0.5, True),
        (math.nan, math.nan, False),
        (math.nan, 0.0, True),
        (0.0, math.nan, True),
        (math.inf, math.inf, False),
        (math.inf, 1e300, True),
        (1e300, math.inf, True),
        (math.inf, -math.inf, True),
    ],
)
def test_numbers_may_move_by_a_thousandth_and_a_hundredth_of_themselves(
    expected: float, found: float, differs: bool
) -> None:
    assert beside([expected], [found], np.float64).differs is differs


def test_the_largest_differences_are_told_per_output_and_over_all() -> None:
    comparison = compare(
        {"label": np.array([1, 1]), "score": np.array([[0.5, 0.5], [0.2, 0.8]]), "amount": np.array([0.0, 200.0])},
        {"label": np.array([1, 1]), "score": np.array([[0.5, 0.5], [0.3, 0.7]]), "amount": np.array([0.0, 201.0])},
    )
    label, score, amount = comparison.outputs
    assert (label.largest_absolute, label.largest_relative) == (None, None)
    assert score.largest_absolute == pytest.approx(0.1)
    assert score.largest_relative == pytest.approx(0.5)
    assert score.differing_rows_percent == 50
    assert amount.largest_absolute == pytest.approx(1)
    assert amount.differing_rows_percent == 0
    assert comparison.largest_absolute == pytest.approx(1)
    assert comparison.differs


def test_a_number_beside_none_is_infinitely_far() -> None:
    [output] = beside([math.nan, 1.0], [1.0, 1.0], np.float32).outputs
    assert output.largest_absolute == math.inf
    assert output.differing_rows_percent == 50


def test_half_precision_is_compared_without_overflow() -> None:
    comparison = beside([60_000.0], [-60_000.0], np.float16)
    assert comparison.differs
    assert comparison.largest_absolute == pytest.approx(120_000, rel=0.01)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"elsewhere": np.zeros(2, np.float32)},
        {"out": np.zeros(3, np.float32)},
        {"out": np.zeros((2, 1), np.float32)},
        {"out": np.zeros(2, np.int64)},
    ],
    ids=["none", "another name", "another number of rows", "another shape", "another kind"],
)
def test_an_output_that_is_missing_or_of_another_shape_or_kind_differs(other: dict[str, Array]) -> None:
    comparison = compare({"out": np.zeros(2, np.float32)}, other)
    assert comparison.differs
    assert comparison.largest_absolute is None


def test_an_output_that_only_the_other_has_is_passed_over() -> None:
    comparison = compare({"out": np.zeros(2)}, {"out": np.zeros(2), "more": np.ones(2)})
    assert not comparison.differs


def test_another_precision_of_the_same_numbers_agrees() -> None:
    comparison = compare({"out": np.array([0.1], np.float32)}, {"out": np.array([0.1], np.float64)})
    assert not comparison.differs


@pytest.mark.parametrize("shape", [(), (0,), (0, 3)])
def test_outputs_without_rows_are_compared_too(shape: tuple[int, ...]) -> None:
    assert not compare({"out": np.zeros(shape)}, {"out": np.zeros(shape)}).differs


def test_a_single_value_counts_as_one_row() -> None:
    [output] = beside(1.0, 2.0).outputs
    assert output.differing_rows_percent == 100


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_every_answer_agrees_with_itself(values: list[float]) -> None:
    comparison = beside(values, values, np.float32)
    assert not comparison.differs
    assert comparison.largest_absolute == 0
