"""What speaks against a version over a whole canary, kept in the record between one controller and the next.

Comparisons take what was answered since the last look; how far the present stage was counted is therefore kept too.
"""

from __future__ import annotations

from datetime import datetime

from contract.deployment import WHOLE_PERCENT, Canary
from ops.canary.gates import Figures, trials_of
from ops.canary.sequential import Comparison, Tolerance

ERROR_MARGIN = 0.0005
"""Of the requests: a version whose errors are more frequent by less is not worth an alarm."""
SLOW_MARGIN = 0.02
"""Of the requests: the same for those slower than 19 of 20 of the stable version's."""

_ERRORS, _SLOW, _DISAGREEMENT = "errors", "slow", "disagreement"
_BLIND_SINCE, _LACKING_SINCE = "blind_since", "lacking_since"
_REQUESTS_MOVED, _COPIES_MOVED = "requests_moved", "copies_moved"
_COUNTED = "counted_"


class Evidence:
    """For one stage of a canary; its successor for the next stage comes from the record."""

    def __init__(self, canary: Canary, kept: dict[str, float]) -> None:
        self._stage = _stage_of(canary)
        self._counted = {name: int(count) for name, count in kept.items() if name.startswith(_COUNTED)}
        self._errors = Comparison.from_evidence(_ERRORS, kept, delta=ERROR_MARGIN)
        self._slow = Comparison.from_evidence(_SLOW, kept, delta=SLOW_MARGIN)
        rate = canary.gates.max_disagreement_percent / WHOLE_PERCENT
        self._disagreement = Tolerance.from_evidence(_DISAGREEMENT, kept, rate=rate)
        began = canary.stage_began_at.timestamp() if canary.stage_began_at else 0.0
        self._requests_moved = max(began, kept.get(_REQUESTS_MOVED, began))
        self._copies_moved = max(began, kept.get(_COPIES_MOVED, began))
        self._since = {name: kept[name] for name in (_BLIND_SINCE, _LACKING_SINCE) if name in kept}
        self._written_at: datetime | None = None

    @classmethod
    def of(cls, canary: Canary) -> Evidence:
        """As the record has it."""
        return cls(canary, canary.evidence)

    def belongs_to(self, canary: Canary) -> bool:
        return self._stage == _stage_of(canary)

    def add(self, figures: Figures, now: datetime) -> None:
        """Take the figures of the stage so far: what is new among them counts."""
        self._since.pop(_BLIND_SINCE, None)
        new = self._new(figures)
        if new["candidate_requests"]:
            self._requests_moved = now.timestamp()
        if new["copies"]:
            self._copies_moved = now.timestamp()
        for comparison, events, trials in ((self._errors, "errors", "requests"), (self._slow, "slow", "timed")):
            comparison.update(
                candidate=_block(new[f"candidate_{events}"], new[f"candidate_{trials}"]),
                stable=_block(new[f"stable_{events}"], new[f"stable_{trials}"]),
            )
        self._disagreement.update(*_block(new["differing"], new["compared"]))

    def against(self, canary: Canary) -> str | None:
        """Which comparison finds the version worse, if one does; they share the chance of a false alarm."""
        copied = any(stage.shadow_percent for stage in canary.stages)
        chance = canary.gates.false_alarm_percent / WHOLE_PERCENT / (3 if copied else 2)
        said = f"with a chance of {canary.gates.false_alarm_percent:g}% to be wrong"
        if self._errors.worse(chance):
            return f"its errors are more frequent than the stable version's, {said}"
        if self._slow.worse(chance):
            return f"its answers are slower than the stable version's, {said}"
        if copied and self._disagreement.worse(chance):
            most = canary.gates.max_disagreement_percent
            return f"it disagrees with the stable version on more than {most:g}% of the copies, {said}"
        return None

    def blind_for(self, now: datetime) -> float:
        """Seconds since figures could first not be had; counts from now where they could until now."""
        return self._waited(_BLIND_SINCE, now)

    def lacking_for(self, now: datetime) -> float:
        """Seconds since a worker was first found without the version at the end of the stage."""
        return self._waited(_LACKING_SINCE, now)

    def held(self) -> None:
        """Every worker holds the version."""
        self._since.pop(_LACKING_SINCE, None)

    def silent_for(self, canary: Canary, now: datetime) -> float:
        """Seconds without anything of what the stage gives the version."""
        stage = canary.now
        moved = [self._requests_moved] if stage.percent else []
        if stage.shadow_percent:
            moved.append(self._copies_moved)
        return now.timestamp() - min(moved)

    def to_mapping(self, *, next_stage: bool = False) -> dict[str, float]:
        """What the record is to keep; for the next stage the counts begin anew, the comparisons go on."""
        kept = {
            **self._errors.to_evidence(_ERRORS),
            **self._slow.to_evidence(_SLOW),
            **self._disagreement.to_evidence(_DISAGREEMENT),
        }
        if next_stage:
            return kept
        moved = {_REQUESTS_MOVED: self._requests_moved, _COPIES_MOVED: self._copies_moved}
        return {**kept, **self._counted, **moved, **self._since}

    def due(self, canary: Canary, now: datetime, every_seconds: float) -> bool:
        """Whether to write it although the stage stays: now and then, and at once where a wait began or ended."""
        if canary.stage_began_at is None:
            return False
        if any((name in self._since) != (name in canary.evidence) for name in (_BLIND_SINCE, _LACKING_SINCE)):
            return True
        self._written_at = self._written_at or now
        return (now - self._written_at).total_seconds() >= every_seconds

    def written(self, now: datetime) -> None:
        self._written_at = now

    def _new(self, figures: Figures) -> dict[str, int]:
        """What came since the last look. A count that fell, as where a pod's series is gone, is waited for to grow."""
        new: dict[str, int] = {}
        for name, count in _counts(figures).items():
            before = self._counted.get(f"{_COUNTED}{name}", 0)
            new[name] = max(0, count - before)
            self._counted[f"{_COUNTED}{name}"] = max(count, before)
        return new

    def _waited(self, name: str, now: datetime) -> float:
        return now.timestamp() - self._since.setdefault(name, now.timestamp())


def _counts(figures: Figures) -> dict[str, int]:
    shadowed = figures.shadowed
    counts = {"copies": trials_of(shadowed), "compared": shadowed.compared, "differing": shadowed.differing}
    for who, measured in (("candidate", figures.candidate), ("stable", figures.stable)):
        counts[f"{who}_requests"], counts[f"{who}_errors"] = measured.requests, measured.errors
        counts[f"{who}_timed"], counts[f"{who}_slow"] = measured.timed, measured.slow
    return counts


def _block(events: int, trials: int) -> tuple[int, int]:
    """Counters are read one after the other: an event may be seen a look before its trial."""
    return min(events, trials), trials


def _stage_of(canary: Canary) -> tuple[str, int, datetime | None]:
    return canary.id, canary.stage, canary.stage_began_at
