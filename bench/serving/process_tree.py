"""What a process and everything it started use, as Linux accounts it in /proc."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


class Stat(NamedTuple):
    """The fields of /proc/<pid>/stat that matter here (proc(5))."""

    parent: int
    session: int
    cpu_seconds: float
    started_ticks: int


@dataclass(frozen=True)
class Memory:
    rss_mib: float
    pss_mib: float
    """Like RSS, with pages that several processes share counted once between them."""


def parse_stat(text: str) -> Stat:
    # The name stands in parentheses and may itself hold blanks and parentheses.
    fields = text.rpartition(")")[2].split()
    return Stat(
        int(fields[1]), int(fields[3]), (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND, int(fields[19])
    )


def tree_of(root: int, stats: Mapping[int, Stat]) -> set[int]:
    """The process, its session, and all that descend from any of them."""
    found = {pid for pid, stat in stats.items() if pid == root or stat.session == root}
    grown = True
    while grown:
        children = {pid for pid, stat in stats.items() if stat.parent in found} - found
        found |= children
        grown = bool(children)
    return found


def parse_memory(text: str) -> Memory:
    """Of /proc/<pid>/smaps_rollup."""
    kib = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in text.splitlines()[1:])}
    return Memory(kib["Rss"] / 1024, kib["Pss"] / 1024)


def processes() -> dict[int, Stat]:
    """Every process of the machine."""
    found: dict[int, Stat] = {}
    for path in _PROC.iterdir():
        if path.name.isdigit():
            text = _read(path / "stat")
            if text:
                found[int(path.name)] = parse_stat(text)
    return found


def cpu_seconds(root: int) -> float:
    stats = processes()
    return sum(stats[pid].cpu_seconds for pid in tree_of(root, stats))


def memory(root: int) -> Memory:
    parts = [parse_memory(text) for pid in tree_of(root, processes()) if (text := _read(_PROC / f"{pid}/smaps_rollup"))]
    return Memory(sum(part.rss_mib for part in parts), sum(part.pss_mib for part in parts))


def busy_seconds() -> float:
    """CPU time that the machine has spent on anything since it started, all cores together."""
    user, nice, system, _, _, interrupts, soft_interrupts, steal = (
        int(field) for field in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + interrupts + soft_interrupts + steal) / _TICKS_PER_SECOND


def _read(path: Path) -> str:
    """The file's text, or nothing when the process is gone by now, or is about to be."""
    try:
        return path.read_text()
    except OSError:
        return ""
