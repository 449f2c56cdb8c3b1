"""Whether a version on trial keeps to its gates: pass, fail, or wait for more. Measuring and acting are for others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from contract.deployment import WHOLE_PERCENT, Gates, Stage
from ops.canary.measurements import Measured, Shadowed

CONFIDENCE = 0.9999
"""That a share of faults is above what is allowed, before a version fails while its stage still runs. It is looked at
every few seconds, so each look must rarely be wrong; one fault in ten requests at a limit of 0.1% stays below it."""
PATIENCE = 3.0
"""A share of faults that is above its limit but could be chance is watched for as many lengths of a stage, and until as
many faults would have been allowed."""

_NEGLIGIBLE = 1e-18


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything that was measured since a stage began."""

    candidate: Measured
    stable: Measured
    shadowed: Shadowed


class Judgement(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    WAIT = "wait"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    judgement: Judgement
    gate: str
    """Which gate decided; for a version that passed, all of them."""
    reason: str


def judge(gates: Gates, stage: Stage, figures: Figures, against: str | None, elapsed_seconds: float) -> Verdict:
    """Judge a version at a stage; `against` is what the comparison with the stable version says against it, if so."""
    failed = (
        _crashed(figures)
        or _beyond(_errors(gates, figures))
        or _slow(gates, figures)
        or _beyond(_failed_copies(gates, figures))
        or _beyond(_disagreement(gates, figures))
        or (_fail("comparison", against) if against else None)
    )
    if failed is not None:
        return failed
    answered, compared = figures.candidate.requests, trials_of(figures.shadowed)
    if elapsed_seconds < stage.seconds:
        return _wait("time", f"{elapsed_seconds:.0f} of {stage.seconds} s have passed")
    if stage.percent and answered < gates.min_requests:
        return _wait("requests", f"it answered {answered} requests, {gates.min_requests} are needed")
    if stage.shadow_percent and compared < gates.min_shadowed:
        return _wait("copies", f"{compared} copies were compared, {gates.min_shadowed} are needed")
    for share in (_errors(gates, figures), _failed_copies(gates, figures), _disagreement(gates, figures)):
        if not share.exceeded:
            continue
        if elapsed_seconds >= PATIENCE * stage.seconds and share.allowed >= PATIENCE:
            return _fail(share.gate, f"{share.said}, and did not come down in {elapsed_seconds:.0f} s")
        return _wait(share.gate, share.said)
    said = f"it answered {answered} requests with {figures.candidate.errors} errors"
    if stage.shadow_percent:
        said += f", and {figures.shadowed.differing} of {figures.shadowed.compared} copies differed"
    return Verdict(judgement=Judgement.PASS, gate="all", reason=said)


def trials_of(shadowed: Shadowed) -> int:
    """Copies that say something about the version: a failed one is as much of an answer as a differing one."""
    return shadowed.compared + shadowed.failed


def tail(successes: int, trials: int, probability: float) -> float:
    """The chance of as many successes or more in so many trials, exactly (binomial)."""
    if successes <= trials * probability:
        return 1.0
    if probability <= 0.0:
        return 0.0
    term = math.exp(
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(probability)
        + (trials - successes) * math.log1p(-probability)
    )
    # Above the mean each term is smaller than the one before, by a ratio that falls.
    odds, total = probability / (1.0 - probability), 0.0
    for count in range(successes, trials + 1):
        total += term
        term *= (trials - count) / (count + 1) * odds
        if term <= total * _NEGLIGIBLE:
            break
    return min(1.0, total)


@dataclass(frozen=True, kw_only=True)
class _Share:
    """Faults among trials, and the share of them that is allowed."""

    gate: str
    what: str
    faults: int
    trials: int
    most_percent: float

    @property
    def allowed(self) -> float:
        """How many faults among these trials are just too many."""
        return self.trials * self.most_percent / WHOLE_PERCENT

    @property
    def exceeded(self) -> bool:
        """Whether the share is not below its limit; a limit of everything is none."""
        return self.faults > 0 and self.most_percent < WHOLE_PERCENT and self.faults >= self.allowed

    @property
    def said(self) -> str:
        percent = WHOLE_PERCENT * self.faults / self.trials
        return f"{self.faults} of {self.trials} {self.what} ({percent:.3g}%), less than {self.most_percent:g}% may"


def _errors(gates: Gates, figures: Figures) -> _Share:
    return _Share(
        gate="errors",
        what="requests failed",
        faults=figures.candidate.errors,
        trials=figures.candidate.requests,
        most_percent=gates.max_error_percent,
    )


def _failed_copies(gates: Gates, figures: Figures) -> _Share:
    """A copy that fails would have been a user's error."""
    return _Share(
        gate="errors",
        what="copies failed",
        faults=figures.shadowed.failed,
        trials=trials_of(figures.shadowed),
        most_percent=gates.max_error_percent,
    )


def _disagreement(gates: Gates, figures: Figures) -> _Share:
    return _Share(
        gate="disagreement",
        what="copies were answered otherwise than by the stable version",
        faults=figures.shadowed.differing,
        trials=figures.shadowed.compared,
        most_percent=gates.max_disagreement_percent,
    )


def _crashed(figures: Figures) -> Verdict | None:
    crashes = figures.candidate.crashes
    return _fail("crashes", f"workers ended unasked {crashes} times, none may") if crashes else None


def _slow(gates: Gates, figures: Figures) -> Verdict | None:
    """Of few requests a single one decides where their 95th percentile is."""
    p95_ms, answered = figures.candidate.p95_ms, figures.candidate.requests
    if p95_ms is None or answered < gates.min_requests or p95_ms < gates.max_p95_ms:
        return None
    return _fail(
        "latency", f"P95 was {p95_ms:.0f} ms over {answered} requests, less than {gates.max_p95_ms:g} is asked"
    )


def _beyond(share: _Share) -> Verdict | None:
    """Fail where chance does not explain the faults."""
    if tail(share.faults, share.trials, share.most_percent / WHOLE_PERCENT) >= 1.0 - CONFIDENCE:
        return None
    return _fail(share.gate, f"{share.said} (beyond chance at {WHOLE_PERCENT * CONFIDENCE:g}% confidence)")


def _fail(gate: str, reason: str) -> Verdict:
    return Verdict(judgement=Judgement.FAIL, gate=gate, reason=reason)


def _wait(gate: str, reason: str) -> Verdict:
    return Verdict(judgement=Judgement.WAIT, gate=gate, reason=reason)
