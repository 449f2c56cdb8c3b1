"""The standard `process_*` metrics, over all of the container's processes, from what Linux says in /proc."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = resource.getpagesize()
_READS = 3
"""How often the processor times are read until no worker ended in between."""


class Process(NamedTuple):
    """What /proc/<pid>/stat tells; see proc_pid_stat(5)."""

    cpu_ticks: int
    ended_children_cpu_ticks: int
    started_ticks: int
    """After the machine's start."""
    virtual_bytes: int
    resident_bytes: int
    open_fds: int


def read(pid: int) -> Process | None:
    """None if there is no such process, or none of ours."""
    try:
        line = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything; the third field comes after it.
    fields = line[line.rindex(b")") + 2 :].split()
    user, system, children_user, children_system = map(int, fields[11:15])
    return Process(
        user + system,
        children_user + children_system,
        int(fields[19]),
        int(fields[20]),
        int(fields[21]) * _PAGE_BYTES,
        _open_fds(pid),
    )


def collect(owner: int, workers: Iterable[int]) -> Iterator[Metric]:
    """`owner` started the workers, or is the only one. Without /proc there is nothing to tell."""
    pids = sorted({owner, *workers})
    found, cpu_ticks = _together(owner, pids)
    if not found:
        return
    yield CounterMetricFamily(
        "process_cpu_seconds_total",
        "User and system time of all processes, those that ended included",
        cpu_ticks / _TICKS_PER_SECOND,
    )
    yield GaugeMetricFamily(
        "process_start_time_seconds",
        "Start of the oldest process, in seconds since 1970",
        _booted_seconds() + min(process.started_ticks for process in found) / _TICKS_PER_SECOND,
    )
    yield GaugeMetricFamily(
        "process_resident_memory_bytes",
        "Resident memory of all processes, what they share counted in each",
        sum(process.resident_bytes for process in found),
    )
    yield GaugeMetricFamily(
        "process_virtual_memory_bytes",
        "Virtual memory of all processes, what they share counted in each",
        sum(process.virtual_bytes for process in found),
    )
    yield GaugeMetricFamily(
        "process_open_fds", "Open file descriptors of all processes", sum(process.open_fds for process in found)
    )
    # They have it from the one that started them.
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield GaugeMetricFamily(
        "process_max_fds",
        "File descriptors that each process may open",
        math.inf if soft_limit == resource.RLIM_INFINITY else soft_limit,
    )


def _together(owner: int, pids: list[int]) -> tuple[list[Process], int]:
    """The processes, and their time: that of a worker passes to the owner when it has ended, and counts once."""
    before = read(owner)
    found: list[Process] = []
    cpu_ticks = 0
    for _ in range(_READS):
        found = [process for pid in pids if (process := read(pid)) is not None]
        after = read(owner)
        ended = 0 if after is None else after.ended_children_cpu_ticks
        cpu_ticks = sum(process.cpu_ticks for process in found) + ended
        if before is None or after is None or before.ended_children_cpu_ticks == ended:
            break
        before = after
    return found, cpu_ticks


def _open_fds(pid: int) -> int:
    try:
        return sum(1 for _ in (_PROC / str(pid) / "fd").iterdir())
    except OSError:
        # It ends at this moment: its processor time still counts.
        return 0


def _booted_seconds() -> float:
    for line in (_PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return float(line.split()[1])
    return 0.0
