"""The figures that a canary is judged by, from Prometheus: both versions' and the copies', since the stage began."""

from __future__ import annotations

from datetime import datetime, timedelta

from contract.deployment import Canary
from contract.objects import Version
from ops.canary.gates import Figures
from ops.canary.measurements import Measurements, Shadowed
from ops.canary.prometheus import PrometheusAway, PrometheusRefused

_PROBED = timedelta(minutes=1)
_NO_COPIES = Shadowed(compared=0, differing=0, failed=0, dropped=0)


class Unmeasured(RuntimeError):
    """The figures could not be had; the message says why."""


class CanaryFigures:
    """For any canary of any model, as often as a controller looks."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements
        self._slow_ms: tuple[str, float] | None = None
        """Of the canary that was asked for last: what counts as slow stays the same for all of it."""

    def __call__(self, model: str, canary: Canary, stable: Version, until: datetime) -> Figures:
        """Raise Unmeasured; the canary's stage must have begun."""
        since = canary.stage_began_at or until
        measured = self._measurements
        try:
            if self._slow_ms is None or self._slow_ms[0] != canary.id:
                self._slow_ms = (canary.id, measured.slow_bound_ms(model, stable, canary.started_at))
            slow_ms = self._slow_ms[1]
            return Figures(
                candidate=measured(model, canary.version, since, until, slow_ms=slow_ms),
                stable=measured(model, stable, since, until, slow_ms=slow_ms),
                shadowed=(
                    measured.shadowed(model, canary.version, since, until) if canary.now.shadow_percent else _NO_COPIES
                ),
            )
        except (PrometheusAway, PrometheusRefused) as error:
            raise Unmeasured(str(error)) from None

    def probe(self, model: str, version: Version, now: datetime) -> None:
        """Raise Unmeasured where figures could not be had at the moment."""
        try:
            self._measurements(model, version, now - _PROBED, now)
        except (PrometheusAway, PrometheusRefused) as error:
            raise Unmeasured(str(error)) from None
