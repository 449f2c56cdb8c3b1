"""Alerts on the canary controller. Where there is none in the cluster, its series are not there and nothing fires."""

from __future__ import annotations

from components.observability.rules.promql import MINUTE
from components.observability.rules.rule import Alert, Group

_FIGURE = "serveml_canary_controller"
_BLIND_SECONDS = 120
"""It asks every 5 s."""


def canary_alerts() -> list[Group]:
    return [Group(name="canary-alerts", rules=_alerts())]


def _alerts() -> list[Alert]:
    return [
        Alert(
            name="CanaryControllerBlind",
            expression=f"min by (namespace) ({_FIGURE}_seconds_since_look) > {_BLIND_SECONDS}",
            severity="critical",
            for_seconds=2 * MINUTE,
            page="canary-controller",
            summary="The canary controller does not know which canaries there are",
            description="No replica has been told for {{ $value | humanizeDuration }}: a bad version on trial would "
            "not be withdrawn.",
        ),
        Alert(
            name="CanaryNotDriven",
            expression=f"max by (namespace) ({_FIGURE}_found) > 0\n"
            f"and on (namespace) sum by (namespace) ({_FIGURE}_driving) == 0",
            severity="warning",
            for_seconds=10 * MINUTE,
            page="canary-controller",
            summary="A canary is driven by no controller of the cluster",
            description="There are {{ $value }} canaries, and for 10 minutes no replica has driven one: it fails to, "
            "or somebody else does.",
        ),
        Alert(
            name="CanaryNoticesUndelivered",
            expression=f"sum by (namespace) (increase({_FIGURE}_undelivered_total[15m])) > 0",
            severity="warning",
            for_seconds=0,
            page="canary-controller",
            summary="What became of a canary could not be told",
            description="{{ $value | humanize }} notices were not taken by the topic or by Slack in the last 15 "
            "minutes.",
        ),
    ]
