"""What is to be done next about a version on trial: a function of the record, its pods, its figures and the time.

Nothing is remembered here, so that any controller goes on where another one ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contract.deployment import Canary, Deployment
from ops.canary.evidence import Evidence
from ops.canary.gates import Figures, Judgement, judge
from ops.rollout.presence import Presence


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a canary is looked at, and how long is waited for what does not come."""

    look_seconds: float = 5.0
    load_seconds: float = 300.0
    """Until every live worker holds the version."""
    blind_seconds: float = 120.0
    """Without figures, before a version that can no longer be judged is withdrawn."""
    silence_stages: float = 6.0
    """Lengths of a stage without a single request or copy, before the version is withdrawn."""
    evidence_seconds: float = 30.0
    """Between two writes of the controller's figures."""
    away_seconds: float = 900.0
    """Without an answer of the table, before the controller ends with an error; the canary stays where it is."""


class Step(StrEnum):
    STAY = "stay"
    ENTER = "enter"
    PASS = "pass"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, kw_only=True)
class Decision:
    step: Step
    reason: str
    stage: int = 0
    """Which one to enter."""


def before_traffic(record: Deployment, canary: Canary, presence: Presence, now: datetime, pace: Pace) -> Decision:
    """For a version that has not been given anything yet."""
    version = canary.version
    if presence.holds((version, record.stable)):
        return Decision(step=Step.ENTER, reason=f"all {len(presence.live)} workers hold {version}", stage=0)
    waited = (now - canary.started_at).total_seconds()
    lacked = version if presence.lacking(version) or not presence.live else record.stable
    return _waiting(presence.explain(lacked), waited, pace.load_seconds)


def unmeasured(why: str, evidence: Evidence, now: datetime, pace: Pace) -> Decision:
    """For a stage whose figures could not be had: it is never passed so, and not stayed in for long."""
    waited = evidence.blind_for(now)
    if waited > pace.blind_seconds:
        return Decision(step=Step.WITHDRAW, reason=f"it could not be judged for {waited:.0f} s: {why}")
    return Decision(step=Step.STAY, reason=f"it cannot be judged at the moment: {why}")


def in_stage(
    canary: Canary, figures: Figures, evidence: Evidence, presence: Presence, now: datetime, pace: Pace
) -> Decision:
    """For a stage that was measured; `evidence` counts these figures already."""
    stage, began = canary.now, canary.stage_began_at or now
    elapsed = (now - began).total_seconds()
    holds = presence.holds((canary.version,))
    if holds:
        evidence.held()
    verdict = judge(canary.gates, stage, figures, evidence.against(canary), elapsed)
    if verdict.judgement is Judgement.FAIL:
        return Decision(step=Step.WITHDRAW, reason=f"{verdict.gate} at {_at(canary)}: {verdict.reason}")
    if verdict.judgement is Judgement.WAIT:
        silent = evidence.silent_for(canary, now)
        if silent > pace.silence_stages * stage.seconds:
            said = f"silence at {_at(canary)}: nothing to judge it by came for {silent:.0f} s, and {verdict.reason}"
            return Decision(step=Step.WITHDRAW, reason=said)
        return Decision(step=Step.STAY, reason=verdict.reason)
    if not holds:
        return _waiting(presence.explain(canary.version), evidence.lacking_for(now), pace.load_seconds)
    if canary.is_last:
        return Decision(
            step=Step.PASS, reason=f"{canary.version} kept to every gate; at {_at(canary)} {verdict.reason}"
        )
    return Decision(step=Step.ENTER, reason=f"at {_at(canary)} {verdict.reason}", stage=canary.stage + 1)


def _waiting(why: str, waited_seconds: float, most_seconds: float) -> Decision:
    if waited_seconds > most_seconds:
        return Decision(step=Step.WITHDRAW, reason=f"loading took longer than {most_seconds:.0f} s: {why}")
    return Decision(step=Step.STAY, reason=why)


def _at(canary: Canary) -> str:
    return f"{canary.now.percent} percent"
