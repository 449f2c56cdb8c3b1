"""What /proc says of a process and of everything it started."""

from __future__ import annotations

import os

import pytest

from bench.serving.process_tree import Memory, Stat, cpu_seconds, memory, parse_memory, parse_stat, tree_of


def test_a_process_s_name_may_hold_blanks_and_parentheses() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    text = f"42 (a) (b c) S 7 42 40 0 -1 4194560 1 0 0 0 {3 * ticks} {ticks} 0 0 20 0 1 0 9876 1 2"
    assert parse_stat(text) == Stat(parent=7, session=40, cpu_seconds=4.0, started_ticks=9876)


def test_a_tree_is_the_process_its_session_and_all_that_they_started() -> None:
    stats = {
        10: Stat(1, 10, 0, 0),
        11: Stat(10, 10, 0, 0),
        12: Stat(11, 12, 0, 0),
        13: Stat(1, 10, 0, 0),  # its parent has ended, its session tells where it belongs
        14: Stat(1, 14, 0, 0),
    }
    assert tree_of(10, stats) == {10, 11, 12, 13}


def test_memory_is_read_in_mebibytes() -> None:
    text = (
        "55eed6bd9000-7ffdebd51000 ---p 00000000 00:00 0    [rollup]\nRss:    2048 kB\nPss:    1024 kB\nLocked:  0 kB\n"
    )
    assert parse_memory(text) == Memory(rss_mib=2, pss_mib=1)


def test_this_process_uses_memory_and_time_and_a_missing_one_nothing() -> None:
    own = memory(os.getpid())
    assert own.rss_mib >= own.pss_mib > 1
    assert cpu_seconds(os.getpid()) > 0
    missing = 2**22 + 1  # beyond the most that Linux gives out
    assert cpu_seconds(missing) == pytest.approx(0)
    assert memory(missing) == Memory(0, 0)
