"""The service's loop: whom it drives and how many at once, how it tries and tells again, and shows that it is well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest

from contract.objects import Version
from ops.canary.ending import Ended, Outcome
from ops.canary.service import ActsElsewhere, Rhythm, Service, Stopping
from ops.canary.tally import Tally
from ops.rollout.records import NoDeployment
from tests.lifecycle.clock import Clock

RHYTHM = Rhythm(jitter_share=0.0, most_at_once=2, stop_seconds=5.0)
STUCK_SECONDS = 60.0


def outcome(name: str, ended: Ended = Ended.PASSED) -> Outcome:
    return Outcome(deployment=name, ended=ended, version=Version(2, 0, 0), by="service", reason="it kept to every gate")


class Bench:
    """A service whose rounds, time and canaries the test decides."""

    def __init__(self) -> None:
        self.clock = Clock(began=1000.0)
        self.running: list[str] = []
        self.judged: list[str] = []
        self.table_away = False
        self.drives: list[str] = []
        self.ends: dict[str, Outcome | Exception | None] = {}
        """How a drive ends; the others go on until `release`."""
        self.release = threading.Event()
        self.stop = threading.Event()
        self.tally = Tally(STUCK_SECONDS, self.clock)
        self.service = Service(
            self._running,
            lambda: self.judged,
            self._drive,
            self.tally,
            stop=self.stop,
            rhythm=RHYTHM,
            clock=self.clock,
            jitter=lambda least, most: (least + most) / 2,
        )

    def look(self, *, after_seconds: float = 0.0) -> list[str]:
        """Whom a round begins to drive; drives that end at once have ended."""
        self.clock.pass_(after_seconds)
        before = len(self.drives)
        self.service.look()
        for thread in threading.enumerate():
            if thread.name.removeprefix("canary ") in self.ends:
                thread.join(10)
        return self.drives[before:]

    def figure(self, name: str) -> float:
        [value] = [
            line.rpartition(" ")[2]
            for line in self.tally.page().decode().splitlines()
            if line.startswith(f"serveml_canary_controller_{name} ")
        ]
        return float(value)

    def _running(self) -> list[str]:
        if self.table_away:
            raise ConnectionError
        return self.running

    def _drive(self, name: str) -> Outcome | None:
        self.drives.append(name)
        if name not in self.ends:
            assert self.release.wait(30)
            return outcome(name)
        end = self.ends[name]
        if isinstance(end, Exception):
            raise end
        return end


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.release.set()
    made.stop.set()
    assert made.service.run()


def test_each_canary_is_driven_once_at_a_time(bench: Bench) -> None:
    bench.running = ["churn"]
    assert bench.look() == ["churn"]
    assert bench.look(after_seconds=5) == []


def test_a_canary_that_begins_later_is_found(bench: Bench) -> None:
    assert bench.look() == []
    bench.running = ["churn"]
    assert bench.look(after_seconds=5) == ["churn"]


def test_no_more_are_driven_at_once_than_there_is_room_for_and_the_others_get_their_turn(bench: Bench) -> None:
    bench.running = ["a", "b", "c"]
    assert bench.look() == ["a", "b"]
    assert (bench.figure("found"), bench.figure("waiting")) == (3, 1)
    bench.release.set()
    for thread in threading.enumerate():
        if thread.name in ("canary a", "canary b"):
            thread.join(10)
    bench.running = ["c"]
    assert bench.look(after_seconds=5) == ["c"]


def test_a_canary_of_another_controller_is_looked_at_again_in_every_round(bench: Bench) -> None:
    bench.running = ["churn"]
    bench.ends["churn"] = ActsElsewhere()
    assert [bench.look(after_seconds=5) for _ in range(3)] == [["churn"]] * 3
    assert bench.figure("errors_total") == 0


def test_one_that_breaks_off_is_tried_again_after_waits_that_grow_to_a_bound(bench: Bench) -> None:
    bench.running = ["churn"]
    bench.ends["churn"] = RuntimeError("odd")
    began = bench.clock.now
    tried: list[float] = []
    while len(tried) < 10:
        if bench.look(after_seconds=1):
            tried.append(bench.clock.now - began)
    waits = [round(after - before) for before, after in pairwise(tried)]
    # A round later each, which is when it is noticed that it broke off.
    assert waits == [6, 11, 21, 41, 81, 161, 301, 301, 301]


def test_one_that_goes_well_again_begins_with_short_waits_at_its_next_error(bench: Bench) -> None:
    bench.running = ["churn"]
    bench.ends["churn"] = RuntimeError("odd")
    for _ in range(40):
        bench.look(after_seconds=1)
    bench.ends["churn"] = ActsElsewhere()
    bench.look(after_seconds=300)
    bench.ends["churn"] = RuntimeError("odd")
    bench.look(after_seconds=1)
    bench.look(after_seconds=1)
    assert bench.look(after_seconds=5) == ["churn"]


def test_the_trouble_of_one_canary_is_not_the_others(bench: Bench) -> None:
    bench.running = ["broken", "churn"]
    bench.ends["broken"] = RuntimeError("odd")
    assert bench.look() == ["broken", "churn"]


def test_a_table_that_is_away_ends_no_drive_and_is_asked_again(bench: Bench) -> None:
    bench.running = ["churn"]
    bench.look()
    bench.table_away = True
    assert bench.look(after_seconds=5) == []
    bench.table_away = False
    bench.running = ["churn", "fraud"]
    assert bench.look(after_seconds=5) == ["fraud"]


def test_the_end_of_another_controllers_canary_is_told_once_more_in_case_that_one_died_over_it(bench: Bench) -> None:
    bench.running = ["churn"]
    bench.ends["churn"] = ActsElsewhere()
    bench.look()
    bench.running = []
    bench.ends["churn"] = None
    assert bench.look(after_seconds=5) == []
    assert bench.look(after_seconds=RHYTHM.retell_seconds - 1) == []
    assert bench.look(after_seconds=1) == ["churn"]
    assert bench.look(after_seconds=5) == []
    assert bench.look(after_seconds=RHYTHM.retell_seconds) == []


def test_the_end_of_its_own_canary_is_not_told_once_more(bench: Bench) -> None:
    bench.running = ["churn"]
    bench.ends["churn"] = outcome("churn")
    assert bench.look() == ["churn"]
    bench.running = []
    assert bench.look(after_seconds=5) == []
    assert bench.look(after_seconds=2 * RHYTHM.retell_seconds) == []


def test_canaries_that_ended_before_it_began_are_told_once_more(bench: Bench) -> None:
    bench.judged = ["churn"]
    bench.ends["churn"] = None
    assert bench.look() == []
    assert bench.look(after_seconds=RHYTHM.retell_seconds) == ["churn"]
    assert bench.look(after_seconds=RHYTHM.retell_seconds) == []


def test_what_cannot_be_told_is_tried_again(bench: Bench) -> None:
    bench.judged = ["churn"]
    bench.ends["churn"] = RuntimeError("odd")
    bench.look()
    assert bench.look(after_seconds=RHYTHM.retell_seconds) == ["churn"]
    bench.look(after_seconds=1)
    assert bench.look(after_seconds=RHYTHM.retry_seconds) == ["churn"]


def test_a_deployment_that_was_deleted_is_forgotten(bench: Bench) -> None:
    bench.judged = ["churn"]
    bench.ends["churn"] = NoDeployment()
    bench.look()
    assert bench.look(after_seconds=RHYTHM.retell_seconds) == ["churn"]
    assert bench.look(after_seconds=RHYTHM.retell_seconds) == []
    assert bench.figure("errors_total") == 0


@pytest.mark.parametrize("end", [Stopping(), ActsElsewhere()])
def test_what_it_did_not_drive_counts_as_no_error_and_no_end(bench: Bench, end: Exception) -> None:
    bench.running = ["churn"]
    bench.ends["churn"] = end
    bench.look()
    bench.look(after_seconds=5)
    assert bench.figure("errors_total") == 0
    assert 'ended_total{ended="passed"} 0.0' in bench.tally.page().decode()


def test_it_is_well_for_as_long_as_it_comes_round(bench: Bench) -> None:
    assert bench.tally.turns()
    bench.clock.pass_(STUCK_SECONDS + 1)
    assert not bench.tally.turns()
    bench.look()
    assert bench.tally.turns()


def test_it_is_of_use_only_while_the_table_tells_it_of_canaries(bench: Bench) -> None:
    assert not bench.tally.sees()
    bench.look()
    assert bench.tally.sees()
    bench.table_away = True
    bench.look(after_seconds=STUCK_SECONDS + 1)
    assert (bench.tally.turns(), bench.tally.sees()) == (True, False)
    assert bench.figure("seconds_since_look") == STUCK_SECONDS + 1


def test_a_drive_that_does_not_end_in_time_is_left_behind() -> None:
    hangs, stop = threading.Event(), threading.Event()
    begun = threading.Event()

    def drive(name: str) -> None:
        begun.set()
        hangs.wait(30)

    rhythm = Rhythm(look_seconds=0.01, stop_seconds=0.05)
    service = Service(lambda: ["churn"], lambda: [], drive, Tally(STUCK_SECONDS), stop=stop, rhythm=rhythm)
    service.look()
    assert begun.wait(10)
    stop.set()
    assert service.run() is False
    hangs.set()
