"""The service's objectives: how much of each error budget is left, and how fast it goes."""

from __future__ import annotations

from components.observability.dashboards.panel import (
    Color,
    Dashboard,
    Panel,
    Query,
    Row,
    Scale,
    Step,
    Wanted,
    bad_below,
)
from components.observability.rules.limits import Limits
from components.observability.rules.objectives import (
    BAD,
    BURNS,
    REQUESTS,
    Objective,
    availability,
    latency,
    share_of_bad,
)
from components.observability.rules.promql import DAY, RATE, RATE_SECONDS
from components.observability.rules.rule import Severity, duration

_LITTLE_LEFT = 0.25
_DECIMALS = 3
"""Of percent: 99.9 and 99.95 differ by half of a budget."""


def slo(wanted: Wanted) -> Dashboard:
    limits = wanted.limits
    objectives = (availability(limits), latency(limits))
    return Dashboard(
        uid="serveml-slo",
        title="SLO",
        description=f"Error budgets over {limits.budget_days} days, and how fast they burn.",
        shown="1d",
        rows=[
            Row(
                title=f"Over {limits.budget_days} days",
                panels=[panel for objective in objectives for panel in _standing(objective, limits)],
            ),
            Row(title="How fast the budgets burn", panels=[_burning(objective, limits) for objective in objectives]),
            Row(title="Behind it", panels=[_budgets(objectives), _bad(objectives), _windows(objectives)]),
        ],
    )


def _standing(objective: Objective, limits: Limits) -> list[Panel]:
    name, whole = objective.name, share_of_bad(limits.budget_days * DAY)
    return [
        Panel(
            title=name.capitalize(),
            description=f"Share of the requests that were good; {objective.percent:g}% is the objective.",
            kind="stat",
            unit="percentunit",
            queries=[Query(expression=f'1 - {whole}{{slo="{name}"}}')],
            scale=bad_below(1 - objective.budget),
            decimals=_DECIMALS,
            runbooks=[objective.page],
            width=6,
            height=5,
        ),
        Panel(
            title=f"{name.capitalize()} budget left",
            description="Of the bad requests that the objective allows; below zero it is missed.",
            kind="stat",
            unit="percentunit",
            queries=[Query(expression=f'slo:error_budget_left:ratio{{slo="{name}"}}')],
            scale=bad_below(0, doubtful=_LITTLE_LEFT),
            runbooks=[objective.page],
            width=6,
            height=5,
        ),
    ]


def _burning(objective: Objective, limits: Limits) -> Panel:
    windows = sorted({window for burn in BURNS for window in (burn.short_seconds, burn.long_seconds)})
    return Panel(
        title=f"Burn rate of the {objective.name} budget",
        description=f"Share of bad requests in a window, in multiples of the budgeted one: at 1 the budget lasts "
        f"{limits.budget_days} days. An alert fires where two windows are above a line.",
        kind="timeseries",
        unit="suffix:x",
        queries=[
            Query(
                expression=f'{share_of_bad(window)}{{slo="{objective.name}"}} / {objective.budget:.10g}',
                legend=duration(window),
            )
            for window in windows
        ],
        scale=_burn_rates(),
        runbooks=[objective.page],
        width=12,
        height=9,
    )


def _burn_rates() -> Scale:
    colors: dict[Severity, Color] = {"critical": "red", "warning": "yellow", "info": "blue"}
    return Scale(
        base="green",
        steps=[
            Step(value=burn.factor, color=colors[burn.severity]) for burn in sorted(BURNS, key=lambda burn: burn.factor)
        ],
    )


def _budgets(objectives: tuple[Objective, ...]) -> Panel:
    return Panel(
        title="Budgets left",
        description="Steep stretches are what burnt; a gentle rise is bad requests that leave the window.",
        kind="timeseries",
        unit="percentunit",
        queries=[
            Query(expression=f'slo:error_budget_left:ratio{{slo="{objective.name}"}}', legend=objective.name)
            for objective in objectives
        ],
        scale=bad_below(0, doubtful=_LITTLE_LEFT),
        runbooks=[objective.page for objective in objectives],
    )


def _bad(objectives: tuple[Objective, ...]) -> Panel:
    return Panel(
        title="Requests, and the bad ones",
        description=f"A second, over {RATE}; what both objectives are counted from.",
        kind="timeseries",
        unit="reqps",
        queries=[
            Query(expression=f'{REQUESTS}{{slo="{objectives[0].name}"}}', legend="requests"),
            *(
                Query(expression=f'{BAD}{{slo="{objective.name}"}}', legend=f"bad for {objective.name}")
                for objective in objectives
            ),
        ],
        runbooks=["inference-errors", "inference-latency"],
    )


def _windows(objectives: tuple[Objective, ...]) -> Panel:
    return Panel(
        title="Share of bad requests by window",
        description="What the alerts on the budgets compare, and what each objective allows.",
        kind="table",
        unit="percentunit",
        queries=[
            *(
                Query(expression=f"sum by (slo) ({share_of_bad(window)})", legend=duration(window))
                for window in (RATE_SECONDS, *sorted({burn.long_seconds for burn in BURNS}))
            ),
        ],
        runbooks=[objective.page for objective in objectives],
    )
