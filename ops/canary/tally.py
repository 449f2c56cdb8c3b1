"""What the service has done and when it last came round, as figures for Prometheus and for the kubelet's probes."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from ops.canary.ending import Ended

PAGE_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_PREFIX = "serveml_canary_controller"


class Tally:
    """One service's figures. `stuck_seconds` is how long a round may take before it counts as stuck."""

    def __init__(self, stuck_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stuck_seconds = stuck_seconds
        self._clock = clock
        self._round_at = clock()
        self._found_at: float | None = None
        self._registry = CollectorRegistry()
        self._looks = Counter(f"{_PREFIX}_looks", "Times it asked for canaries.", ["outcome"], registry=self._registry)
        self._driven = Counter(f"{_PREFIX}_driven", "Canaries that it took over.", registry=self._registry)
        self._endings = Counter(
            f"{_PREFIX}_ended", "Canaries that it drove, by how they ended.", ["ended"], registry=self._registry
        )
        self._errors = Counter(f"{_PREFIX}_errors", "Drives that broke off with an error.", registry=self._registry)
        self._undelivered = Counter(
            f"{_PREFIX}_undelivered", "Notices that a way to people did not take.", registry=self._registry
        )
        self._found = Gauge(f"{_PREFIX}_found", "Canaries that there are.", registry=self._registry)
        self._driving = Gauge(f"{_PREFIX}_driving", "Canaries that it drives now.", registry=self._registry)
        self._waiting = Gauge(f"{_PREFIX}_waiting", "Canaries that it has no room for now.", registry=self._registry)
        since = Gauge(
            f"{_PREFIX}_seconds_since_look",
            "Since it was last told which canaries there are, or since its start.",
            registry=self._registry,
        )
        began = clock()
        since.set_function(lambda: clock() - (began if self._found_at is None else self._found_at))
        # So that a rate is known from the first one on.
        for outcome in ("found", "failed"):
            self._looks.labels(outcome)
        for ended in Ended:
            if ended is not Ended.NOTHING:
                self._endings.labels(ended.value)

    def found(self, canaries: int) -> None:
        """It was told which canaries there are."""
        self._found_at = self._clock()
        self._looks.labels("found").inc()
        self._found.set(canaries)

    def not_found(self) -> None:
        """It asked, and was not told."""
        self._looks.labels("failed").inc()

    def came_round(self) -> None:
        """A round is over, whatever became of it."""
        self._round_at = self._clock()

    def waiting(self, canaries: int) -> None:
        """It drives as many as it may, and these beside them are left."""
        self._waiting.set(canaries)

    def began(self) -> None:
        self._driven.inc()
        self._driving.inc()

    def let_go(self) -> None:
        """It drives one fewer, for whatever reason."""
        self._driving.dec()

    def ended(self, ended: Ended) -> None:
        self._endings.labels(ended.value).inc()

    def failed(self) -> None:
        self._errors.inc()

    def undelivered(self) -> None:
        self._undelivered.inc()

    def turns(self) -> bool:
        """Whether the loop goes round: where it does not, only a new start helps."""
        return self._clock() - self._round_at <= self._stuck_seconds

    def sees(self) -> bool:
        """Whether it was told of late which canaries there are: without that it is of no use, and a rollout stops."""
        return self._found_at is not None and self._clock() - self._found_at <= self._stuck_seconds

    def page(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
