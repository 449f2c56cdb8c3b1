"""What a course comes to, in figures and in the panels of a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.autoscaling.simulation import Course
from bench.endurance.report import Figure, Panel

_POINTS = 200
_MINUTE = 60


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One way to scale under one traffic."""

    variant: str
    refused_percent: float
    worst_minute_percent: float
    """Refused, of the requests of the worst minute."""
    refusing_seconds: int
    """Seconds in which anything was refused."""
    late_percent: float
    """Answered, but after the objective."""
    most_pods: int
    most_serving_after_seconds: int
    """From the first rise above the first second's pods to the most."""
    pod_hours: float
    busy_percent: float
    """Of the serving pods' CPU, in the busiest minute."""


def outcome(variant: str, course: Course) -> Outcome:
    arrived = sum(course.arrived) or 1.0
    most = max(course.serving)
    rise = next((at for at, pods in enumerate(course.replicas) if pods > course.replicas[0]), 0)
    return Outcome(
        variant=variant,
        refused_percent=100 * sum(course.refused) / arrived,
        worst_minute_percent=100 * max(_shares(course.refused, course.arrived)),
        refusing_seconds=sum(refused > 0 for refused in course.refused),
        late_percent=100 * sum(course.late) / arrived,
        most_pods=most,
        most_serving_after_seconds=max(course.serving.index(most) - rise, 0),
        pod_hours=sum(course.replicas) / 3600,
        busy_percent=100 * max(_averages(course.saturation)),
    )


def row(found: Outcome) -> dict[str, Figure]:
    return {
        "scaling": found.variant,
        "refused %": found.refused_percent,
        "worst minute %": found.worst_minute_percent,
        "s with refusals": found.refusing_seconds,
        "over 500 ms %": found.late_percent,
        "most pods": found.most_pods,
        "reached after s": found.most_serving_after_seconds,
        "CPU busy %": found.busy_percent,
        "pod hours": found.pod_hours,
    }


def arriving(course: Course) -> Panel:
    return Panel(title="arriving", x="minutes", y="requests/s", series={"all ways to scale": _thinned(course.arrived)})


def panels(title: str, courses: Mapping[str, Course]) -> list[Panel]:
    """Refusals, where there are any, and pods, over minutes: the same colour for the same way to scale."""
    refused = Panel(
        title=f"{title}: refused",
        x="minutes",
        y="requests/s",
        series={name: _thinned(course.refused) for name, course in courses.items()},
    )
    pods = Panel(
        title=f"{title}: pods that serve",
        x="minutes",
        y="pods",
        series={name: _thinned(course.serving) for name, course in courses.items()},
    )
    return [refused, pods] if any(sum(course.refused) for course in courses.values()) else [pods]


def _shares(some: Sequence[float], of: Sequence[float]) -> list[float]:
    return [part / whole if whole else 0.0 for part, whole in zip(_sums(some), _sums(of), strict=True)]


def _averages(values: Sequence[float]) -> list[float]:
    window = min(_MINUTE, len(values))
    return [total / window for total in _sums(values)]


def _sums(values: Sequence[float]) -> list[float]:
    """Of every minute, or of all where there is less."""
    window = min(_MINUTE, len(values))
    total = sum(values[:window])
    sums = [total]
    for gone, come in zip(values, values[window:], strict=False):
        total += come - gone
        sums.append(max(total, 0.0))
    return sums


def _thinned(values: Sequence[float]) -> list[tuple[float, float]]:
    """Averages of equal stretches: a chart has no more points to show."""
    step = max(-(-len(values) // _POINTS), 1)
    return [
        (at / _MINUTE, round(sum(values[at : at + step]) / len(values[at : at + step]), 2))
        for at in range(0, len(values), step)
    ]
