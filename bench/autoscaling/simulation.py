"""Traffic, pods and autoscaler together, second by second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.autoscaling import figures
from bench.autoscaling.autoscaler import SYNC_SECONDS, Autoscaler
from bench.autoscaling.figures import Counters
from bench.autoscaling.fleet import Fleet, Timings
from bench.autoscaling.proposal import Reading
from bench.autoscaling.queueing import serve

OBJECTIVE_SECONDS = 0.5
"""The latency objective."""


@dataclass(frozen=True, kw_only=True)
class Pods:
    """What a serving pod can do, asks for, and waits for."""

    work_seconds: float
    """CPU time of a request."""
    cores: float
    """CPU that a pod gets when all are busy."""
    request_cores: float
    memory_percent: float
    """Of its request, whatever the traffic."""
    wait_seconds: float
    """A request that would wait longer is refused."""
    per_node: int
    timings: Timings

    @property
    def capacity(self) -> float:
        """Requests a second."""
        return self.cores / self.work_seconds


@dataclass(frozen=True, kw_only=True)
class Scraping:
    interval_seconds: float
    window_seconds: float
    """Of the rate that the metrics adapter asks for."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to scale."""

    name: str
    autoscaler: Mapping[str, Any]
    """The manifest."""
    headroom: int


@dataclass
class Course:
    """What happened in each second."""

    arrived: list[float] = field(default_factory=list[float])
    refused: list[float] = field(default_factory=list[float])
    late: list[float] = field(default_factory=list[float])
    replicas: list[int] = field(default_factory=list[int])
    serving: list[int] = field(default_factory=list[int])
    saturation: list[float] = field(default_factory=list[float])
    """Share of the serving pods' CPU that is used."""


def run(
    variant: Variant, pods: Pods, traffic: Sequence[float], scraping: Scraping, *, requests_metric: str, seed: int = 0
) -> Course:
    """The course of the traffic. Arrivals vary as independent ones do, in the same way for every variant."""
    arrivals = np.random.default_rng(seed).poisson(traffic).tolist()
    autoscaler = Autoscaler(variant.autoscaler)
    fleet = Fleet(
        timings=pods.timings,
        pods_per_node=pods.per_node,
        headroom=variant.headroom,
        scrape_interval_seconds=scraping.interval_seconds,
    )
    fleet.begin(autoscaler.least)
    counters, course = Counters(), Course()
    waiting = 0.0
    for now, arriving in enumerate(arrivals):
        fleet.advance(now)
        # It looks once there are figures to look at.
        if now and now % SYNC_SECONDS == 0:
            readings = _readings(fleet, now, counters, pods, scraping, requests_metric)
            fleet.resize(now, autoscaler.look(now, len(fleet.pods), readings))
        serving = fleet.serving(now)
        served = serve(
            arriving,
            serving * pods.capacity,
            waiting,
            wait_seconds=pods.wait_seconds,
            work_seconds=pods.work_seconds,
            late_seconds=OBJECTIVE_SECONDS,
        )
        waiting = served.waiting
        work = served.answered * pods.work_seconds
        # A refused request is counted too.
        counters.count((served.answered + served.refused) / max(serving, 1), work / max(serving, 1))
        course.arrived.append(arriving)
        course.refused.append(served.refused)
        course.late.append(served.late)
        course.replicas.append(len(fleet.pods))
        course.serving.append(serving)
        course.saturation.append(work / (serving * pods.cores) if serving else 0.0)
    return course


def _readings(
    fleet: Fleet, now: float, counters: Counters, pods: Pods, scraping: Scraping, requests_metric: str
) -> dict[str, Reading]:
    return {
        "cpu": figures.cpu_percents(fleet.pods, now, counters, request_cores=pods.request_cores),
        "memory": figures.memory_percents(fleet.pods, now, percent=pods.memory_percent),
        requests_metric: figures.request_rates(
            fleet.pods,
            now,
            counters,
            interval_seconds=scraping.interval_seconds,
            window_seconds=scraping.window_seconds,
        ),
    }
