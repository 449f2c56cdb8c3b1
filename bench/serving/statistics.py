"""What is made of the raw figures: percentiles, medians with their spread, slopes and ratios."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of several rounds, with the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raise ValueError without a value."""
        if not values:
            raise ValueError("there is no value to take a median of: run at least one round")
        return cls(statistics.median(values), min(values), max(values))


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that `percent` of the ordered values do not exceed (nearest rank: always one that was measured)."""
    if not ordered:
        raise ValueError("there is no value to take a percentile of")
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def slope_per_minute(samples: Sequence[tuple[float, float]]) -> float:
    """How fast a quantity grows, of samples (second, value), by least squares; 0 with fewer than two of them."""
    if len(samples) < 2:
        return 0.0
    seconds, values = [at for at, _ in samples], [value for _, value in samples]
    return statistics.linear_regression(seconds, values).slope * 60


def ratio(value: float, base: float | None) -> float | None:
    """`value` in terms of `base`, or None where there is nothing to compare with."""
    return value / base if base else None
