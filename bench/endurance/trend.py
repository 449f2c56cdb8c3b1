"""How fast a quantity grows, with the range in which its true slope lies in 95 of 100 cases."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
_FEWEST_INDEPENDENT = 5
"""Samples, below which no range is given."""


@dataclass(frozen=True)
class Trend:
    """Growth a minute, by least squares; no range where there are too few independent samples."""

    per_minute: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, samples: Sequence[tuple[float, float]]) -> Trend | None:
        """Of samples (second, value); None with fewer than three.

        Memory is taken and given back in steps, so neighbouring samples say much the same. The range counts them as
        as many as would be independent, from the correlation of the residuals with their neighbours.
        """
        if len(samples) < 3:
            return None
        seconds, values = [at for at, _ in samples], [value for _, value in samples]
        slope, intercept = statistics.linear_regression(seconds, values)
        residuals = [value - intercept - slope * at for at, value in samples]
        independent = len(samples) * _independent_share(residuals)
        if independent < _FEWEST_INDEPENDENT:
            return cls(slope * 60, None, None)
        middle = statistics.fmean(seconds)
        spread = math.sqrt(sum((at - middle) ** 2 for at in seconds))
        error = math.sqrt(sum(residual**2 for residual in residuals) / (independent - 2)) / spread
        reach = student_quantile((1 + CONFIDENCE) / 2, independent - 2) * error
        return cls(slope * 60, (slope - reach) * 60, (slope + reach) * 60)


def student_quantile(probability: float, freedom: float) -> float:
    """Of Student's t distribution, by the expansion about the normal one: to 1% from three degrees of freedom up."""
    z = statistics.NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))


def _independent_share(residuals: Sequence[float]) -> float:
    """Of a series in which each value resembles the one before: (1 - r) / (1 + r), r their correlation."""
    total = sum(residual**2 for residual in residuals)
    if total == 0:
        return 1.0
    neighbours = sum(a * b for a, b in itertools.pairwise(residuals))
    correlation = max(neighbours / total, 0.0)
    return (1 - correlation) / (1 + correlation)
