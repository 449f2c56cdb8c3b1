"""What becomes of a second's requests: all ready pods as one queue, in which nobody waits longer than is allowed.

Requests are a steady flow within the second, so the queue grows or falls along a straight line and everything is exact.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Served:
    """Requests of one second, and those that wait at its end."""

    answered: float
    refused: float
    late: float
    """Of the answered, those beyond the objective."""
    waiting: float


def serve(
    arriving: float, capacity: float, waiting: float, *, wait_seconds: float, work_seconds: float, late_seconds: float
) -> Served:
    """One second with `arriving` requests, pods that answer `capacity`, and `waiting` from before.

    A request is refused when it would wait longer than `wait_seconds`; it takes `work_seconds` once it has its turn.
    """
    if capacity <= 0:
        return Served(answered=0.0, refused=arriving + waiting, late=0.0, waiting=0.0)
    most = capacity * wait_seconds
    # Pods went, and with them their queues' room.
    lost = max(waiting - most, 0.0)
    start = waiting - lost
    growth = arriving - capacity
    full_after = (most - start) / growth if growth > 0 else 1.0
    refused = growth * max(1.0 - full_after, 0.0)
    end = min(max(start + growth, 0.0), most)
    # Those who come while the queue is longer than this are late.
    longest = (late_seconds - work_seconds) * capacity
    late = (arriving - refused) * _share_above(start, start + growth, most, longest)
    return Served(answered=start + arriving - refused - end, refused=refused + lost, late=late, waiting=end)


def _share_above(start: float, end: float, most: float, level: float) -> float:
    """For what share of the second a line from `start` to `end`, kept at `most` and above 0, is above the level."""
    if level < 0:
        return 1.0
    if level >= most:
        return 0.0
    if start == end:
        return 1.0 if start > level else 0.0
    crossing = min(max((level - start) / (end - start), 0.0), 1.0)
    return 1.0 - crossing if end > start else crossing
