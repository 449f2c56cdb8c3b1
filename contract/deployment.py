"""Deployments: which versions of a model answer, each for which share of the requests, and how a new one is tried.

The operators' commands write the record, pods follow it. `contract.registry` says where it lies in the table.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, TypeVar

import msgspec

from contract import documents
from contract.documents import Unreadable
from contract.objects import InvalidName, Version, check_model_name

SCHEMA_VERSION = 1
DEFAULT_TENANT = "default"
WHOLE_PERCENT = 100
BUCKETS = 10_000
"""How finely requests are told apart: a hundredth of a percent."""
MOST_WEIGHTS = 8

T = TypeVar("T")
Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""Read only with its offset from UTC: one without cannot be compared with another."""


class InvalidDeployment(ValueError):
    """A record that breaks the shape or its own rules; the message says what stands there and what is allowed."""


class Status(StrEnum):
    """What the table's index finds deployments by."""

    SERVING = "serving"
    """Its weights stay as they are until somebody changes them."""
    CANARY = "canary"
    """A controller moves the weights towards a new version, or back."""


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Fields that a reader does not know are passed over: pods and commands are not updated at the same moment."""


class Weight(_Part, frozen=True, kw_only=True):
    """A version's share of the requests."""

    version: Version
    percent: int


class Shadow(_Part, frozen=True, kw_only=True):
    """A version that is given copies of a share of the requests; its answers are compared and thrown away."""

    version: Version
    percent: int


class Stage(_Part, frozen=True, kw_only=True):
    """One step of a canary: how much of the traffic it answers, how much it gets copied, and for how long at least."""

    percent: int
    shadow_percent: int = 0
    seconds: int = 600


class Gates(_Part, frozen=True, kw_only=True):
    """What a version must keep to at every stage, judged on its own and beside the stable version."""

    max_error_percent: float = 0.1
    max_p95_ms: float = 500.0
    min_requests: int = 500
    """Answered by the new version in a stage before it may pass: silence proves nothing."""
    min_shadowed: int = 200
    """Compared answers that a stage with copies takes before it may pass."""
    max_disagreement_percent: float = 1.0
    """Of the copies: answers that differ from the stable version's."""
    false_alarm_percent: float = 1.0
    """The chance, over the whole canary, that a version as good as the stable one is found worse by comparison."""


class Canary(_Part, frozen=True, kw_only=True):
    """A version on trial: its stages, how far it has come, and what speaks against it so far."""

    id: str
    """Names the trial, and decides which users are in its share: another trial takes others."""
    version: Version
    stages: tuple[Stage, ...]
    gates: Gates
    stage: int
    """Index of the stage it is in."""
    stage_began_at: Time | None
    """When every pod was seen to hold what the stage takes; None until then."""
    started_at: Time
    started_by: str
    evidence: dict[str, float] = {}
    """The controller's figures, so that another one can go on with them."""

    @property
    def now(self) -> Stage:
        return self.stages[self.stage]

    @property
    def is_last(self) -> bool:
        return self.stage == len(self.stages) - 1


class Deployment(_Part, frozen=True, kw_only=True):
    """The record. Every change makes a new one, whose `revision` is one higher."""

    tenant: str
    deployment_id: str
    model: str
    created_at: Time
    revision: int
    changed_at: Time
    changed_by: str
    stable: Version
    """What answers when no version is on trial, and what a failed trial goes back to."""
    weights: tuple[Weight, ...]
    previous: Version | None = None
    """What a rollback by hand goes back to; pods hold it."""
    shadow: Shadow | None = None
    canary: Canary | None = None
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        check(self)

    @property
    def status(self) -> Status:
        return Status.SERVING if self.canary is None else Status.CANARY

    @property
    def versions(self) -> tuple[Version, ...]:
        """What a pod holds, each once, the most needed first."""
        wanted = [
            *(weight.version for weight in self.weights),
            self.stable,
            *([self.canary.version] if self.canary else []),
            *([self.shadow.version] if self.shadow else []),
            *([self.previous] if self.previous else []),
        ]
        return tuple(dict.fromkeys(wanted))

    @property
    def salt(self) -> str:
        """Decides together with a user's id which share the user is in."""
        return self.canary.id if self.canary is not None else self.deployment_id

    def percent_of(self, version: Version) -> int:
        return next((weight.percent for weight in self.weights if weight.version == version), 0)


class Change(_Part, frozen=True, kw_only=True):
    """One entry of a deployment's history."""

    revision: int
    at: Time
    by: str
    action: str
    reason: str
    stable: Version
    weights: tuple[Weight, ...]
    shadow: Shadow | None = None


class Report(_Part, frozen=True, kw_only=True):
    """What one worker of a pod holds, by its own account."""

    region: str
    pod: str
    worker: int
    revision: int
    """Of the record that it follows; 0 where it has read none."""
    loaded: tuple[Version, ...]
    at: Time
    refused: dict[str, str] = {}
    """By version: why it is not held."""


def check(deployment: Deployment) -> None:
    """Raise InvalidDeployment for what no pod could follow."""
    where = f"deployment {deployment.tenant}/{deployment.deployment_id}"
    try:
        check_model_name(deployment.tenant)
        check_model_name(deployment.deployment_id)
        check_model_name(deployment.model)
    except InvalidName as error:
        raise InvalidDeployment(f"{where}: {error}") from None
    if deployment.revision < 1:
        raise InvalidDeployment(f"{where} has revision {deployment.revision}: they count from 1")
    check_weights(deployment.weights, where)
    shadow = deployment.shadow
    if shadow is not None and not 1 <= shadow.percent <= WHOLE_PERCENT:
        raise InvalidDeployment(f"{where} copies {shadow.percent} percent of its requests: 1 to 100 are allowed")
    if deployment.canary is not None:
        _check_canary(deployment.canary, deployment.stable, where)
    elif deployment.percent_of(deployment.stable) == 0:
        raise InvalidDeployment(f"{where} gives its stable version {deployment.stable} no share: name one that has one")


def check_weights(weights: tuple[Weight, ...], where: str) -> None:
    """Raise InvalidDeployment unless they share out the whole traffic."""
    said = ", ".join(f"{weight.version}={weight.percent}" for weight in weights) or "none"
    if not 1 <= len(weights) <= MOST_WEIGHTS or len({weight.version for weight in weights}) != len(weights):
        raise InvalidDeployment(f"{where} has the weights {said}: name 1 to {MOST_WEIGHTS} versions, each once")
    if any(not 1 <= weight.percent <= WHOLE_PERCENT for weight in weights):
        raise InvalidDeployment(f"{where} has the weights {said}: each is a whole number of percent from 1 to 100")
    total = sum(weight.percent for weight in weights)
    if total != WHOLE_PERCENT:
        raise InvalidDeployment(f"{where} has the weights {said}, which make {total}: let them make 100")


def check_stages(stages: tuple[Stage, ...], where: str) -> None:
    """Raise InvalidDeployment unless the shares rise to the whole, and each stage is there for something."""
    said = ", ".join(str(stage.percent) for stage in stages) or "none"
    percents = [stage.percent for stage in stages]
    if not percents or percents[-1] != WHOLE_PERCENT or any(a >= b for a, b in pairwise(percents)):
        raise InvalidDeployment(f"{where} has the steps {said}: let them rise, and end with 100")
    for stage in stages:
        if not stage.percent >= 0 or not 0 <= stage.shadow_percent <= WHOLE_PERCENT or stage.seconds < 1:
            raise InvalidDeployment(
                f"{where} has a step of {stage.percent} percent, {stage.shadow_percent} copied, for "
                f"{stage.seconds} s: shares are 0 to 100, and a step lasts a second or more"
            )
        if stage.percent == 0 and stage.shadow_percent == 0:
            raise InvalidDeployment(f"{where} has a step that neither answers nor is copied anything: leave it out")


def bucket(salt: str, key: bytes) -> int:
    """Where a user is among the 10,000: the same for the same salt everywhere and always."""
    digest = hashlib.blake2b(key, digest_size=8, key=salt.encode()[: hashlib.blake2b.MAX_KEY_SIZE]).digest()
    return int.from_bytes(digest) * BUCKETS >> 64


def replace(record: Deployment, **changes: Any) -> Deployment:
    """The record with other fields, checked anew; raise InvalidDeployment."""
    return msgspec.structs.replace(record, **changes)


def amend(canary: Canary, **changes: Any) -> Canary:
    """The canary with other fields."""
    return msgspec.structs.replace(canary, **changes)


def encode(document: _Part) -> bytes:
    """As JSON."""
    return documents.encode(document)


def decode(data: bytes | str, kind: type[T]) -> T:
    """Read one of the types above; raise InvalidDeployment."""
    try:
        return documents.decode(data, kind)
    except Unreadable as error:
        what = f"a {kind.__name__.lower()} of the deployments table"
        raise InvalidDeployment(f"{what} cannot be read: {error}") from None


def _check_canary(canary: Canary, stable: Version, where: str) -> None:
    if canary.version == stable:
        raise InvalidDeployment(f"{where} tries {canary.version} beside itself: name another version")
    check_stages(canary.stages, where)
    if not 0 <= canary.stage < len(canary.stages):
        raise InvalidDeployment(f"{where} is at step {canary.stage} of {len(canary.stages)}")
    # JSON has no other numbers: what was written of them could not be read again.
    for kind, figures in (("evidence", canary.evidence), ("gate", msgspec.structs.asdict(canary.gates))):
        for name, value in figures.items():
            if not math.isfinite(value):
                raise InvalidDeployment(f"{where} has the {kind} {name!r} that is no finite number: leave it out")
