"""Is a version on trial worse than the stable one? Evidence that may be looked at after every block of requests.

The evidence E is a product of one factor a block, each of which is 1 or less on average, whatever happened before, as
long as the version is not worse. So the chance that E ever reaches 1/a is at most a (Ville's inequality), however often
one looks and whenever one stops. ADR 0008 gives the conditions, the proof and measured figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

MEMORY = 0.95
"""What a block leaves of the weight of those before it where the stable version's present rate is guessed."""
IDLE_SHARE = 0.5
"""Of the stakes at the beginning: not laid on any excess, and so not lost to a version that is as good."""
RETURNED_SHARE = 0.01
"""Of the stakes: laid anew after every block as at the beginning, so that a version that turns worse late is found."""

_STEP = 3.0
_SMALLEST, _LARGEST = 1e-9, 1.0 - 1e-6

Block = tuple[int, int]
"""Events, and trials among which they were, since the last block."""


class _Stakes:
    """Evidence laid out on several alternatives and on none, and moved towards those that gain."""

    def __init__(self, alternatives: int, log_e: float = 0.0, shares: Sequence[float] = ()) -> None:
        self._first = (IDLE_SHARE, *((1.0 - IDLE_SHARE) / alternatives for _ in range(alternatives)))
        self.log_e = log_e
        self._shares = tuple(shares) if len(shares) == len(self._first) else self._first

    def settle(self, log_factors: Sequence[float]) -> None:
        """Each alternative's factor for a block, as a logarithm; the shares come from earlier blocks alone."""
        logs = (0.0, *log_factors)
        most = max(logs)
        gained = [share * math.exp(log - most) for share, log in zip(self._shares, logs, strict=True)]
        total = math.fsum(gained)
        self.log_e += most + math.log(total)
        self._shares = tuple(
            (1.0 - RETURNED_SHARE) * part / total + RETURNED_SHARE * first
            for part, first in zip(gained, self._first, strict=True)
        )

    def worse(self, false_alarm: float) -> bool:
        if not 0.0 < false_alarm < 1.0:
            raise ValueError(f"a chance of a false alarm of {false_alarm} makes no test: let it lie between 0 and 1")
        return self.log_e >= -math.log(false_alarm)

    def to_evidence(self, prefix: str) -> dict[str, float]:
        shares = {f"{prefix}_share_{place}": share for place, share in enumerate(self._shares)}
        return {f"{prefix}_log_e": self.log_e, **shares}

    @classmethod
    def from_evidence(cls, prefix: str, kept: Mapping[str, float], alternatives: int) -> _Stakes:
        """Where another number of alternatives was kept, what was gained counts and the stakes are laid anew."""
        names = [f"{prefix}_share_{place}" for place in range(alternatives + 1)]
        complete = all(name in kept for name in names) and f"{prefix}_share_{len(names)}" not in kept
        return cls(alternatives, kept.get(f"{prefix}_log_e", 0.0), [kept[name] for name in names] if complete else ())


class Comparison:
    """Against a version whose events are more frequent than the stable one's, by `delta` or more.

    Whatever both suffer alike, and however that changes from block to block, is no evidence. `delta` is a difference of
    shares, such as 0.001; against a version that is worse by less than about half of it, evidence does not grow.
    Give several comparisons of one canary a part each of the chance of a false alarm.
    """

    def __init__(self, delta: float) -> None:
        if not 0.0 < delta < 1.0:
            raise ValueError(f"a difference of shares of {delta} cannot be looked for: let it lie between 0 and 1")
        self._delta = delta
        self._excesses = tuple(_rising(delta, below=1.0))
        self._stakes = _Stakes(len(self._excesses))
        self._events = self._trials = 0.0

    @property
    def log_e(self) -> float:
        """Natural logarithm of the evidence; 0 where nothing was said yet."""
        return self._stakes.log_e

    def update(self, *, candidate: Block, stable: Block) -> None:
        """Take a block. One in which either version had no trials says nothing about a difference."""
        (bad, tried), (stable_bad, stable_tried) = _checked(candidate), _checked(stable)
        if tried and stable_tried:
            # Only the past decides what is looked for: one event in 1/delta trials stands for knowing nothing yet.
            base = _clipped((self._events + 1.0) / (self._trials + 1.0 / self._delta))
            factors: list[float] = []
            for excess in self._excesses:
                raised = min(base + excess, _halfway(base))
                pooled = (tried * raised + stable_tried * base) / (tried + stable_tried)
                factors.append(
                    _log_ratio(bad, tried, raised, pooled) + _log_ratio(stable_bad, stable_tried, base, pooled)
                )
            self._stakes.settle(factors)
        if stable_tried:
            self._events = MEMORY * self._events + stable_bad
            self._trials = MEMORY * self._trials + stable_tried

    def worse(self, false_alarm: float) -> bool:
        """Whether the evidence is enough for this chance of a false alarm over the whole canary."""
        return self._stakes.worse(false_alarm)

    def to_evidence(self, prefix: str) -> dict[str, float]:
        """All there is to go on from, exactly."""
        past = {f"{prefix}_stable_events": self._events, f"{prefix}_stable_trials": self._trials}
        return {**self._stakes.to_evidence(prefix), **past}

    @classmethod
    def from_evidence(cls, prefix: str, kept: Mapping[str, float], *, delta: float) -> Comparison:
        """As it was kept; a new one where nothing was."""
        comparison = cls(delta)
        comparison._stakes = _Stakes.from_evidence(prefix, kept, len(comparison._excesses))
        comparison._events = kept.get(f"{prefix}_stable_events", 0.0)
        comparison._trials = kept.get(f"{prefix}_stable_trials", 0.0)
        return comparison


class Tolerance:
    """Against events that are more frequent than a share of the trials that is tolerated."""

    def __init__(self, rate: float) -> None:
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"a share of {rate} cannot be tolerated: let it lie between 0 and 1")
        self._rate = _clipped(rate)
        # Half as much again as is tolerated is the least that is looked for.
        excesses = _rising(self._rate / 2.0, below=1.0 - self._rate)
        self._alternatives = tuple(self._rate + excess for excess in excesses) or (_halfway(self._rate),)
        self._stakes = _Stakes(len(self._alternatives))

    @property
    def log_e(self) -> float:
        """Natural logarithm of the evidence; 0 where nothing was said yet."""
        return self._stakes.log_e

    def update(self, events: int, trials: int) -> None:
        """Take a block."""
        _checked((events, trials))
        if trials:
            self._stakes.settle([_log_ratio(events, trials, share, self._rate) for share in self._alternatives])

    def worse(self, false_alarm: float) -> bool:
        """Whether the evidence is enough for this chance of a false alarm over the whole canary."""
        return self._stakes.worse(false_alarm)

    def to_evidence(self, prefix: str) -> dict[str, float]:
        """All there is to go on from, exactly."""
        return self._stakes.to_evidence(prefix)

    @classmethod
    def from_evidence(cls, prefix: str, kept: Mapping[str, float], *, rate: float) -> Tolerance:
        """As it was kept; a new one where nothing was."""
        tolerance = cls(rate)
        tolerance._stakes = _Stakes.from_evidence(prefix, kept, len(tolerance._alternatives))
        return tolerance


def _log_ratio(events: int, trials: int, share: float, null_share: float) -> float:
    """How much better one share explains the events than another, as a logarithm."""
    return events * math.log(share / null_share) + (trials - events) * (math.log1p(-share) - math.log1p(-null_share))


def _rising(first: float, *, below: float) -> Iterator[float]:
    """Excesses from the least that matters up, a few to every power of ten."""
    excess = first
    while excess < below:
        yield excess
        excess *= _STEP


def _halfway(share: float) -> float:
    """Between a share and everything."""
    return (1.0 + share) / 2.0


def _clipped(share: float) -> float:
    return min(max(share, _SMALLEST), _LARGEST)


def _checked(block: Block) -> Block:
    events, trials = block
    if not 0 <= events <= trials:
        raise ValueError(f"{events} events in {trials} trials are impossible: count both over the same requests")
    return block
