"""How fast a proposal is followed: the second half of Kubernetes' autoscaling algorithm, behaviour by behaviour.

After kubernetes.io, "Horizontal Pod Autoscaling", configurable scaling behaviour, and kubernetes/kubernetes,
`pkg/controller/podautoscaler/horizontal.go` (`stabilizeRecommendationWithBehaviors`,
`convertDesiredReplicasWithBehaviorRate`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["Pods", "Percent"]
Select = Literal["Max", "Min", "Disabled"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """At most so many pods, or so many in a hundred, in a time."""

    kind: Kind
    value: int
    period_seconds: int


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One direction. Of the policies the one that allows most counts, or least; a proposal must last for the window."""

    policies: Sequence[Policy]
    select: Select = "Max"
    window_seconds: int


# What Kubernetes does where a manifest says nothing (kubernetes.io, the page above, "Default Behavior").
DEFAULT_UP = Rules(
    policies=(Policy(kind="Percent", value=100, period_seconds=15), Policy(kind="Pods", value=4, period_seconds=15)),
    window_seconds=0,
)
DEFAULT_DOWN = Rules(policies=(Policy(kind="Percent", value=100, period_seconds=15),), window_seconds=300)


def read_rules(manifest: Mapping[str, Any] | None, default: Rules) -> Rules:
    """The rules of `spec.behavior.scaleUp` or `scaleDown`; what is left out is Kubernetes' default."""
    if manifest is None:
        return default
    policies = [
        Policy(kind=policy["type"], value=policy["value"], period_seconds=policy["periodSeconds"])
        for policy in manifest.get("policies") or ()
    ]
    return Rules(
        policies=policies or default.policies,
        select=manifest.get("selectPolicy", "Max"),
        window_seconds=manifest.get("stabilizationWindowSeconds", default.window_seconds),
    )


@dataclass(frozen=True)
class _At:
    second: float
    count: int


class Pace:
    """Remembers proposals and changes, for as long as a window or a period reaches back."""

    def __init__(self, up: Rules, down: Rules) -> None:
        self._up, self._down = up, down
        self._proposals: list[_At] = []
        self._added: list[_At] = []
        self._removed: list[_At] = []

    def follow(self, now: float, replicas: int, proposal: int, *, least: int, most: int) -> int:
        """The number of pods from now on."""
        wanted = self._steadied(now, replicas, proposal)
        if wanted > replicas:
            allowed = min(most, max(replicas, self._limit(now, replicas, self._up, upwards=True)))
            wanted = min(wanted, allowed)
        elif wanted < replicas:
            allowed = max(least, min(replicas, self._limit(now, replicas, self._down, upwards=False)))
            wanted = max(wanted, allowed)
        self._keep(now, wanted - replicas)
        return wanted

    def _steadied(self, now: float, replicas: int, proposal: int) -> int:
        """No more than the least, and no less than the most, that was proposed in the windows."""
        up = min([proposal, *self._since(self._proposals, now - self._up.window_seconds)])
        down = max([proposal, *self._since(self._proposals, now - self._down.window_seconds)])
        self._proposals.append(_At(now, proposal))
        return min(max(replicas, up), down)

    def _limit(self, now: float, replicas: int, rules: Rules, *, upwards: bool) -> int:
        if rules.select == "Disabled":
            return replicas
        limits: list[int] = []
        for policy in rules.policies:
            start = now - policy.period_seconds
            # How many there were when the period began.
            before = replicas - sum(self._since(self._added, start)) + sum(self._since(self._removed, start))
            change = policy.value if upwards else -policy.value
            if policy.kind == "Pods":
                limits.append(before + change)
            else:
                share = before * (1 + change / 100)
                limits.append(math.ceil(share) if upwards else int(share))
        most_change = max if upwards == (rules.select == "Max") else min
        return most_change(limits)

    def _keep(self, now: float, change: int) -> None:
        if change:
            (self._added if change > 0 else self._removed).append(_At(now, abs(change)))
        for kept, reach in (
            (self._proposals, max(self._up.window_seconds, self._down.window_seconds)),
            (self._added, self._longest_period),
            (self._removed, self._longest_period),
        ):
            kept[:] = [past for past in kept if past.second > now - reach]

    @property
    def _longest_period(self) -> int:
        return max(policy.period_seconds for policy in (*self._up.policies, *self._down.policies))

    @staticmethod
    def _since(past: Sequence[_At], second: float) -> list[int]:
        return [one.count for one in past if one.second > second]
