"""What the autoscaler can know of each pod at a moment: figures are seconds old, and a new pod has none yet.

Every ready pod gets the same share of the requests, so a pod's counters are what one pod counted since it was ready.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.autoscaling.fleet import Pod
from bench.autoscaling.proposal import Reading

CPU_START_SECONDS = 300
"""So long a new pod's CPU counts only if it was ready while measured (kube-controller-manager,
`--horizontal-pod-autoscaler-cpu-initialization-period`)."""

RESOURCE_SECONDS = 15
"""How often the metrics server looks (kubernetes-sigs/metrics-server, `--metric-resolution`)."""


@dataclass
class Counters:
    """What a pod that was always ready has counted by each second: the sum of its requests, and of its CPU seconds."""

    requests: array[float] = field(default_factory=lambda: array("d", [0.0]))
    cpu_seconds: array[float] = field(default_factory=lambda: array("d", [0.0]))

    def count(self, requests: float, cpu_seconds: float) -> None:
        """One second more."""
        self.requests.append(self.requests[-1] + requests)
        self.cpu_seconds.append(self.cpu_seconds[-1] + cpu_seconds)


def request_rates(
    pods: Sequence[Pod], now: float, counters: Counters, *, interval_seconds: float, window_seconds: float
) -> Reading:
    """Requests a second of each pod: the slope between the first and the last scrape of the window."""
    values: list[float] = []
    missing = unready = 0
    for pod in pods:
        if pod.bound > now:
            unready += 1
            continue
        last = _last(now, pod.scrape_offset, interval_seconds)
        # Before its first request a pod has no series.
        first = _first(max(now - window_seconds, pod.serves, 0.0), pod.scrape_offset, interval_seconds)
        if last <= first:
            missing += 1
        else:
            values.append((_at(counters.requests, last) - _at(counters.requests, first)) / (last - first))
    return Reading(values=values, missing=missing, unready=unready)


def cpu_percents(pods: Sequence[Pod], now: float, counters: Counters, *, request_cores: float) -> Reading:
    """CPU of each pod in percent of its request, over the metrics server's last interval."""
    values: list[float] = []
    missing = unready = 0
    last = _last(now, 0.0, RESOURCE_SECONDS)
    before = last - RESOURCE_SECONDS
    for pod in pods:
        if pod.bound > now:
            unready += 1
        elif pod.bound > before:
            missing += 1
        elif now - pod.created < CPU_START_SECONDS and pod.serves > before:
            unready += 1
        else:
            used = _at(counters.cpu_seconds, last) - _at(counters.cpu_seconds, before)
            values.append(100 * used / RESOURCE_SECONDS / request_cores)
    return Reading(values=values, missing=missing, unready=unready)


def memory_percents(pods: Sequence[Pod], now: float, *, percent: float) -> Reading:
    """Memory does not follow the traffic: every pod that has run for an interval has the same."""
    last = _last(now, 0.0, RESOURCE_SECONDS)
    bound = [pod for pod in pods if pod.bound <= now]
    known = sum(pod.bound <= last for pod in bound)
    return Reading(values=[percent] * known, missing=len(bound) - known, unready=len(pods) - len(bound))


def _last(now: float, offset: float, interval: float) -> float:
    return math.floor((now - offset) / interval) * interval + offset


def _first(since: float, offset: float, interval: float) -> float:
    return math.ceil((since - offset) / interval) * interval + offset


def _at(counter: array[float], second: float) -> float:
    """Between whole seconds, along the line."""
    if second <= 0:
        return 0.0
    whole = int(second)
    if whole + 1 >= len(counter):
        return counter[-1]
    return counter[whole] + (counter[whole + 1] - counter[whole]) * (second - whole)
