"""Drives every canary there is, each in a thread of its own, until it is told to stop: `serveml canary serve`.

A canary belongs to whoever holds its lease, so any number of services, and operators beside them, may run: one that
gets no lease leaves the canary alone and looks again. How a canary is driven is the controller's affair, and how it is
found is `trials`'.

A look is a query of the index, and so eventually consistent: half a read request unit for up to 4 KB of records
(DynamoDB Developer Guide, "Read operations"). One every five seconds makes 17,280 looks and 8,640 units a day for each
service. Each canary that another one drives adds two strongly consistent reads to a look, for as long as it lasts.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ops.canary.ending import Ended, Outcome
from ops.canary.tally import Tally
from ops.notices.said import CLAIM_SECONDS
from ops.rollout.lease import Lease, Leases
from ops.rollout.records import NoDeployment

_log = logging.getLogger(__name__)


class ActsElsewhere(Exception):
    """Another controller has the lease."""


class Stopping(Exception):
    """The service is to end: the canary stays where it is, for whoever comes next."""


class LeasesAtHand(Leases):
    """Leases that are taken or left, never waited for: whoever has one is looked at again in the next round."""

    def acquire(self, deployment_id: str, holder: str | None = None) -> Lease:
        """Raise ActsElsewhere."""
        lease = super().acquire(deployment_id, holder)
        if lease is None:
            raise ActsElsewhere
        return lease


Drive = Callable[[str], Outcome | None]
"""Drives a deployment's canary, or tells of its end once more where there is none.

Returns None where it had nothing to drive; raises ActsElsewhere, Stopping, or whatever went wrong.
"""


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """How often is looked, and how long is waited."""

    look_seconds: float = 5.0
    jitter_share: float = 0.2
    """By how much a wait may be shorter or longer, so that services do not come to look at the same moments."""
    most_at_once: int = 16
    """Canaries that one service drives; the others wait for their turn, or for another service."""
    retry_seconds: float = 5.0
    """After the first error of a canary; twice as long after each that follows it."""
    longest_retry_seconds: float = 300.0
    retell_seconds: float = 2.0 * CLAIM_SECONDS
    """After a canary's end was seen that this service did not tell itself: by then, whoever had claimed the telling has
    done it, or has died over it."""
    stop_seconds: float = 10.0
    """What drives may take to end. A write or a question under way is waited for; a lease that stays runs out, and a
    notice that was not sent by then is told by the next service."""


@dataclass(frozen=True, kw_only=True)
class _Failing:
    """A canary that broke off with an error: when it is tried again, and how long that was."""

    seconds: float
    until: float


@dataclass(kw_only=True, eq=False)
class _Run:
    """One drive and what came of it, which is read once its thread has ended."""

    thread: threading.Thread = field(init=False)
    outcome: Outcome | None = None
    error: Exception | None = None
    left: bool = False
    """It was another's, or the service is to end."""


class Service:
    """`Service(...).run()` returns once `stop` is set; everything but the drives happens in the caller's thread."""

    def __init__(
        self,
        running: Callable[[], Sequence[str]],
        judged: Callable[[], Sequence[str]],
        drive: Drive,
        tally: Tally,
        *,
        stop: threading.Event,
        rhythm: Rhythm | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """`running` gives the deployments with a canary, `judged` those whose canary a controller ended of late."""
        self._running = running
        self._judged = judged
        self._drive = drive
        self._tally = tally
        self._stop = stop
        self._rhythm = rhythm or Rhythm()
        self._clock = clock
        self._jitter = jitter
        self._runs: dict[str, _Run] = {}
        self._failing: dict[str, _Failing] = {}
        self._seen: set[str] = set()
        self._retell: dict[str, float] = {}
        """Ended canaries by when to tell of them, should nobody have."""
        self._recalled = False

    def run(self) -> bool:
        """Look and drive until the end is asked for; whether every drive ended in its time."""
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self._varied(self._rhythm.look_seconds))
        return self._end()

    def look(self) -> None:
        """One round: what has ended is put away, what there is to drive is begun."""
        self._reap()
        try:
            names = self._running()
        except Exception as error:  # the table's, or a fault of ours: the canaries that are driven go on
            self._tally.not_found()
            _log.warning("the table did not tell which canaries there are", exc_info=error)
        else:
            self._tally.found(len(names))
            self._begin(names)
        self._tally.came_round()

    def _begin(self, names: Sequence[str]) -> None:
        now = self._clock()
        for name in self._seen.difference(names):
            self._retell.setdefault(name, now + self._varied(self._rhythm.retell_seconds))
        self._seen = set(names)
        for name in names:
            self._retell.pop(name, None)
        self._recall(now)
        for name in self._failing.keys() - self._seen - self._retell.keys():
            del self._failing[name]
        due = [name for name, at in self._retell.items() if at <= now]
        wanted = [name for name in [*names, *due] if name not in self._runs and self._may_try(name, now)]
        room = self._rhythm.most_at_once - len(self._runs)
        for name in wanted[:room]:
            self._start(name)
        self._tally.waiting(len(wanted[room:]))

    def _recall(self, now: float) -> None:
        """Once: canaries that ended before this service began, whose last driver may have died before it told."""
        if self._recalled:
            return
        try:
            names = self._judged()
        except Exception as error:  # as for the look itself
            _log.warning("the table did not tell which canaries ended of late", exc_info=error)
            return
        self._recalled = True
        for name in set(names) - self._seen:
            self._retell.setdefault(name, now + self._varied(self._rhythm.retell_seconds))

    def _may_try(self, name: str, now: float) -> bool:
        failing = self._failing.get(name)
        return failing is None or failing.until <= now

    def _start(self, name: str) -> None:
        run = _Run()
        run.thread = threading.Thread(target=self._run, args=(name, run), name=f"canary {name}", daemon=True)
        self._runs[name] = run
        run.thread.start()

    def _run(self, name: str, run: _Run) -> None:
        try:
            run.outcome = self._drive(name)
        except (ActsElsewhere, Stopping):
            run.left = True
        except NoDeployment:
            # Deleted since it was found: nothing is left to drive or to tell.
            pass
        except Exception as error:  # one canary's trouble is not the others'
            run.error = error
            _log.error("the canary is left where it is, and tried again", exc_info=error, extra={"deployment": name})

    def _reap(self) -> None:
        for name, run in list(self._runs.items()):
            if not run.thread.is_alive():
                del self._runs[name]
                self._put_away(name, run)

    def _put_away(self, name: str, run: _Run) -> None:
        if run.error is not None:
            self._tally.failed()
            last = self._failing.get(name)
            seconds = self._rhythm.retry_seconds if last is None else last.seconds * 2
            seconds = min(seconds, self._rhythm.longest_retry_seconds)
            self._failing[name] = _Failing(seconds=seconds, until=self._clock() + self._varied(seconds))
            return
        self._failing.pop(name, None)
        outcome = run.outcome
        if outcome is not None:
            self._tally.ended(outcome.ended)
            _log.info(
                "canary of %s %s by %s: %s",
                outcome.version,
                outcome.ended.value,
                outcome.by or "another controller",
                outcome.reason,
                extra={"deployment": name, "model_version": str(outcome.version)},
            )
        if run.left or (outcome is not None and outcome.ended is Ended.LEASE_LOST):
            return
        # Its end was told on the way. Only what somebody else drove may have to be told once more.
        self._retell.pop(name, None)
        if outcome is not None:
            self._seen.discard(name)

    def _end(self) -> bool:
        deadline = time.monotonic() + self._rhythm.stop_seconds
        for run in self._runs.values():
            run.thread.join(max(0.0, deadline - time.monotonic()))
        self._reap()
        if self._runs:
            _log.warning("left behind, for their leases to run out: %s", ", ".join(sorted(self._runs)))
        return not self._runs

    def _varied(self, seconds: float) -> float:
        share = self._rhythm.jitter_share
        return seconds * self._jitter(1.0 - share, 1.0 + share)
