"""Which pods follow a deployment, and which of them do not hold a version yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from contract.deployment import Report
from contract.objects import Version

LIVE = timedelta(seconds=90)
"""Workers report every 20 s. One that was not heard of for so long, while others were, has ended."""


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What the live workers hold."""

    live: tuple[Report, ...]

    def lacking(self, version: Version) -> tuple[Report, ...]:
        """The workers that could not answer with the version."""
        return tuple(report for report in self.live if version not in report.loaded)

    def lags(self, revision: int) -> tuple[Report, ...]:
        """The workers that follow an older record."""
        return tuple(report for report in self.live if report.revision < revision)

    def holds(self, versions: Iterable[Version]) -> bool:
        """Whether there are workers, and every one of them holds all of these."""
        return bool(self.live) and not any(self.lacking(version) for version in versions)

    def explain(self, version: Version) -> str:
        """Who lacks the version, and why where that is known."""
        if not self.live:
            return "no pod follows the deployment"
        lacking = self.lacking(version)
        reasons = sorted({why for report in lacking if (why := report.refused.get(str(version)))})
        said = f"{len(lacking)} of {len(self.live)} workers do not hold {version}"
        return f"{said}: {'; '.join(reasons)}" if reasons else said


def presence_of(reports: Sequence[Report], now: datetime) -> Presence:
    """Judge by the newest report where the clocks of pods and operators differ, and by `now` where all is silent."""
    if not reports:
        return Presence(live=())
    newest = max(report.at for report in reports)
    if now - newest > LIVE:
        return Presence(live=())
    return Presence(live=tuple(report for report in reports if newest - report.at <= LIVE))
