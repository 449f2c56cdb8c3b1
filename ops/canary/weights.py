"""What an operator does to a deployment without a canary: make it, share its traffic out, take it back.

Pods load what the record names, so a version that no pod holds is first written as one that is given copies of a
percent of the requests, which no user notices. It gets its share once every live worker holds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from contract import deployment as documents
from contract.deployment import Deployment, Shadow, Weight
from contract.objects import Version
from ops.canary.actions import Action
from ops.canary.byhand import Clock, MayServe, utc_now
from ops.rollout import transitions
from ops.rollout.presence import Presence, presence_of
from ops.rollout.records import Records
from ops.rollout.transitions import ChangeRefused

HOLDING_PERCENT = 1
"""Of the requests copied to a version while pods load it: the least there is."""
LOOK_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long pods are waited for, and how that is done."""

    seconds: float
    clock: Clock = utc_now
    wait: Callable[[float], object]
    progress: Callable[[str], object] = lambda _: None


def create(
    records: Records, name: str, version: Version, *, model: str | None, may_serve: MayServe, by: str, reason: str
) -> Deployment:
    """Raise DeploymentExists, InvalidDeployment, or what `may_serve` raises."""
    new = transitions.new(name, version, by=by, now=utc_now(), model=model, tenant=records.tenant)
    may_serve(new.model, version)
    return records.create(new, action=Action.CREATED, reason=reason or f"serves {version}")


def share_out(
    records: Records,
    name: str,
    weights: tuple[Weight, ...],
    *,
    stable: Version | None,
    may_serve: MayServe,
    by: str,
    reason: str,
    patience: Patience,
) -> Deployment:
    """Raise ChangeRefused where pods do not come to hold a version in time; users then see no change."""
    said = reason or ", ".join(f"{weight.version}={weight.percent}" for weight in weights)
    record = records.get(name)
    transitions.set_weights(record, weights, stable)
    wanted = tuple(weight.version for weight in weights)
    for version in wanted:
        if version not in record.versions:
            may_serve(record.model, version)
    _hold(records, record, wanted, by, patience)

    def make(now: Deployment) -> Deployment:
        made = transitions.set_weights(now, weights, stable)
        presence = _presence(records, name, patience.clock())
        for version in wanted:
            if not presence.holds((version,)):
                raise ChangeRefused(f"{name} keeps its weights: {presence.explain(version)}")
        return made

    return records.change(name, make, by=by, action=Action.WEIGHTS_SET, reason=said)


def _hold(records: Records, record: Deployment, wanted: tuple[Version, ...], by: str, patience: Patience) -> None:
    """Have pods load the one version among these that the record does not name yet, and wait until all of them did."""
    name = record.deployment_id
    new = [version for version in wanted if version not in record.versions]
    if len(new) > 1:
        listed = " and ".join(str(version) for version in new)
        raise ChangeRefused(f"no pod holds {listed}: give one of them a share first, then the other")

    def name_it(now: Deployment) -> Deployment:
        transitions.set_weights(now, now.weights)
        return documents.replace(now, shadow=Shadow(version=new[0], percent=HOLDING_PERCENT))

    if new:
        records.change(name, name_it, by=by, action=Action.HELD, reason=f"{new[0]} is to be loaded")
    began = patience.clock()
    while True:
        now = patience.clock()
        presence = _presence(records, name, now)
        lacked = next((version for version in wanted if not presence.holds((version,))), None)
        if lacked is None:
            return
        why = presence.explain(lacked)
        if (now - began).total_seconds() >= patience.seconds:
            _let_go(records, name, wanted, by)
            raise ChangeRefused(f"{name} keeps its weights, after {patience.seconds:.0f} s: {why}")
        patience.progress(why)
        patience.wait(LOOK_SECONDS)


def _let_go(records: Records, name: str, wanted: tuple[Version, ...], by: str) -> None:
    """Also what an earlier command left when it broke off."""

    def make(now: Deployment) -> Deployment:
        held = now.canary is None and now.shadow is not None and now.shadow.version in wanted
        return documents.replace(now, shadow=None) if held else now

    records.change(name, make, by=by, action=Action.HELD, reason="it was not loaded in time")


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """How far pods have followed a change."""

    seconds: float
    workers: int
    behind: tuple[str, ...]
    """Workers that had not followed by then, as pod/worker."""


def roll_back(records: Records, name: str, *, by: str, reason: str) -> Deployment:
    """One write; raise ChangeRefused where there is nothing to go back to."""
    before = records.get(name)

    def make(now: Deployment) -> Deployment:
        # What was asked to be taken back is what was read: anything else would go back too far.
        if before.canary is not None and now.canary is None and now.stable == before.stable:
            return now
        if before.canary is None and now.revision != before.revision:
            raise ChangeRefused(
                f"{name} was changed by {now.changed_by} in this moment: see `serveml deployment show {name}`, then "
                "say it again"
            )
        return transitions.roll_back(now)

    return records.change(name, make, by=by, action=Action.ROLLED_BACK, reason=reason)


def until_followed(records: Records, record: Deployment, patience: Patience) -> Followed:
    """Wait until every live worker routes by this record or a newer one."""
    began = patience.clock()
    while True:
        now = patience.clock()
        presence = _presence(records, record.deployment_id, now)
        behind = presence.lags(record.revision)
        seconds = (now - began).total_seconds()
        if not behind or seconds >= patience.seconds:
            return Followed(
                seconds=seconds,
                workers=len(presence.live),
                behind=tuple(f"{report.pod}/{report.worker}" for report in behind),
            )
        patience.progress(f"{len(behind)} of {len(presence.live)} workers have not followed yet")
        patience.wait(LOOK_SECONDS)


def _presence(records: Records, name: str, now: datetime) -> Presence:
    return presence_of(records.reports(name), now)
