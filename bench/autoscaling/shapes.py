"""Traffic in requests a second, second by second: shapes by formula, or recorded in a file."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from pathlib import Path

CALM_SECONDS = 300
"""Of the least traffic, before anything happens."""
_DAY_SECONDS = 24 * 3600


class BadShape(ValueError):
    """A file that is no shape; the message says where, and what is allowed."""


def surge(least: float, most: float) -> list[float]:
    """From the least to the most in a minute; it stays for ten minutes, and falls back in another."""
    rise = [least + (most - least) * second / 60 for second in range(60)]
    return [least] * CALM_SECONDS + rise + [most] * 600 + rise[::-1] + [least] * 900


def daily(least: float, most: float) -> list[float]:
    """A day that begins at its quietest moment: a narrow peak and a long night, (1 - cos)/2 to the power of two."""
    return [
        least + (most - least) * ((1 - math.cos(2 * math.pi * second / _DAY_SECONDS)) / 2) ** 2
        for second in range(_DAY_SECONDS)
    ]


def spikes(least: float, most: float) -> list[float]:
    """Four peaks that rise at once, of 30 s, 1, 2 and 5 minutes, ten quiet minutes apart."""
    traffic = [least] * CALM_SECONDS
    for seconds in (30, 60, 120, 300):
        traffic += [most] * seconds + [least] * 600
    return traffic


SHAPES: dict[str, Callable[[float, float], list[float]]] = {"surge": surge, "daily": daily, "spikes": spikes}


def recorded(file: Path) -> list[float]:
    """A CSV with the columns `second` (0, 1, 2, …) and `requests_per_second`; raises BadShape."""
    try:
        with file.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        known = ", ".join(SHAPES)
        raise BadShape(f"{file} cannot be read ({error}): give {known}, or a CSV file") from None
    traffic: list[float] = []
    for number, row in enumerate(rows):
        try:
            second, rate = int(row["second"]), float(row["requests_per_second"])
        except (KeyError, TypeError, ValueError):
            raise BadShape(
                f"{file}, row {number + 1}: write the columns second and requests_per_second, each a number"
            ) from None
        if second != number or not 0 <= rate < math.inf:
            raise BadShape(
                f"{file}, row {number + 1}: second {second} with {rate:g} requests/s was given; "
                f"seconds count from 0 without a gap, and a rate is 0 or more"
            )
        traffic.append(rate)
    if not traffic:
        raise BadShape(f"{file} holds no second of traffic: write a row for each")
    return traffic


def scaled(traffic: Sequence[float], least: float, most: float) -> list[float]:
    """The same course between other bounds."""
    low, high = min(traffic), max(traffic)
    if high == low:
        return [least] * len(traffic)
    return [least + (most - least) * (rate - low) / (high - low) for rate in traffic]
