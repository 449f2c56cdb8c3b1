"""How long runs of a model take, and from that how long a request would wait: measured at load, corrected in use."""

from __future__ import annotations

from dataclasses import dataclass

MEASURED_ROWS = 16
"""Rows of the larger of the two runs that are timed at load."""

# How much the latest run counts: some ten runs make up the figure.
_WEIGHT = 0.2


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A run takes `run_seconds`, and `row_seconds` more for each row in it."""

    run_seconds: float
    row_seconds: float

    @classmethod
    def measured(cls, one_row_seconds: float, batch_gain: float) -> Cost:
        """From a run of one row, and how many times faster a row is in a run of MEASURED_ROWS."""
        if one_row_seconds <= 0 or batch_gain <= 0:
            raise ValueError(f"{one_row_seconds} s a row and a gain of {batch_gain} were given: both must exceed 0")
        together = MEASURED_ROWS * one_row_seconds / batch_gain
        # Measured times scatter: a row costs no less than nothing, and no more than a run of it alone.
        row = min(max((together - one_row_seconds) / (MEASURED_ROWS - 1), 0.0), one_row_seconds)
        return cls(run_seconds=one_row_seconds - row, row_seconds=row)

    def seconds(self, runs: float, rows: float) -> float:
        return self.run_seconds * runs + self.row_seconds * rows


class Estimate:
    """What waits, in seconds. The processor is shared and requests differ in shape, so recent runs have a say."""

    def __init__(self, cost: Cost, rows_per_run: int) -> None:
        self._cost = cost
        self._rows_per_run = float(rows_per_run)
        self._pace = 1.0

    def run_seconds(self, rows: int) -> float:
        """How long a run of so many rows should take."""
        return self._pace * self._cost.seconds(1, rows)

    def wait_seconds(self, rows: int) -> float:
        """How long a request waits behind so many rows: for the full runs before its own."""
        runs = rows // self._rows_per_run
        return self._pace * self._cost.seconds(runs, runs * self._rows_per_run)

    def learn(self, rows: int, seconds: float, *, left_some: bool) -> None:
        """Take a run into account; only one that left something waiting shows how many rows go into a run."""
        expected = self._cost.seconds(1, rows)
        self._pace += _WEIGHT * (seconds / expected - self._pace)
        if left_some:
            self._rows_per_run += _WEIGHT * (rows - self._rows_per_run)
