"""When a server is itself again after an overload."""

from __future__ import annotations

from collections.abc import Sequence

from bench.endurance.journal import Latency, Window

WINDOW_SECONDS = 0.25
STEADY_SECONDS = 3.0
"""How long all must be normal for it to count as recovered."""
_TIMES_BASELINE = 2.0
_LEAST_MARGIN_MS = 10.0


def limit_ms(baseline: Latency) -> float:
    """The P95 up to which a window is normal: what was P99 before the overload, with a margin for its few requests."""
    return max(_TIMES_BASELINE * baseline.p99_ms, baseline.p99_ms + _LEAST_MARGIN_MS)


def recovery_seconds(windows: Sequence[Window], limit_ms: float) -> float | None:
    """From the first window's start to the first of a steady row of normal ones; None when there is no such row."""
    row = round(STEADY_SECONDS / WINDOW_SECONDS)
    normal = [is_normal(window, limit_ms) for window in windows]
    for index in range(len(windows) - row + 1):
        if all(normal[index : index + row]):
            return windows[index].start - windows[0].start
    return None


def is_normal(window: Window, limit_ms: float) -> bool:
    """Everything was answered, and soon enough."""
    soon = window.latency is not None and window.latency.p95_ms <= limit_ms
    return soon and window.refused == window.failed == 0
