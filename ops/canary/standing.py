"""Puts the service together for a platform: how it finds and drives canaries, tells of them, and is stopped."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contract.deployment import DEFAULT_TENANT, Canary, Change, Deployment
from contract.objects import Version
from ops.canary import wiring
from ops.canary.byhand import utc_now
from ops.canary.controller import Controller, Look, Measure
from ops.canary.decide import Pace
from ops.canary.ending import Outcome
from ops.canary.gates import Figures
from ops.canary.measurements import Measurements
from ops.canary.measuring import CanaryFigures
from ops.canary.probes import ProbeServer
from ops.canary.service import LeasesAtHand, Rhythm, Service, Stopping
from ops.canary.tally import Tally
from ops.canary.trials import Trials
from ops.notices.slack import BadWebhook
from ops.platform import Platform
from ops.rollout.lease import Leases
from ops.rollout.records import Records

STUCK_SECONDS = 180.0
"""Longer than a round takes in which the table never answers: all tries of its client, with their time-outs."""
STOP_MARGIN_SECONDS = 3.0
"""Beyond what drives may take to end, before the process is ended as it is."""
RECALLED = timedelta(days=1)
"""How far back ended canaries are told of once more: well within the days for which it is kept what was said."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Cast:
    """What a drive takes; each part may be used by several threads at once."""

    records: Records
    leases: Leases
    measure: Callable[[], Measure]
    """A new one for each drive: it keeps figures of the one canary."""
    notify: Callable[[Deployment, Change], object]
    by: str
    clock: Callable[[], datetime] = utc_now
    pace: Pace | None = None


class Drives:
    """Drives one canary after another for `Service`, by the ordinary controller, which it makes interruptible."""

    def __init__(self, cast: Cast, tally: Tally, wait: Callable[[float], bool], stopping: Callable[[], bool]) -> None:
        """`wait` waits so many seconds, or until the service is to stop, and says whether it is."""
        self._cast = cast
        self._tally = tally
        self._wait = wait
        self._stopping = stopping

    def __call__(self, name: str) -> Outcome | None:
        """Raise what `Controller.run` raises, ActsElsewhere, or Stopping."""
        seen = _Seen(name, self._tally)
        cast = self._cast
        measure = cast.measure()

        def wait(seconds: float) -> None:
            if self._wait(seconds):
                raise Stopping

        def measured(model: str, canary: Canary, stable: Version, until: datetime) -> Figures:
            # Several questions, each with a wait of its own: rather none than all of them.
            if self._stopping():
                raise Stopping
            return measure(model, canary, stable, until)

        controller = Controller(
            cast.records,
            cast.leases,
            measured,
            cast.notify,
            by=cast.by,
            clock=cast.clock,
            wait=wait,
            pace=cast.pace,
            progress=seen,
        )
        try:
            outcome = controller.run(name)
        finally:
            if seen.anything:
                self._tally.let_go()
        return outcome if seen.anything else None


class _Seen:
    """Logs what a controller sees: each stage once, and every look for whoever asks for that much."""

    def __init__(self, name: str, tally: Tally) -> None:
        self.anything = False
        self._name = name
        self._tally = tally
        self._place: tuple[str, int, datetime | None] | None = None

    def __call__(self, look: Look) -> None:
        canary = look.deployment.canary if look.deployment is not None else None
        if canary is None:
            _log.warning(look.said, extra={"deployment": self._name})
            return
        if not self.anything:
            self.anything = True
            self._tally.began()
        place = (canary.id, canary.stage, canary.stage_began_at)
        level = logging.DEBUG if place == self._place else logging.INFO
        self._place = place
        about = {"deployment": self._name, "model_version": str(canary.version)}
        _log.log(level, "%s at %d percent: %s", canary.version, canary.now.percent, look.said, extra=about)


def measurements_of(address: str, *, ca_file: Path | None, token_file: Path | None) -> Callable[[], Measure]:
    """Raise PrometheusRefused for an address or files that cannot be used."""
    measurements: Measurements = wiring.measurements(address, ca_file=ca_file, token_file=token_file)
    return lambda: CanaryFigures(measurements)


def notices(platform: Platform, slack_file: Path | None, tally: Tally) -> Callable[[Deployment, Change], object]:
    """The webhook is read anew for each notice, since secrets are renewed; without it the topic is told all the same.

    Raise BadWebhook for one in the environment, which stays as it is.
    """
    topic_alone = wiring.notifier_for(platform, None)

    def undelivered(said: str) -> None:
        tally.undelivered()
        _log.error(said)

    def notify(record: Deployment, change: Change) -> None:
        notifier = topic_alone
        if slack_file is not None:
            try:
                notifier = wiring.notifier_for(platform, slack_file)
            except BadWebhook as error:
                undelivered(str(error))
        wiring.tell(notifier, record, change, undelivered)

    return notify


def serve(
    platform: Platform,
    measure: Callable[[], Measure],
    *,
    by: str,
    slack_file: Path | None,
    host: str,
    port: int,
    rhythm: Rhythm | None = None,
) -> bool:
    """Until SIGTERM or SIGINT; whether every drive ended in its time. Raise BadWebhook or PortTaken.

    Call it in the main thread and before any other is started: the signals are taken from all of them.
    """
    rhythm = rhythm or Rhythm()
    stop, over = threading.Event(), threading.Event()
    tally = Tally(STUCK_SECONDS)
    # Clients are made here, before the threads that share them.
    records, table = wiring.records(platform), platform.outputs.deployments_table
    trials = Trials(platform.dynamodb, table, DEFAULT_TENANT)
    cast = Cast(
        records=records,
        leases=LeasesAtHand(platform.dynamodb, table, DEFAULT_TENANT),
        measure=measure,
        notify=notices(platform, slack_file, tally),
        by=by,
    )
    service = Service(
        trials.running,
        lambda: trials.judged(records, datetime.now(UTC) - RECALLED),
        Drives(cast, tally, stop.wait, stop.is_set),
        tally,
        stop=stop,
        rhythm=rhythm,
    )
    server = ProbeServer(host, port, tally)
    # Before any thread, and once nothing is left to refuse.
    _stop_by_signal(stop, over, rhythm.stop_seconds + STOP_MARGIN_SECONDS)
    with server:
        _log.info("looking for canaries in %s, asked for health at port %d", table, server.port)
        ended = service.run()
    _log.info("stopped")
    over.set()
    return ended


def _stop_by_signal(stop: threading.Event, over: threading.Event, most_seconds: float) -> None:
    """Set `stop` once the process is to end, and end it unless it is `over` by then.

    A thread waits for the signals, and no handler is called: one that sets an event may meet the very lock that the
    interrupted thread holds.
    """
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)

    def wait() -> None:
        signal.sigwait(ending)
        stop.set()
        if not over.wait(most_seconds):
            # A table that does not answer holds a question for minutes. What a drive leaves is right at any moment.
            _log.warning("ended in the middle of a round")
            os._exit(1)

    threading.Thread(target=wait, name="signals", daemon=True).start()
