"""What became of every request of a load: one row each, and the figures that are counted from the rows."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from http import HTTPStatus
from typing import NamedTuple

from bench.serving.statistics import percentile

REFUSALS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Fate(IntEnum):
    """What became of a request without an answer; stands in the place of a status."""

    NO_CONNECTION = -1
    """The connection was refused, or reset while it was made."""
    LOST = -2
    """The connection broke off before the answer was whole."""
    UNANSWERED = -3
    """No answer had come when the load was over and the wait for last answers, too."""
    UNSENT = -4
    """No connection became free for it in time: the generator's limit, reached when answers stay away."""
    NO_TARGET = -5
    """No server was ready to be sent it."""
    NOT_HTTP = -6


class Outcome(NamedTuple):
    """One request. Times are in seconds of the monotonic clock."""

    due: float
    begun: float
    """When the generator came to it: the difference to `due` is the generator's own lag."""
    done: float
    status: int
    """Of the answer, or a Fate."""
    has_retry_after: bool
    client_port: int
    """Of its connection; 0 without one."""
    is_fresh: bool
    """It was the first on its connection, and so waited to be accepted, too."""

    @property
    def latency_ms(self) -> float:
        """From when it was due, not from when it was sent: a server that stalls pays for all it kept waiting."""
        return (self.done - self.due) * 1000


@dataclass
class Journal:
    """Columns of numbers: ten minutes are hundreds of thousands of rows, and come from another process."""

    _due: array[float] = field(default_factory=lambda: array("d"))
    _begun: array[float] = field(default_factory=lambda: array("d"))
    _done: array[float] = field(default_factory=lambda: array("d"))
    _status: array[int] = field(default_factory=lambda: array("h"))
    _retry_after: array[int] = field(default_factory=lambda: array("b"))
    _client_port: array[int] = field(default_factory=lambda: array("H"))
    _fresh: array[int] = field(default_factory=lambda: array("b"))

    def add(self, outcome: Outcome) -> None:
        self._due.append(outcome.due)
        self._begun.append(outcome.begun)
        self._done.append(outcome.done)
        self._status.append(outcome.status)
        self._retry_after.append(outcome.has_retry_after)
        self._client_port.append(outcome.client_port)
        self._fresh.append(outcome.is_fresh)

    def __len__(self) -> int:
        return len(self._due)

    def __iter__(self) -> Iterator[Outcome]:
        columns = (self._due, self._begun, self._done, self._status, self._retry_after, self._client_port, self._fresh)
        for due, begun, done, status, retry_after, client_port, fresh in zip(*columns, strict=True):
            yield Outcome(due, begun, done, status, bool(retry_after), client_port, bool(fresh))

    def due_between(self, start: float, end: float) -> list[Outcome]:
        return [outcome for outcome in self if start <= outcome.due < end]


@dataclass(frozen=True)
class Latency:
    """Percentiles in milliseconds, each a latency that was measured."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    p99_9_ms: float
    most_ms: float

    @classmethod
    def of(cls, values_ms: Iterable[float]) -> Latency | None:
        ordered = sorted(values_ms)
        return cls(*(percentile(ordered, percent) for percent in (50, 95, 99, 99.9, 100))) if ordered else None


@dataclass(frozen=True)
class Window:
    """The requests that were due in a stretch of time."""

    start: float
    """Seconds since the load began."""
    latency: Latency | None
    """Of those answered 200."""
    answered: int
    refused: int
    """With 429 or 503."""
    failed: int


def accepted_ms(outcomes: Iterable[Outcome]) -> list[float]:
    """The latencies of those answered 200."""
    return [outcome.latency_ms for outcome in outcomes if outcome.status == HTTPStatus.OK]


def lag_ms(outcomes: Iterable[Outcome]) -> list[float]:
    """How late the generator came to each."""
    return [(outcome.begun - outcome.due) * 1000 for outcome in outcomes]


def tally(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many there are of each status and fate, by name, the most frequent first."""
    counts = Counter(outcome.status for outcome in outcomes)
    return {name_of(status): count for status, count in counts.most_common()}


def name_of(status: int) -> str:
    return str(status) if status > 0 else Fate(status).name.lower().replace("_", " ")


def windows(outcomes: Sequence[Outcome], began: float, width_seconds: float) -> list[Window]:
    """The stretches from `began` to the last request, in order, also those in which none was due."""
    buckets: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        buckets.setdefault(int((outcome.due - began) / width_seconds), []).append(outcome)
    return [
        _window(index * width_seconds, buckets.get(index, []))
        for index in range(min(buckets, default=0), max(buckets, default=-1) + 1)
    ]


def _window(start: float, outcomes: Sequence[Outcome]) -> Window:
    accepted = accepted_ms(outcomes)
    refused = sum(outcome.status in REFUSALS for outcome in outcomes)
    return Window(start, Latency.of(accepted), len(accepted), refused, len(outcomes) - len(accepted) - refused)
