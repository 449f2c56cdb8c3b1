"""The comparison of a converted model with its original: what passes as rounding, and what is refused with figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contract.metadata import TensorSpec
from ops.models.frameworks.agreement import compare
from ops.models.frameworks.job import Comparison, RowsFrom
from ops.models.frameworks.refusal import NotTaken

LABEL = TensorSpec(name="label", datatype="INT64", shape=(-1,))
PROBABILITIES = TensorSpec(name="probabilities", datatype="FP32", shape=(-1, 2))
VALUE = TensorSpec(name="variable", datatype="FP32", shape=(-1, 1))


def held(answer: list[Any], original: list[Any], spec: TensorSpec = VALUE) -> Comparison:
    found = np.array(answer, dtype=np.float32).reshape(-1, 1)
    return compare((spec,), {spec.name: found}, [np.array(original, dtype=np.float64)], RowsFrom.SAMPLE)


def classified(labels: list[int], original: list[int], probable: list[float]) -> Comparison:
    probabilities = np.array([[1 - one, one] for one in probable])
    answers = {"label": np.array(labels), "probabilities": probabilities.astype(np.float32)}
    return compare((LABEL, PROBABILITIES), answers, [np.array(original), probabilities], RowsFrom.MADE_UP)


def test_rounding_is_measured_against_the_value_or_the_usual_size_of_the_output() -> None:
    assert held([1000.05, 0.0], [1000.0, 0.05]).largest_difference == pytest.approx(0.05, rel=1e-3)


def test_a_difference_is_refused_with_how_many_and_how_much_and_no_value() -> None:
    with pytest.raises(NotTaken) as refused:
        held([4711.0, 2.0, 3.0], [4811.0, 2.0, 3.5])
    assert "'variable' of the converted model differs from the original on 2 of 3 sample rows" in str(refused.value)
    assert "by up to 100 where 0.0001 of the value is allowed" in str(refused.value)
    assert "4711" not in str(refused.value)


@pytest.mark.parametrize("answer", [float("nan"), float("inf")])
def test_no_number_is_another_answer_than_a_number(answer: float) -> None:
    with pytest.raises(NotTaken, match="1 of 2 sample rows"):
        held([answer, 1.0], [1.0, 1.0])
    assert held([answer, 1.0], [answer, 1.0]).largest_difference == 0


def test_labels_must_be_equal_unless_the_original_is_undecided() -> None:
    assert classified([1, 0], [1, 0], [0.9, 0.2]).undecided == 0
    assert classified([1, 1], [1, 0], [0.9, 0.5]).undecided == 1
    with pytest.raises(
        NotTaken, match="'label' of the converted model differs from the original on 1 of 2 made-up rows"
    ):
        classified([1, 1], [1, 0], [0.9, 0.4])


def test_an_output_that_nothing_was_compared_with_is_refused() -> None:
    with pytest.raises(NotTaken, match="2 outputs, the original gives 1"):
        compare((LABEL, VALUE), {}, [np.array([1])], RowsFrom.SAMPLE)
    with pytest.raises(NotTaken, match=r"answers \[2, 1\], the original \[2, 3\]"):
        held([1, 2], [[1, 2, 3], [4, 5, 6]])
