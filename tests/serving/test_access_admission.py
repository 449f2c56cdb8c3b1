"""A request before its model runs: who asks, whether they may, whether now, and in this order."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest

from contract import access
from serving.access import memory
from serving.access.admission import Admission
from serving.access.gate import Gate
from serving.access.keys import KeyRing
from serving.access.limits import Limit, RateLimits, per_minute
from serving.messages import Refused

NOW = 1_800_000_000


class Door:
    """An admission with two users, asked as a client asks."""

    def __init__(self, *, models: dict[str, Limit] | None = None, **changes: Any) -> None:
        (ada, ada_record), (eve, eve_record) = (
            access.issue(**{"user_id": user, "scopes": ["*"], "now": NOW, **changes}) for user in ("ada", "eve")
        )
        self.ada, self.eve = ada, eve
        ring = KeyRing()
        ring.replace([ada_record, eve_record])
        rate_limits = RateLimits(memory.create(1, keys=64), 0)
        self._admission = Admission(Gate(ring), rate_limits, default=per_minute(3), models=models)

    def ask(self, key: str, model: str = "churn", at: float = 0.0) -> dict[bytes, bytes]:
        lines = self._admission.admit({b"x-api-key": key.encode()}, model, wall=NOW, monotonic=at)
        return dict(line.split(b": ") for line in lines.splitlines())  # type: ignore[misc]

    def refusal(self, key: str, model: str = "churn") -> Refused:
        with pytest.raises(Refused) as caught:
            self.ask(key, model)
        return caught.value


def test_each_caller_has_the_default_limit_to_itself() -> None:
    door = Door()
    assert [door.ask(door.ada)[b"ratelimit-remaining"] for _ in range(3)] == [b"2", b"1", b"0"]
    refused = door.refusal(door.ada)
    assert refused.status == HTTPStatus.TOO_MANY_REQUESTS
    assert dict(refused.headers)[b"retry-after"] == b"20"
    assert door.ask(door.eve)
    assert door.ask(door.ada, at=20.0)


def test_a_key_s_own_limit_takes_the_default_s_place() -> None:
    door = Door(requests_per_minute=1)
    assert door.ask(door.ada)[b"ratelimit-limit"] == b"1"
    assert door.refusal(door.ada).status == HTTPStatus.TOO_MANY_REQUESTS


def test_a_model_s_limit_holds_over_all_callers_and_for_that_model_only() -> None:
    door = Door(models={"churn": Limit(60, 2)})
    door.ask(door.ada)
    door.ask(door.eve)
    assert dict(door.refusal(door.ada).headers)[b"retry-after"] == b"1"
    assert door.ask(door.ada, "fraud")[b"ratelimit-remaining"] == b"1"


def test_what_is_refused_for_another_reason_is_not_counted() -> None:
    door = Door(scopes=["churn"])
    forged = door.ada[:-10] + ("b" if door.ada[-10] != "b" else "c") + door.ada[-9:]
    for _ in range(5):
        assert door.refusal(door.ada, "fraud").status == HTTPStatus.FORBIDDEN
        assert door.refusal(forged).status == HTTPStatus.UNAUTHORIZED
    assert door.ask(door.ada)[b"ratelimit-remaining"] == b"2"
