"""The service's objectives: how much of each error budget is spent, and alerts on how fast it burns.

Windows and factors are those of Google's Site Reliability Workbook, chapter 5, "Alerting on SLOs", section
"Multiwindow, Multi-Burn-Rate Alerts": a page where 2% of a month's budget went in an hour or 5% in six, a ticket where
10% went in a day or in three. The shorter window ends the alert soon after the trouble ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.observability.errors import InvalidObservability
from components.observability.rules.limits import WHOLE_PERCENT, Limits
from components.observability.rules.promql import (
    DAY,
    FAILED,
    HOUR,
    IN_SERVING,
    MINUTE,
    NO_ROUTE,
    PREDICTING,
    RATE,
    RATE_SECONDS,
    ratio,
    serving,
)
from components.observability.rules.rule import Alert, Group, Record, Severity, duration

REQUESTS = "slo:requests:rate5m"
BAD = "slo:bad_requests:rate5m"
AVAILABILITY, LATENCY = "availability", "latency"

_SHORT_WINDOWS = (30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR)
_LONG_WINDOWS = (DAY, 3 * DAY)
# Windows of days do not change within two minutes, and reading them takes Prometheus longer.
_LONG_INTERVAL_SECONDS = 2 * MINUTE


@dataclass(frozen=True, kw_only=True)
class Burn:
    """Where the share of bad requests is `factor` times the budgeted one in both windows."""

    factor: float
    long_seconds: int
    short_seconds: int
    severity: Severity


BURNS = (
    Burn(factor=14.4, long_seconds=HOUR, short_seconds=RATE_SECONDS, severity="critical"),
    Burn(factor=6, long_seconds=6 * HOUR, short_seconds=30 * MINUTE, severity="critical"),
    Burn(factor=3, long_seconds=DAY, short_seconds=2 * HOUR, severity="warning"),
    Burn(factor=1, long_seconds=3 * DAY, short_seconds=6 * HOUR, severity="warning"),
)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """Which requests count, which of them are bad, and how many may be."""

    name: str
    percent: float
    requests: str
    bad: str
    alert: str
    page: str
    said: str
    """What a bad request is, in a sentence that begins with a share."""

    @property
    def budget(self) -> float:
        """The share of requests that may be bad."""
        return round(1 - self.percent / WHOLE_PERCENT, 12)


def objective_groups(limits: Limits) -> list[Group]:
    objectives = (availability(limits), latency(limits))
    whole = limits.budget_days * DAY
    return [
        Group(
            name="serveml-objectives",
            rules=[
                *(rule for objective in objectives for rule in _counted(objective)),
                *(_share(window) for window in _SHORT_WINDOWS),
            ],
        ),
        Group(
            name="serveml-objectives-days",
            interval_seconds=_LONG_INTERVAL_SECONDS,
            rules=[
                *(_share(window) for window in (*_LONG_WINDOWS, whole)),
                *(_left(objective, whole) for objective in objectives),
            ],
        ),
        Group(
            name="serveml-burn-rates",
            rules=[_burning(objective, burn, limits) for objective in objectives for burn in BURNS],
        ),
    ]


def availability(limits: Limits) -> Objective:
    """Requests for predictions are answered, if need be by saying what is wrong with them."""
    asked = serving("http_requests_total", f'route=~"{PREDICTING}"')
    refused = serving("http_requests_total", f'route="{NO_ROUTE}"', f'status=~"{FAILED}"')
    failed = serving("http_requests_total", f'route=~"{PREDICTING}|{NO_ROUTE}"', f'status=~"{FAILED}"')
    return Objective(
        name=AVAILABILITY,
        percent=limits.availability_percent,
        requests=f"sum(rate({asked}[{RATE}]) or rate({refused}[{RATE}]))",
        bad=f"sum(rate({failed}[{RATE}]))",
        alert="AvailabilityBudgetBurn",
        page="availability-budget-burn",
        said="of the requests failed",
    )


def latency(limits: Limits) -> Objective:
    """Requests for predictions are answered in time, whatever the answer is."""
    timed = serving("http_request_duration_seconds_count", f'route=~"{PREDICTING}"')
    # The bound as the server writes it, one digit after the point at least.
    bound = f'le="{limits.latency_p95_ms / 1000!r}"'
    in_time = serving("http_request_duration_seconds_bucket", f'route=~"{PREDICTING}"', bound)
    return Objective(
        name=LATENCY,
        percent=limits.latency_percent,
        requests=f"sum(rate({timed}[{RATE}]))",
        bad=f"clamp_min(sum(rate({timed}[{RATE}])) - sum(rate({in_time}[{RATE}])), 0)",
        alert="LatencyBudgetBurn",
        page="latency-budget-burn",
        said=f"of the requests took longer than {limits.latency_p95_ms} ms",
    )


def share_of_bad(window_seconds: int) -> str:
    """The name of the series with the share of bad requests in a window, labelled `slo`."""
    return f"slo:bad_requests:ratio{duration(window_seconds)}"


def enough_requests(limits: Limits, objective: str = AVAILABILITY, window_seconds: int = RATE_SECONDS) -> str:
    """A condition to add by `and`: so many requests that their share says something."""
    asked = f'avg_over_time({REQUESTS}{{slo="{objective}"}}[{duration(window_seconds)}])'
    return f"on () {asked} * {window_seconds} >= {limits.requests_min}"


def _counted(objective: Objective) -> list[Record]:
    slo = {"slo": objective.name}
    selected = f'{{slo="{objective.name}"}}'
    return [
        Record(name=REQUESTS, expression=objective.requests, labels=slo),
        # Zero while requests come and none is bad: a counter of failures is not there before the first one.
        Record(name=BAD, expression=f"{objective.bad}\nor\nsum({REQUESTS}{selected}) * 0", labels=slo),
        Record(
            name=share_of_bad(RATE_SECONDS), expression=ratio(f"{BAD}{selected}", f"{REQUESTS}{selected}"), labels=slo
        ),
    ]


def _share(window_seconds: int) -> Record:
    """Of sums, so that every request weighs the same. Adding up rates that were recorded costs a fraction of reading
    the pods' counters over days, and survives the pods."""
    window = duration(window_seconds)
    return Record(
        name=share_of_bad(window_seconds),
        expression=ratio(f"sum_over_time({BAD}[{window}])", f"sum_over_time({REQUESTS}[{window}])"),
    )


def _left(objective: Objective, whole_seconds: int) -> Record:
    """Of an error budget: 1 is all of it, 0 nothing, and below that it is overspent."""
    slo = f'{{slo="{objective.name}"}}'
    return Record(
        name="slo:error_budget_left:ratio",
        expression=f"1 - {share_of_bad(whole_seconds)}{slo} / {objective.budget:.10g}",
        labels={"slo": objective.name},
    )


def _burning(objective: Objective, burn: Burn, limits: Limits) -> Alert:
    slo = f'{{slo="{objective.name}"}}'
    if burn.factor * objective.budget >= 1:
        least = WHOLE_PERCENT * (1 - 1 / burn.factor)
        raise InvalidObservability(
            f"{objective.name}_percent is {objective.percent:g}: its budget could not burn {burn.factor:g} times too "
            f"fast, which is an alert; give more than {least:.3g}"
        )
    most = f"{burn.factor * objective.budget:.10g}"
    hours = limits.budget_days * DAY / HOUR / burn.factor
    window = duration(burn.long_seconds)
    return Alert(
        name=objective.alert,
        expression=f"{share_of_bad(burn.long_seconds)}{slo} > {most}\n"
        f"and {share_of_bad(burn.short_seconds)}{slo} > {most}\n"
        f"and {enough_requests(limits, objective.name, burn.short_seconds)}",
        severity=burn.severity,
        # Two windows are patience enough.
        for_seconds=0,
        page=objective.page,
        labels={**IN_SERVING, "window": window},
        summary=f"The {objective.name} budget burns {burn.factor:g} times too fast",
        description=f"{{{{ $value | humanizePercentage }}}} {objective.said} in the last {window}; at "
        f"{burn.factor:g} times the budgeted share the budget of {limits.budget_days} days lasts {hours:.0f} hours.",
    )
