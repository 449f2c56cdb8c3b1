"""The figures of a run: one measurement a round, server and scenario, then their medians and what they compare to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.serving.servers import FLOOR, PLAIN
from bench.serving.statistics import Spread, ratio


@dataclass(frozen=True)
class Scenario:
    """What load is put on a server: as much as the connections carry, or a fixed rate."""

    connections: int
    rows: int
    rate_per_second: int | None = None

    @property
    def name(self) -> str:
        load = f"{self.connections} connection{'s' if self.connections > 1 else ''}"
        if self.rate_per_second is not None:
            load = f"{self.rate_per_second} requests/s"
        return f"{load}, {self.rows} row{'s' if self.rows > 1 else ''}"


@dataclass(frozen=True)
class Measurement:
    """One round of one scenario on one server. Latencies are None when nothing was answered."""

    requests_per_second: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    most_ms: float | None
    errors: int
    refused: int
    cpu_us_per_request: float
    others_cpu_percent: float
    """What neither the server nor the client used, of all cores: how quiet the machine was."""
    pss_mib_per_minute: float | None = None
    """How fast its memory grew; measured at a fixed rate only, and over a minute at least."""


@dataclass(frozen=True)
class Life:
    """One start of a server."""

    seconds_to_first_answer: float
    seconds_to_steady: float
    rss_mib: float
    pss_mib: float
    processes: int


@dataclass
class Record:
    """All that was seen of one server."""

    name: str
    version: str | None
    is_peer: bool
    lives: list[Life] = field(default_factory=list[Life])
    measurements: dict[Scenario, list[Measurement]] = field(default_factory=dict[Scenario, list[Measurement]])
    excluded: str | None = None

    def rate(self, scenario: Scenario) -> Spread | None:
        return self.spread(scenario, "requests_per_second")

    def spread(self, scenario: Scenario, figure: str) -> Spread | None:
        """The figure's median over the rounds that have it, or None."""
        values = [getattr(measurement, figure) for measurement in self.measurements.get(scenario, [])]
        known = [value for value in values if value is not None]
        return Spread.of(known) if known and self.excluded is None else None

    def total(self, scenario: Scenario, figure: str) -> int:
        return sum(getattr(measurement, figure) for measurement in self.measurements.get(scenario, []))

    def life(self, figure: str) -> Spread | None:
        return Spread.of([getattr(life, figure) for life in self.lives]) if self.lives else None


@dataclass
class Results:
    """A whole run."""

    machine: dict[str, Any]
    command: str
    scenarios: list[Scenario]
    records: list[Record]

    def to_floor(self, record: Record, scenario: Scenario) -> float | None:
        """The rate in terms of the floor's in the same run."""
        return self._ratio(record, self._named(FLOOR), scenario)

    def to_plain(self, record: Record, scenario: Scenario) -> float | None:
        """The same in terms of plain FastAPI's."""
        return self._ratio(record, self._named(PLAIN), scenario)

    def best_peer(self, scenario: Scenario) -> Record | None:
        peers = [record for record in self.records if record.is_peer and record.rate(scenario)]
        return max(peers, key=lambda peer: _median(peer.rate(scenario)) or 0, default=None)

    def to_best_peer(self, record: Record, scenario: Scenario) -> float | None:
        return self._ratio(record, self.best_peer(scenario), scenario)

    def _named(self, name: str) -> Record | None:
        return next((record for record in self.records if record.name == name), None)

    def _ratio(self, record: Record, base: Record | None, scenario: Scenario) -> float | None:
        own = _median(record.rate(scenario))
        return ratio(own, _median(base.rate(scenario))) if own is not None and base is not None else None

    def as_json(self) -> str:
        return json.dumps(
            {
                "machine": self.machine,
                "command": self.command,
                "scenarios": [scenario.name for scenario in self.scenarios],
                "servers": [self._server(record) for record in self.records],
            },
            indent=2,
        )

    def _server(self, record: Record) -> dict[str, Any]:
        lives = {figure: _document(record.life(figure)) for figure in Life.__dataclass_fields__}
        return {
            "name": record.name,
            "version": record.version,
            "excluded": record.excluded,
            **lives,
            "scenarios": {
                scenario.name: {
                    **{
                        figure: _document(record.spread(scenario, figure))
                        for figure in Measurement.__dataclass_fields__
                    },
                    "errors": record.total(scenario, "errors"),
                    "refused": record.total(scenario, "refused"),
                    "ratio_to_floor": self.to_floor(record, scenario),
                    "ratio_to_fastapi": self.to_plain(record, scenario),
                    "ratio_to_best_peer": self.to_best_peer(record, scenario),
                }
                for scenario in self.scenarios
                if record.measurements.get(scenario)
            },
        }


def plan(
    connections: Sequence[int], rows: Sequence[int], rate_per_second: int | None, rate_connections: int
) -> list[Scenario]:
    """One connection with single rows, the most connections with each number of rows, and the fixed rate last."""
    most = max(connections)
    found = [Scenario(count, rows[0]) for count in sorted(connections)]
    found += [Scenario(most, count) for count in rows[1:]]
    if rate_per_second is not None:
        found.append(Scenario(rate_connections, rows[0], rate_per_second))
    return found


def _median(spread: Spread | None) -> float | None:
    return spread.median if spread is not None else None


def _document(spread: Spread | None) -> dict[str, float] | None:
    return asdict(spread) if spread is not None else None
