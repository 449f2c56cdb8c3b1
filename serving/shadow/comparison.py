"""How far a version's answer is from the one that was given: arrays by name against arrays by name.

Pure: what is counted of it, and what a disagreement leads to, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serving.model import Array

ABSOLUTE_TOLERANCE = 1e-3
"""Scores are read to two or three digits: below it, no threshold that a person set tells two answers apart."""
RELATIVE_TOLERANCE = 1e-2
"""Of the given answer, for sums and amounts. A version trained anew moves them by a little, a broken one by a lot."""


@dataclass(frozen=True, kw_only=True)
class OutputDifference:
    """One output's rows beside those that were given. A label has no distance: it is the same or it is not."""

    name: str
    differing_rows_percent: float
    largest_absolute: float | None = None
    """Of numbers with a fraction: infinite where only one of the two is a number. None where there is none to tell."""
    largest_relative: float | None = None
    """To the given answer: infinite where that is 0 and the other is not."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An answer beside the one that was given, output by output."""

    outputs: tuple[OutputDifference, ...]

    @property
    def differs(self) -> bool:
        return any(output.differing_rows_percent for output in self.outputs)

    @property
    def largest_absolute(self) -> float | None:
        """Over all outputs that are numbers with a fraction."""
        known = [output.largest_absolute for output in self.outputs if output.largest_absolute is not None]
        return max(known, default=None)


def compare(given: Mapping[str, Array], other: Mapping[str, Array]) -> Comparison:
    """Every output that was given, beside the other answer's. What only the other answers is passed over."""
    return Comparison(outputs=tuple(_output(name, array, other.get(name)) for name, array in given.items()))


def _output(name: str, given: Array, other: Array | None) -> OutputDifference:
    if other is None or given.shape != other.shape or _has_fractions(given) is not _has_fractions(other):
        return OutputDifference(name=name, differing_rows_percent=100.0)
    if given.size == 0:
        return OutputDifference(name=name, differing_rows_percent=0.0)
    if not _has_fractions(given):
        return OutputDifference(name=name, differing_rows_percent=_percent_of_rows(_by_row(given) != _by_row(other)))
    # Half precision overflows where its differences are large.
    expected, found = _by_row(given).astype(np.float64), _by_row(other).astype(np.float64)
    absolute, relative = _distances(expected, found)
    beyond = absolute > ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * np.abs(expected)
    return OutputDifference(
        name=name,
        # An infinite answer allows for any difference, but one that is infinite itself is none that a share allows.
        differing_rows_percent=_percent_of_rows(beyond | np.isinf(absolute)),
        largest_absolute=float(absolute.max()),
        largest_relative=float(relative.max()),
    )


def _distances(
    expected: npt.NDArray[np.float64], found: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Absolute and relative, value by value; NaN is as far from NaN as 1 is from 1."""
    same = (expected == found) | (np.isnan(expected) & np.isnan(found))
    with np.errstate(all="ignore"):
        absolute = np.abs(expected - found)
        relative = absolute / np.abs(expected)
    for distance in (absolute, relative):
        distance[np.isnan(distance)] = np.inf
        distance[same] = 0.0
    return absolute, relative


def _by_row(array: Array) -> Array:
    """In two dimensions; a value without any is a row of its own."""
    return array.reshape(len(array) if array.ndim else 1, -1)


def _percent_of_rows(values: npt.NDArray[np.bool_]) -> float:
    """The share of rows with one or more such values."""
    return 100.0 * float(values.any(axis=1).mean())


def _has_fractions(array: Array) -> bool:
    return array.dtype.kind == "f"
